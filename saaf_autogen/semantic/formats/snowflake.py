"""Snowflake's semantic views and models: read with what they know and we do not left out."""

from __future__ import annotations

from typing import Any

import sqlglot
from pydantic import ValidationError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.semantic.formats.builder import UNKNOWN_TYPE, Target
from saaf_autogen.semantic.formats.source import Node
from saaf_autogen.semantic.model import SemanticModel, Table
from saaf_autogen.semantic.sql import SqlFault, read_query

__all__ = ["export_snowflake", "import_snowflake"]

Place = tuple[str | int, ...]
_BY_KIND = {"dimension": "dimensions", "time_dimension": "time_dimensions", "measure": "facts"}
_ROUNDS = 20


def import_snowflake(root: Node, target: Target) -> list[SemanticModel]:
    """The model of one file; keys that SAAF does not know are left out and told."""
    data = _clean(root.data)
    for index, table in enumerate(data.get("tables") or []):
        if isinstance(table, dict):
            _columns(table)
            _untyped(root, table, index)
    model = _fit(root, data)
    if model is None:
        return []
    saaf = model.saaf.model_dump(exclude_unset=True)
    saaf |= {"warehouse": target.warehouse} if target.warehouse else {}
    saaf |= {"dialect": target.dialect} if target.dialect and "dialect" in saaf else {}
    data = model.to_document()
    data["verified_queries"] = [
        {**query, "sql": _physical(root, index, query["sql"], model.tables)}
        for index, query in enumerate(data.get("verified_queries", ()))
    ]
    head = {key: data.pop(key) for key in ("name", "description") if key in data}
    kept = {key: value for key, value in {**head, "saaf": saaf, **data}.items() if value != {}}
    if not kept["verified_queries"] and not model.verified_queries:
        kept.pop("verified_queries")
    return [SemanticModel.model_validate(kept)]


def export_snowflake(model: SemanticModel, dialect: str) -> tuple[dict[str, Any], list[str]]:
    """The model as Snowflake reads it, and what to know of it.

    Raises:
        ConfigurationError: it is no whole model for Snowflake.
    """
    document = _without_saaf(model.to_document())
    told: list[str] = []
    stripped = _count_saaf(model.to_document())
    if stripped:
        told.append(f"{stripped} saaf: blocks are left out: Snowflake has no place for them")
    if dialect != "snowflake":
        told.append(f"the expressions are written in {dialect} SQL: check them in Snowflake")
    bare = [table.name for table in model.tables if table.base_table.database is None]
    if bare:
        told.append(f"base_table of {', '.join(bare)} names no database, which Snowflake asks for")
    unknown = sum(
        field.get("data_type") == UNKNOWN_TYPE
        for table in document.get("tables", ())
        for key in ("dimensions", "time_dimensions", "facts", "measures")
        for field in table.get(key, ())
    )
    if unknown:
        told.append(f"the data_type of {unknown} fields is {UNKNOWN_TYPE}: write the true one")
    if not model.tables:
        raise ConfigurationError(
            f"The model {model.name} has no tables.", remedy="Export a file that describes tables."
        )
    return document, told


def _clean(value: Any) -> Any:
    """The data without keys that hold nothing, such as the empty ones of generated files."""
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_clean(item) for item in value if item is not None]
    return value


def _columns(table: dict[str, Any]) -> None:
    """Sort ``columns:`` of the oldest files by their kind."""
    columns = table.get("columns")
    if not isinstance(columns, list):
        return
    rest = []
    for column in columns:
        key = _BY_KIND.get(str(column.get("kind")).lower()) if isinstance(column, dict) else None
        if key is None or not isinstance(table.setdefault(key, []), list):
            rest.append(column)
            continue
        table[key].append({name: item for name, item in column.items() if name != "kind"})
    table["columns"] = rest
    if not rest:
        del table["columns"]


def _untyped(root: Node, table: dict[str, Any], index: int) -> None:
    for key in ("dimensions", "time_dimensions", "facts", "measures"):
        items = table.get(key)
        for at, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict) and "name" in item and "data_type" not in item:
                item["data_type"] = UNKNOWN_TYPE
                place: Place = ("tables", index, key, at)
                message = f"{item['name']} has no data_type: {UNKNOWN_TYPE} was written"
                found = root.document.finding(place, message, "write the true one")
                root.report.notes.append(found)


def _fit(root: Node, data: dict[str, Any]) -> SemanticModel | None:
    """The model after taking off unknown keys and values; anything else wrong is a fault."""
    for _ in range(_ROUNDS):
        try:
            return SemanticModel.model_validate(data)
        except ValidationError as error:
            faults = error.errors(include_url=False)
        droppable = [
            fault
            for fault in faults
            if fault["type"] == "extra_forbidden"
            or (fault["type"] == "literal_error" and "saaf" not in fault["loc"])
        ]
        for fault in droppable:
            place = fault["loc"]
            where = ".".join(str(part) for part in place)
            said = f"{where} has no place in a semantic file"
            if fault["type"] == "literal_error":
                said = f"{where}: {fault['input']!r} is not known"
            root.report.left_out.append(root.document.finding(place, said, ""))
            _drop(data, place)
        if not droppable:
            root.document.validate(SemanticModel, data)
            root.report.faults += root.document.findings
            root.document.findings.clear()
            return None
    return None


def _drop(data: Any, place: Place) -> None:
    for part in place[:-1]:
        data = data[part]
    data.pop(place[-1], None)


def _without_saaf(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_saaf(item) for key, item in value.items() if key != "saaf"}
    return [_without_saaf(item) for item in value] if isinstance(value, list) else value


def _count_saaf(value: Any) -> int:
    if isinstance(value, dict):
        below = sum(_count_saaf(item) for key, item in value.items() if key != "saaf")
        return below + ("saaf" in value)
    return sum(_count_saaf(item) for item in value) if isinstance(value, list) else 0


def _physical(root: Node, index: int, sql: str, tables: tuple[Table, ...]) -> str:
    """A verified query over base tables; one over logical tables gets them as subqueries."""
    place = ("verified_queries", index, "sql")
    try:
        use = read_query(sql, "snowflake")
    except SqlFault:
        return sql
    known = {table.name.casefold(): table for table in tables}
    bases = {
        (table.base_table.table.casefold(), column)
        for table in tables
        for field in (*table.dimensions, *table.time_dimensions, *table.facts, *table.measures)
        for column in _physical_columns(field.expr)
    }
    names = {table.base_table.table.casefold() for table in tables}
    loads = all(use_table.name in names for use_table in use.tables) and all(
        not column.sources
        or any((source.name, column.name) in bases for source in column.sources)
        for column in use.columns
    )
    if loads:
        return sql
    tree = sqlglot.parse_one(sql, read="snowflake")
    shared = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    for node in list(tree.find_all(exp.Table)):
        name = node.name.casefold().removeprefix("__")
        if node.name.casefold() in shared or name not in known or node.db:
            continue
        node.replace(_projection(known[name], node.alias_or_name, use.names))
    message = "a verified query over logical tables was rewritten over their base tables"
    finding = root.document.finding(place, message, "read it once before you rely on it")
    root.report.notes.append(finding)
    return tree.sql(dialect="snowflake")


def _physical_columns(expr: str) -> set[str]:
    try:
        tree = sqlglot.parse_one(expr, read="snowflake")
    except SqlglotError:
        return set()
    return {column.name.casefold() for column in tree.find_all(exp.Column)}


def _projection(table: Table, alias: str, names: frozenset[str]) -> exp.Subquery:
    base = table.base_table
    fields = [*table.dimensions, *table.time_dimensions, *table.facts, *table.measures]
    used = [field for field in fields if field.name.casefold() in names] or fields
    seen: dict[str, exp.Expr] = {}
    for field in used:
        tree = sqlglot.parse_one(f"SELECT {field.expr}", read="snowflake").expressions[0]
        name = exp.to_identifier(field.name)
        seen.setdefault(field.name.casefold(), exp.alias_(tree, name))
    source = exp.table_(base.table, db=base.schema_name, catalog=base.database)
    select = exp.select(*seen.values()).from_(source)
    return select.subquery(exp.to_identifier(alias))
