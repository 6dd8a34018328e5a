"""Snowflake's types in Arrow.

Its result chunks choose the narrowest integers that fit each of them; a stream has one schema, so
every chunk is cast to the type that the column was declared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saaf_autogen.sql.values import Kind, described

if TYPE_CHECKING:
    import pyarrow as pa
    from snowflake.connector.cursor import ResultMetadata

__all__ = ["field_of"]

_WORD_DIGITS = 18


def field_of(column: ResultMetadata) -> pa.Field:
    """The field of a result's column, with Snowflake's name of its type."""
    from snowflake.connector.constants import FIELD_ID_TO_NAME

    name = FIELD_ID_TO_NAME.get(column.type_code, "TEXT")
    kind, shown, stands_for = _types(name, column.precision, column.scale)
    return described(column.name, kind, shown, stands_for)


def _types(name: str, precision: int | None, scale: int | None) -> tuple[Any, str, Kind | None]:
    import pyarrow as pa

    if name == "FIXED":
        digits, places = precision or 38, scale or 0
        shown = f"NUMBER({digits},{places})"
        if places == 0 and digits <= _WORD_DIGITS:
            return pa.int64(), shown, None
        return pa.decimal128(digits, places), shown, None
    if name in ("VARIANT", "OBJECT", "ARRAY", "MAP"):
        return pa.string(), name, "json"
    kinds = {
        "REAL": (pa.float64(), "FLOAT"),
        "BOOLEAN": (pa.bool_(), "BOOLEAN"),
        "DATE": (pa.date32(), "DATE"),
        "TIME": (pa.time64("ns"), "TIME"),
        "TIMESTAMP": (pa.timestamp("ns"), "TIMESTAMP_NTZ"),
        "TIMESTAMP_NTZ": (pa.timestamp("ns"), "TIMESTAMP_NTZ"),
        "TIMESTAMP_LTZ": (pa.timestamp("ns", tz="UTC"), "TIMESTAMP_LTZ"),
        "TIMESTAMP_TZ": (pa.timestamp("ns", tz="UTC"), "TIMESTAMP_TZ"),
        "BINARY": (pa.binary(), "BINARY"),
        "TEXT": (pa.string(), "VARCHAR"),
    }
    kind, shown = kinds.get(name, (pa.string(), name))
    return kind, shown, None
