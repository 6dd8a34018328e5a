"""Snowflake's semantic views and models: read with what they know and we do not left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlglot
from pydantic import ValidationError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.semantic.formats.builder import HIDDEN, UNKNOWN_TYPE, Target
from saaf_autogen.semantic.formats.source import Node
from saaf_autogen.semantic.model import SemanticModel, Table

__all__ = ["export_snowflake", "import_snowflake"]

Place = tuple[str | int, ...]
_BY_KIND = {"dimension": "dimensions", "time_dimension": "time_dimensions", "measure": "facts"}
_FIELDS = ("dimensions", "time_dimensions", "facts", "measures")
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
    saaf: dict[str, Any] = model.saaf.model_dump(exclude_unset=True)
    if target.warehouse:
        saaf["warehouse"] = target.warehouse
    if target.dialect and "dialect" in saaf:
        saaf["dialect"] = target.dialect
    data = model.to_document()
    for index, table in enumerate(data.get("tables", ())):
        _support(root, index, table, data.get("relationships", ()))
    data["verified_queries"] = [
        {**query, "sql": _unprefixed(root, index, query["sql"], model.tables)}
        for index, query in enumerate(data.get("verified_queries", ()))
    ]
    if not model.verified_queries:
        data.pop("verified_queries")
    if saaf:
        data["saaf"] = saaf
    return [SemanticModel.model_validate(data)]


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
    asking = sum(bool(query.saaf.parameters) for query in model.verified_queries)
    if asking:
        told.append(f"{asking} verified queries take parameters, which Snowflake's do not")
    if dialect != "snowflake":
        told.append(f"the expressions are written in {dialect} SQL: check them in Snowflake")
    bare = [table.name for table in model.tables if table.base_table.database is None]
    if bare:
        told.append(f"base_table of {', '.join(bare)} names no database, which Snowflake asks for")
    unknown = sum(
        field.get("data_type") == UNKNOWN_TYPE
        for table in document.get("tables", ())
        for key in _FIELDS
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
    for key in _FIELDS:
        items = table.get(key)
        for at, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict) and "name" in item and "data_type" not in item:
                item["data_type"] = UNKNOWN_TYPE
                place: Place = ("tables", index, key, at)
                message = f"{item['name']} has no data_type: {UNKNOWN_TYPE} was written"
                found = root.document.finding(place, message, "write the true one")
                root.report.notes.append(found)


def _support(
    root: Node, index: int, table: dict[str, Any], relationships: Iterable[dict[str, Any]]
) -> None:
    """Describe columns that keys, joins, filters and metrics name and that no field is."""
    fields = [item for key in _FIELDS for item in table.get(key, ())]
    known = {item["name"].casefold() for item in fields}
    known |= {column for item in fields for column in _physical_columns(item["expr"])}
    named = [*table.get("filters", ()), *table.get("metrics", ())]
    known |= {item["name"].casefold() for item in named}
    wanted = list(table.get("primary_key", {}).get("columns", ()))
    wanted += [name for key in table.get("unique_keys", ()) for name in key["columns"]]
    for relation in relationships:
        for side in ("left", "right"):
            if relation[f"{side}_table"].casefold() == table["name"].casefold():
                pairs = relation["relationship_columns"]
                wanted += [pair[f"{side}_column"] for pair in pairs]
    wanted += [name for item in named for name in sorted(_physical_columns(item["expr"]))]
    for name in wanted:
        if name.casefold() in known:
            continue
        known.add(name.casefold())
        made = {"name": name, "expr": name, "data_type": UNKNOWN_TYPE, "saaf": {"tags": [HIDDEN]}}
        table.setdefault("dimensions", []).append(made)
        message = f"{table['name']}.{name} is described because a key, join or metric needs it"
        remedy = f"it is tagged {HIDDEN}: write deny_tags: [{HIDDEN}] in wide grants"
        root.report.notes.append(root.document.finding(("tables", index), message, remedy))


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


def _unprefixed(root: Node, index: int, sql: str, tables: tuple[Table, ...]) -> str:
    """A verified query without the ``__`` that older files put before logical tables."""
    names = {f"__{table.name}".casefold() for table in tables}
    try:
        tokens = sqlglot.tokenize(sql, read="snowflake")
    except SqlglotError:
        return sql
    found = [token for token in tokens if token.text.casefold() in names]
    for token in reversed(found):
        bare = sql[token.start : token.end + 1].replace("__", "", 1)
        sql = sql[: token.start] + bare + sql[token.end + 1 :]
    if found:
        place = ("verified_queries", index, "sql")
        message = "the prefix __ of logical tables was taken off"
        root.report.notes.append(root.document.finding(place, message, "check that the query runs"))
    return sql


def _physical_columns(expr: str) -> set[str]:
    try:
        tree = sqlglot.parse_one(expr, read="snowflake")
    except SqlglotError:
        return set()
    return {column.name.casefold() for column in tree.find_all(exp.Column)}
