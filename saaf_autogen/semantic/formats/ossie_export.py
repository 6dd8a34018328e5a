"""Native models to Apache Ossie; what it has no place for travels in our extension."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.semantic.formats.builder import Target, base_table
from saaf_autogen.semantic.formats.expressions import Untranslatable, identifier, qualify
from saaf_autogen.semantic.formats.ossie import (
    OSSIE_VERSION,
    datatype_of,
    dialect_name,
    extension,
    field_document,
    field_kind,
    make_patch,
    pick_expression,
    table_document,
)
from saaf_autogen.semantic.formats.ossie_import import (
    metric_document,
    model_parts,
    relationship_document,
)
from saaf_autogen.semantic.formats.source import Node, Report
from saaf_autogen.semantic.model import SemanticModel
from saaf_autogen.settings import Document

__all__ = ["export_ossie"]

_KINDS = ("dimensions", "time_dimensions", "facts", "measures")
_NUMBERS = ("Integer", "Decimal", "Float")


def export_ossie(model: SemanticModel, dialect: str) -> dict[str, Any]:
    """The Ossie document of a model; importing it gives the same model back.

    Args:
        model: the model.
        dialect: of its expressions (sqlglot's name).

    Raises:
        ConfigurationError: it has no table, and Ossie asks for one; or an expression is no SQL.
    """
    if not model.tables:
        raise ConfigurationError(
            f"The model {model.name} has no tables, and an Ossie model must have one.",
            remedy="Export a file that describes tables.",
        )
    try:
        made = _model(model.to_document(), dialect)
    except Untranslatable as reason:
        raise ConfigurationError(
            f"The model {model.name} cannot be exported: {reason}.",
            remedy="`saaf check` names the expression.",
        ) from reason
    return {"version": OSSIE_VERSION, "semantic_model": [made]}


def _model(own: dict[str, Any], dialect: str) -> dict[str, Any]:
    tables = own.get("tables", [])
    instructions = own.get("custom_instructions") or own.get("module_custom_instructions", {}).get(
        "sql_generation"
    )
    context = {
        "instructions": instructions,
        "examples": [query["question"] for query in own.get("verified_queries", ())],
    }
    made = {
        "name": own["name"],
        "description": own.get("description"),
        "ai_context": _said(context),
        "datasets": [_dataset(table, dialect) for table in tables],
        "relationships": [_relationship(item) for item in own.get("relationships", ())],
        "metrics": list(_metrics(own, dialect)),
    }
    made = _said(made)
    parts = model_parts(_node(made))
    parts.pop("examples")
    lists = ("tables", "relationships", "metrics")
    rest = {key: value for key, value in own.items() if key not in lists}
    data = {
        "version": 1,
        "dialect": dialect,
        "model": make_patch({"name": own["name"], **parts}, rest),
        "empty": [key for key in lists if key in own and not own[key]],
    }
    return {**made, "custom_extensions": extension(_said(data))}


def _dataset(own: dict[str, Any], dialect: str) -> dict[str, Any]:
    base = own["base_table"]
    parts = [base[key] for key in ("database", "schema", "table") if base.get(key)]
    hints = own.get("saaf", {}).get("hints", ())
    made = _said(
        {
            "name": own["name"],
            "source": ".".join(identifier(part, "snowflake") for part in parts),
            "primary_key": list(own.get("primary_key", {}).get("columns", ())),
            "unique_keys": [list(key["columns"]) for key in own.get("unique_keys", ())],
            "description": own.get("description"),
            "ai_context": _said(
                {"instructions": "\n".join(hints), "synonyms": list(own.get("synonyms", ()))}
            ),
            "fields": [
                _field(item, kind, dialect) for kind in _KINDS for item in own.get(kind, ())
            ],
        }
    )
    node = _node(made)
    back = table_document(node)
    table = base_table(made["source"], node, "source", Target(), dialect)
    if table is not None:
        back["base_table"] = table.model_dump(by_alias=True, exclude_unset=True)
    lists = (*_KINDS, "metrics")
    rest = {key: value for key, value in own.items() if key not in lists}
    data = {
        "keys": make_patch(back, rest),
        "empty": [key for key in lists if key in own and not own[key]],
    }
    return _with_extension(made, _said(data))


def _field(own: dict[str, Any], kind: str, dialect: str) -> dict[str, Any]:
    datatype = datatype_of(own["data_type"])
    labels = list(own.get("labels", ()))
    made: dict[str, Any] = {
        "name": own["name"],
        "expression": _expression(own["expr"], dialect),
        "label": labels[0] if labels else None,
        "description": own.get("description"),
        "datatype": datatype,
        "ai_context": _said({"synonyms": list(own.get("synonyms", ()))}),
    }
    made = _said(made)
    if kind == "time_dimensions":
        made["dimension"] = {"is_time": True}
    elif kind == "dimensions":
        made["dimension"] = {"is_time": False}
    node = _node(made)
    back = field_document(node, pick_expression(node, dialect, dialect))
    data: dict[str, Any] = {"keys": make_patch(back, own)}
    if field_kind(_node(made)) != kind:
        data["kind"] = kind
    return _with_extension(made, _said(data))


def _relationship(own: dict[str, Any]) -> dict[str, Any]:
    pairs = own["relationship_columns"]
    made = {
        "name": own["name"],
        "from": own["left_table"],
        "to": own["right_table"],
        "from_columns": [pair["left_column"] for pair in pairs],
        "to_columns": [pair["right_column"] for pair in pairs],
    }
    back = relationship_document(_node(made)) or {}
    return _with_extension(made, _said({"keys": make_patch(back, own)}))


def _metrics(own: dict[str, Any], dialect: str) -> Iterator[dict[str, Any]]:
    tables = own.get("tables", [])
    names = {table["name"] for table in tables}
    taken: set[str] = set()
    for table in tables:
        for item in table.get("metrics", ()):
            yield _metric(item, table["name"], dialect, names, taken)
    for item in own.get("metrics", ()):
        yield _metric(item, None, dialect, names, taken)


def _metric(
    own: dict[str, Any], table: str | None, dialect: str, names: set[str], taken: set[str]
) -> dict[str, Any]:
    name, text = own["name"], own["expr"]
    if name.casefold() in taken:
        name = f"{table}_{name}" if table else f"model_{name}"
    taken.add(name.casefold())
    if table is not None:
        try:
            text = qualify(text, dialect, table)
        except Untranslatable:
            text = own["expr"]
    made = _said(
        {
            "name": name,
            "expression": _expression(text, dialect),
            "description": own.get("description"),
            "datatype": datatype_of(own["data_type"]) if own.get("data_type") else None,
            "ai_context": _said({"synonyms": list(own.get("synonyms", ()))}),
        }
    )
    home, back = metric_document(_node(made), dialect, dialect, names)
    data: dict[str, Any] = _said({"keys": make_patch(back, own)})
    if home != table:
        data["table"] = table
    return _with_extension(made, data)


def _expression(text: str, dialect: str) -> dict[str, Any]:
    return {"dialects": [{"dialect": dialect_name(dialect), "expression": text}]}


def _with_extension(made: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    carried = extension(data)
    return {**made, "custom_extensions": carried} if carried else made


def _node(made: dict[str, Any]) -> Node:
    """The part as the importer will see it."""
    return Node(Document(Path("export")), Report(), made)


def _said(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in (None, "", (), [], {})}
