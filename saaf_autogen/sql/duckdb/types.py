"""DuckDB's types on their way into Arrow: what Arrow would blur is cast by the engine first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from saaf_autogen.sql.values import Kind, described

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb.sqltypes import DuckDBPyType

__all__ = ["describe", "portable"]

# The name of an ENUM type lists its labels, those of hidden rows among them.
_ENUM = re.compile(r"ENUM\((?:'(?:[^']|'')*'(?:,\s*)?)*\)")
# What Arrow holds as it is. JSON is a varchar to DuckDB; a UUID comes as text.
_KEPT = frozenset(
    """
    boolean tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint
    float double decimal date time timestamp timestamp_s timestamp_ms timestamp_ns interval uuid
    varchar blob null
    """.split()  # noqa: SIM905 - a list of words reads best as words
)


def portable(kind: DuckDBPyType) -> str | None:
    """The type to cast to before a value leaves the engine, or None where it may stay.

    ENUM dictionaries hold all labels; a time's zone, the tags of a UNION, bits and numbers beyond
    127 bits have no type in Arrow: they leave as text.
    """
    name = str(kind.id)
    if name in _KEPT or name in ("timestamp with time zone", "timestamp_tz"):
        return None
    if name not in ("list", "struct", "map", "array"):
        return "VARCHAR"
    if name == "array":
        item, size = kind.children[0][1], kind.children[1][1]
        inner = portable(cast("DuckDBPyType", item))
        return f"{inner}[{size}]" if inner else None
    parts = [(field, cast("DuckDBPyType", part)) for field, part in kind.children]
    if all(portable(part) is None for _, part in parts):
        return None
    if name == "list":
        return f"{_cast(parts[0][1])}[]"
    if name == "map":
        return f"MAP({_cast(parts[0][1])}, {_cast(parts[1][1])})"
    fields = ", ".join(f"{_quoted(field)} {_cast(part)}" for field, part in parts)
    return f"STRUCT({fields})"


def describe(field: pa.Field, kind: DuckDBPyType) -> pa.Field:
    """The field of a result, with DuckDB's own name of its type."""
    text = str(kind)
    stands_for: Kind | None = None
    if text == "JSON":
        stands_for = "json"
    elif str(kind.id) in ("bignum", "uhugeint"):
        stands_for = "number"
    return described(field.name, field.type, _ENUM.sub("ENUM", text), stands_for)


def _cast(kind: DuckDBPyType) -> str:
    return portable(kind) or str(kind)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
