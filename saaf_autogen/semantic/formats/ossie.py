"""What Apache Ossie's parts say in native keys, and what of ours its extensions carry.

https://github.com/apache/ossie/blob/main/core-spec/spec.md. Reading takes any version; writing
states the one below, which Ossie's JSON Schema asks for as a constant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from saaf_autogen.semantic.formats.builder import UNKNOWN_TYPE
from saaf_autogen.semantic.formats.expressions import Untranslatable, translate
from saaf_autogen.semantic.formats.source import Node

__all__ = [
    "OSSIE_VERSION",
    "VENDOR",
    "apply_patch",
    "data_type_of",
    "datatype_of",
    "dialect_name",
    "extension",
    "field_document",
    "field_kind",
    "make_patch",
    "patch_of",
    "pick_expression",
    "report_extensions",
    "table_document",
]

OSSIE_VERSION = "0.2.0.dev0"
VENDOR = "SAAF"
_DIALECTS = {"snowflake": "SNOWFLAKE", "databricks": "DATABRICKS", "bigquery": "BIGQUERY"}
_TYPES = {
    "String": "VARCHAR",
    "Integer": "INTEGER",
    "Decimal": "DECIMAL",
    "Float": "DOUBLE",
    "Boolean": "BOOLEAN",
    "Date": "DATE",
    "Time": "TIME",
    "DateTime": "TIMESTAMP",
    "DateTimeTz": "TIMESTAMP WITH TIME ZONE",
}
_WORDS = {
    "String": ("VARCHAR", "TEXT", "STRING", "CHAR", "CHARACTER", "CHARACTER VARYING", "NVARCHAR"),
    "Integer": ("INTEGER", "INT", "BIGINT", "SMALLINT", "TINYINT", "HUGEINT", "BYTEINT", "LONG"),
    "Decimal": ("DECIMAL", "NUMERIC", "NUMBER"),
    "Float": ("DOUBLE", "FLOAT", "REAL", "DOUBLE PRECISION", "FLOAT8", "FLOAT4"),
    "Boolean": ("BOOLEAN", "BOOL"),
    "Date": ("DATE",),
    "Time": ("TIME",),
    "DateTime": ("TIMESTAMP", "DATETIME", "TIMESTAMP_NTZ", "TIMESTAMP WITHOUT TIME ZONE"),
    "DateTimeTz": ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMP_TZ", "TIMESTAMP_LTZ"),
}
_BY_WORD = {word: name for name, words in _WORDS.items() for word in words}
_TEMPORAL = ("Date", "Time", "DateTime", "DateTimeTz")
_NUMBERS = ("Integer", "Decimal", "Float")
_ABSENT = object()


def dialect_name(dialect: str) -> str:
    """Ossie's name of a dialect; those that it does not list are written as ANSI_SQL."""
    return _DIALECTS.get(dialect, "ANSI_SQL")


def datatype_of(data_type: str) -> str | None:
    """Ossie's data type for a native one; None where it is unknown."""
    word = data_type.split("(", 1)[0].strip().upper()
    if word == UNKNOWN_TYPE:
        return None
    return _BY_WORD.get(word, "Opaque")


def data_type_of(node: Node) -> str:
    """The native data type of a field or metric."""
    return _TYPES.get(node.text("datatype") or "", UNKNOWN_TYPE)


def pick_expression(node: Node, spoken: str, dialect: str) -> str:
    """The expression of a field or metric in ``dialect``.

    The dialect's own wording is preferred, then ANSI's, then any other SQL, translated.

    Args:
        node: the field or metric.
        spoken: the dialect in which texts under ANSI_SQL really are.
        dialect: of the result.

    Raises:
        Untranslatable: there is none that can be said in ``dialect``.
    """
    holder = node.node("expression")
    texts: dict[str, str] = {}
    for item in holder.nodes("dialects") if holder is not None else []:
        name, text = item.text("dialect"), item.text("expression")
        if name and text:
            texts.setdefault(name.upper(), text)
    known = {name: own for own, name in _DIALECTS.items()}
    order = [dialect_name(dialect), "ANSI_SQL", *known]
    chosen = next((name for name in order if name in texts), None)
    if chosen is None:
        raise Untranslatable(f"it is given in {', '.join(texts) or 'no dialect'} alone")
    for name in texts:
        if name != chosen:
            node.leave_out("expression", f"the wording in {name} of {node.raw('name')} is left out")
    return translate(texts[chosen], known.get(chosen, spoken), dialect)


def field_kind(node: Node) -> str:
    """Under which native key a field belongs: Ossie's rules for time, then a number is a fact."""
    datatype = node.text("datatype") or ""
    role = node.node("dimension")
    time = role.flag("is_time") if role is not None else None
    if time or (time is None and datatype in _TEMPORAL):
        return "time_dimensions"
    return "facts" if role is None and datatype in _NUMBERS else "dimensions"


def field_document(node: Node, expression: str) -> dict[str, Any]:
    """A field in native keys, its kind aside."""
    label = node.text("label")
    return _kept(
        {
            "name": node.text("name", required=True),
            "expr": expression,
            "data_type": data_type_of(node),
            "description": node.text("description"),
            "synonyms": _context(node, None)[0],
            "labels": [label] if label else [],
        }
    )


def table_document(node: Node) -> dict[str, Any]:
    """A dataset in native keys, without its base table and fields."""
    synonyms, instructions = _context(node, "instructions")
    keys = node.raw("unique_keys")
    unique = keys if isinstance(keys, list) else []
    if any(not isinstance(key, list) or not key for key in unique):
        node.fault("unique_keys", "a unique key is no list of columns", "write [[a], [b, c]]")
        unique = []
    primary = node.texts("primary_key")
    return _kept(
        {
            "name": node.text("name", required=True),
            "description": node.text("description"),
            "synonyms": synonyms,
            "primary_key": {"columns": primary} if primary else None,
            "unique_keys": [{"columns": [str(column) for column in key]} for key in unique],
            "saaf": {"hints": instructions} if instructions else None,
        }
    )


def _context(node: Node, wanted: str | None) -> tuple[list[str], list[str]]:
    """(synonyms, lines of instructions); text alone is instructions."""
    value = node.raw("ai_context")
    name = node.raw("name")
    if isinstance(value, str):
        if wanted is None:
            node.leave_out("ai_context", f"ai_context of {name} is left out", "write a description")
            return [], []
        return [], [line for line in value.splitlines() if line.strip()]
    context = node.node("ai_context")
    if context is None:
        return [], []
    text = context.text("instructions") if wanted else None
    return context.texts("synonyms"), [line for line in (text or "").splitlines() if line.strip()]


def patch_of(node: Node) -> dict[str, Any]:
    """What our extension says of a part; empty where it has none."""
    for item in node.raw("custom_extensions") or []:
        if isinstance(item, dict) and item.get("vendor_name") == VENDOR:
            try:
                data = json.loads(item.get("data", ""), object_hook=_revive)
            except (TypeError, ValueError, RecursionError):
                message = "the data of the SAAF extension is no JSON"
                node.fault("custom_extensions", message, "export the file again, or remove it")
                return {}
            return data if isinstance(data, dict) else {}
    return {}


def report_extensions(node: Node) -> None:
    """Tell of other vendors' extensions, which have no place here."""
    for item in node.nodes("custom_extensions"):
        vendor = item.text("vendor_name")
        item.ignore("data")
        if vendor != VENDOR:
            of = node.raw("name")
            node.leave_out("custom_extensions", f"the extension of {vendor} on {of} is left out")


def make_patch(back: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What turns ``back``, which Ossie's keys alone give, into ``own``.

    Each entry remembers the value that it replaces: where another tool has since changed that
    one, the change stands.
    """
    patch: dict[str, Any] = {}
    for key in {**back, **own}:
        was, now = back.get(key, _ABSENT), own.get(key, _ABSENT)
        if was != now:
            entry = {"was": was, "is": now}
            patch[key] = {name: value for name, value in entry.items() if value is not _ABSENT}
    return patch


def apply_patch(back: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``back`` with the entries of a patch whose former values still stand."""
    result = dict(back)
    for key, entry in patch.items():
        if not isinstance(entry, dict) or result.get(key, _ABSENT) != entry.get("was", _ABSENT):
            continue
        if "is" in entry:
            result[key] = entry["is"]
        else:
            result.pop(key, None)
    return result


def extension(data: Mapping[str, Any]) -> list[dict[str, str]]:
    """The entry of ``custom_extensions`` that carries the data; none where there is nothing."""
    if not data:
        return []
    text = json.dumps(data, ensure_ascii=False, default=_encode, sort_keys=True)
    return [{"vendor_name": VENDOR, "data": text}]


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _revive(value: dict[str, Any]) -> Any:
    if set(value) == {"$datetime"}:
        return datetime.fromisoformat(value["$datetime"])
    if set(value) == {"$date"}:
        return date.fromisoformat(value["$date"])
    return value


def _kept(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in (None, [], {})}
