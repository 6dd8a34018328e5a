"""Verification: what semantic files promise is run on the warehouse, through the guard."""

from __future__ import annotations

import time
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
from saaf_autogen.semantic.model import Table, VerifiedQuery
from saaf_autogen.semantic.sql import read_expression
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
    catalog = SemanticCatalog((each.model, each.warehouse, each.dialect) for each in sources)
    visible = _everything(catalog, guarded.warehouse.name)
    for promise in wanted:
        yield await _run(guarded, promise, visible)


async def _run(
    guarded: GuardedWarehouse, promise: Promise, visible: dict[str, TableAccess]
) -> Verdict:
    start = time.monotonic()
    try:
        result = await guarded.query(promise.sql, visible=visible, parameters=promise.parameters)
    except SaafError as error:
        place = (error.rule, error.line, error.column) if isinstance(error, SqlRefused) else ()
        seconds = time.monotonic() - start
        return Verdict(promise, False, seconds, None, False, error.detail, error.remedy, *place)
    seconds = time.monotonic() - start
    return Verdict(promise, True, seconds, len(result.rows), result.cut is not None)


def _everything(catalog: SemanticCatalog, warehouse: str) -> dict[str, TableAccess]:
    """Full access to every column that the files describe, under no limit of a grant."""
    prefix = f"wh://{warehouse}/"
    return {
        resource.removeprefix(prefix): TableAccess(
            resource,
            {
                column.name: ColumnAccess(column.name, (ColumnCase(TRUE, None),))
                for column in facts.columns
            },
        )
        for resource, facts in catalog.facts.items()
        if resource.startswith(prefix)
    }


def _of(source: Source) -> Iterator[Promise]:
    document = source.document
    for index, table in enumerate(source.model.tables):
        for section, position, kind, name, sql in _of_table(table, source.dialect):
            line = document.line(("tables", index, section, position, "expr"))
            yield Promise(kind, f"{table.name}.{name}", sql, document.file, line, {})
    for index, query in enumerate(source.model.verified_queries):
        line = document.line(("verified_queries", index, "sql"))
        yield Promise("query", query.name, query.sql, document.file, line, _examples(query))


def _of_table(table: Table, dialect: str) -> Iterator[tuple[str, int, PromiseKind, str, str]]:
    base = table.base_table
    place = f"{expression(base.schema_name, dialect)}.{expression(base.table, dialect)}"
    positions: dict[str, int] = {}
    for _, section, field in table_fields(table):
        position = positions.setdefault(section, 0)
        positions[section] += 1
        if read_expression(field.expr, dialect).column is None:
            sql = f"SELECT\n{field.expr}\nAS value FROM {place} LIMIT 1"
            yield section, position, "field", field.name, sql
    for position, item in enumerate(table.filters):
        sql = f"SELECT count(*) AS matches FROM {place} WHERE (\n{item.expr}\n)"  # noqa: S608 - the guard's to judge
        yield "filters", position, "filter", item.name, sql
    for position, metric in enumerate(table.metrics):
        sql = f"SELECT\n{metric.expr}\nAS value FROM {place}"
        yield "metrics", position, "metric", metric.name, sql


def _examples(query: VerifiedQuery) -> dict[str, Scalar]:
    return {name: parameter.example for name, parameter in query.saaf.parameters.items()}


def _is_called(promise: Promise, name: str) -> bool:
    wanted, known = name.casefold(), promise.name.casefold()
    short = promise.kind != "query" and known.rpartition(".")[2] == wanted
    return known == wanted or short
