"""Verification: what semantic files promise is run on the warehouse, through the guard."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from saaf_autogen.auth.access import TRUE, ColumnAccess, ColumnCase, TableAccess
from saaf_autogen.errors import NotFound, SaafError, SqlRefused
from saaf_autogen.project.scaffolding.drafts import expression
from saaf_autogen.project.scaffolding.site import Site
from saaf_autogen.semantic.catalog import SemanticCatalog, table_fields
from saaf_autogen.semantic.checks import Source
from saaf_autogen.semantic.model import (
    Dimension,
    Fact,
    Metric,
    Relationship,
    SemanticModel,
    Table,
    TimeDimension,
    VerifiedQuery,
)
from saaf_autogen.semantic.sql import read_expression
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.semantic.vocabulary import Vocabulary
from saaf_autogen.sql import GuardedWarehouse
from saaf_autogen.sql.guard.plan import Scalar

__all__ = ["Promise", "PromiseKind", "Verdict", "promises", "verify"]

PromiseKind = Literal["query", "metric", "filter", "field"]


@dataclass(frozen=True)
class Promise:
    """Something of a file that must run.

    Attributes:
        name: the verified query's name, or ``TABLE.NAME``.
        file, line: where its SQL stands.
        parameters: its example values.
    """

    kind: PromiseKind
    name: str
    sql: str
    file: Path
    line: int
    parameters: dict[str, Scalar]


@dataclass(frozen=True)
class Verdict:
    """What came of a promise.

    Attributes:
        rows: rows of its result; None where it failed.
        seconds: that it took.
        cut: whether there were more rows than the deployment's limit.
        error: why it failed, None where it ran; with ``remedy``, and the place within the SQL.
    """

    promise: Promise
    ok: bool
    seconds: float
    rows: int | None = None
    cut: bool = False
    error: str | None = None
    remedy: str | None = None
    rule: str | None = None
    line: int = 0
    column: int = 0


def promises(site: Site, warehouse: str, names: Collection[str] = ()) -> list[Promise]:
    """What the files on a warehouse promise.

    Args:
        site: the deployment.
        warehouse: its name.
        names: only these, by the name of a query, a metric, a filter or ``TABLE.NAME``.

    Raises:
        NotFound: nothing is called by one of the names.
    """
    found = [each for source in site.described(warehouse) for each in _of(source)]
    if not names:
        return found
    unknown = [name for name in names if not any(_is_called(each, name) for each in found)]
    if unknown:
        known = ", ".join(each.name for each in found[:20]) or "none"
        raise NotFound(
            f"No verified query, metric or filter of {warehouse} is called {unknown[0]!r}.",
            remedy=f"There are: {known}{', …' if len(found) > 20 else ''}.",
        )
    return [each for each in found if any(_is_called(each, name) for name in names)]


async def verify(
    site: Site, guarded: GuardedWarehouse, wanted: Sequence[Promise]
) -> AsyncIterator[Verdict]:
    """Run promises, one after another, as a caller who may see all that the files describe.

    Args:
        site: the deployment.
        guarded: the warehouse that they are on.
        wanted: from ``promises``.
    """
    sources = site.described(guarded.warehouse.name)
    name = guarded.warehouse.name
    catalog = SemanticCatalog((each.model, each.warehouse, each.dialect) for each in sources)
    access = _everything(catalog)
    vocabulary = SemanticView(catalog, access).vocabulary(name)
    prefix = f"wh://{name}/"
    visible = {resource.removeprefix(prefix): each for resource, each in access.items()}
    for promise in wanted:
        yield await _run(guarded, promise, visible, vocabulary)


async def _run(
    guarded: GuardedWarehouse,
    promise: Promise,
    visible: dict[str, TableAccess],
    vocabulary: Vocabulary,
) -> Verdict:
    start = time.monotonic()
    try:
        result = await guarded.query(
            promise.sql, visible=visible, parameters=promise.parameters, vocabulary=vocabulary
        )
    except SaafError as error:
        place = (error.rule, error.line, error.column) if isinstance(error, SqlRefused) else ()
        seconds = time.monotonic() - start
        return Verdict(promise, False, seconds, None, False, error.detail, error.remedy, *place)
    seconds = time.monotonic() - start
    return Verdict(promise, True, seconds, len(result.rows), result.cut is not None)


def _everything(catalog: SemanticCatalog) -> dict[str, TableAccess]:
    """Full access to every column that the files describe, under no limit of a grant."""
    return {
        resource: TableAccess(
            resource,
            {
                column.name: ColumnAccess(column.name, (ColumnCase(TRUE, None),))
                for column in facts.columns
            },
        )
        for resource, facts in catalog.facts.items()
    }


def _of(source: Source) -> Iterator[Promise]:
    document, model = source.document, source.model
    bases = Counter(_base(table, source.dialect) for table in model.tables)
    for index, table in enumerate(model.tables):
        base = _base(table, source.dialect)
        # Of two logical tables on one base table, SQL must say which it means.
        place = base if bases[base] == 1 else expression(table.name, source.dialect)
        for section, position, kind, name, sql in _of_table(table, place, source.dialect):
            line = document.line(("tables", index, section, position, "expr"))
            yield Promise(kind, f"{table.name}.{name}", sql, document.file, line, {})
    for index, metric in enumerate(model.metrics):
        joined = _joined(model, metric, source.dialect)
        if joined and metric.access_modifier == "public_access":
            value = expression(metric.name, source.dialect)
            sql = f"SELECT AGG({value}) FROM {joined}"  # noqa: S608 - the guard's to judge
            line = document.line(("metrics", index, "expr"))
            yield Promise("metric", metric.name, sql, document.file, line, {})
    for index, query in enumerate(model.verified_queries):
        line = document.line(("verified_queries", index, "sql"))
        yield Promise("query", query.name, query.sql, document.file, line, _examples(query))


def _of_table(
    table: Table, place: str, dialect: str
) -> Iterator[tuple[str, int, PromiseKind, str, str]]:
    """Section, index, kind, name and SQL of each named expression of a table.

    They are asked for by name, as callers do; what callers may not name stands as it is.
    """
    fields = table_fields(table)
    columns = {read_expression(each.expr, dialect).column for _, _, each in fields}
    metrics = {metric.name.casefold() for metric in table.metrics}
    positions: dict[str, int] = {}
    for _, section, field in fields:
        position = positions.setdefault(section, 0)
        positions[section] += 1
        if read_expression(field.expr, dialect).column is None:
            named = field.name not in columns and not _is_private(field)
            value = expression(field.name, dialect) if named else f"(\n{field.expr}\n)"
            sql = f"SELECT {value} FROM {place} LIMIT 1"  # noqa: S608 - the guard's to judge
            yield section, position, "field", field.name, sql
    for position, item in enumerate(table.filters):
        test = expression(item.name, dialect) if item.name not in columns else f"(\n{item.expr}\n)"
        sql = f"SELECT count(*) AS matches FROM {place} WHERE {test}"  # noqa: S608 - the guard's to judge
        yield "filters", position, "filter", item.name, sql
    for position, metric in enumerate(table.metrics):
        value = f"AGG({expression(metric.name, dialect)})"
        if _is_private(metric) or metric.non_additive_dimensions:
            uses = {each.name for each in read_expression(metric.expr, dialect).columns}
            if uses & metrics:
                continue
            value = f"(\n{metric.expr}\n)"
        sql = f"SELECT {value} FROM {place}"  # noqa: S608 - the guard's to judge
        yield "metrics", position, "metric", metric.name, sql


def _joined(model: SemanticModel, metric: Metric, dialect: str) -> str | None:
    """The tables of a metric of the whole model, joined; None where relationships do not do it."""
    named = {each.qualifier for each in read_expression(metric.expr, dialect).columns}
    tables = {table.name.casefold(): table.name for table in model.tables}
    if not named or not named <= set(tables):
        return None
    # Where the foreign keys are comes first: what they lead to repeats nothing.
    lefts = [each.left_table.casefold() for each in model.relationships]
    start = min(sorted(named), key=lambda name: -lefts.count(name))
    done, sql = {start}, expression(tables[start], dialect)
    while named - done:
        step = next(
            (
                (each, other)
                for each in model.relationships
                for mine, other in _ways(each)
                if mine in done and other in named - done
            ),
            None,
        )
        if step is None:
            return None
        relation, other = step
        table = expression(tables[other], dialect)
        sql += f" JOIN {table} USING ({expression(relation.name, dialect)})"
        done.add(other)
    return sql


def _ways(relation: Relationship) -> tuple[tuple[str, str], tuple[str, str]]:
    left, right = relation.left_table.casefold(), relation.right_table.casefold()
    return (left, right), (right, left)


def _base(table: Table, dialect: str) -> str:
    base = table.base_table
    return f"{expression(base.schema_name, dialect)}.{expression(base.table, dialect)}"


def _is_private(item: Dimension | TimeDimension | Fact | Metric) -> bool:
    return getattr(item, "access_modifier", "public_access") == "private_access"


def _examples(query: VerifiedQuery) -> dict[str, Scalar]:
    return {name: parameter.example for name, parameter in query.saaf.parameters.items()}


def _is_called(promise: Promise, name: str) -> bool:
    wanted, known = name.casefold(), promise.name.casefold()
    short = promise.kind != "query" and known.rpartition(".")[2] == wanted
    return known == wanted or short
