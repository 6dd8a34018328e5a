"""Python's values as Arrow: DB-API tells types of columns too vaguely, so values are looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from saaf_autogen.sql.values import Kind, described

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ValueReader", "value_reader"]

_WORD = 2**63


class ValueReader:
    """Turns the values of one column into arrays of one type.

    Attributes:
        field: for the schema.
    """

    def __init__(self, field: pa.Field, read: Callable[[Any], Any] | None) -> None:
        self.field = field
        self._read = read

    def build(self, values: Sequence[Any]) -> pa.Array:
        """An array. Raises ``ValueError`` where a later value is of another kind."""
        import pyarrow as pa

        read = self._read
        if read is not None:
            values = [None if value is None else read(value) for value in values]
        try:
            return pa.array(values, self.field.type)
        except (pa.ArrowException, TypeError, OverflowError) as error:
            raise ValueError("a column holds values of several kinds") from error


def value_reader(name: str, values: Sequence[Any]) -> ValueReader:
    """How a column is read, by the kinds of its first values; a column without any is text."""
    import pyarrow as pa

    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    plain: dict[type, tuple[Any, str]] = {
        bool: (pa.bool_(), "BOOLEAN"),
        float: (pa.float64(), "DOUBLE"),
        str: (pa.string(), "TEXT"),
        bytes: (pa.binary(), "BINARY"),
        date: (pa.date32(), "DATE"),
        time: (pa.time64("us"), "TIME"),
        timedelta: (pa.duration("us"), "INTERVAL"),
    }
    if len(kinds) == 1:
        (kind,) = kinds
        if kind in plain:
            arrow, shown = plain[kind]
            return ValueReader(described(name, arrow, shown), None)
        if kind is int and all(-_WORD <= value < _WORD for value in present):
            return ValueReader(described(name, pa.int64(), "INTEGER"), None)
        if kind is datetime:
            return _moments(name, present)
        if kind in (dict, list):
            return _texts(name, "JSON", _json, "json")
    if kinds and kinds <= {int, float, Decimal}:
        return _texts(name, "NUMERIC", str, "number")
    return _texts(name, "TEXT", _text, None)


def _moments(name: str, values: Sequence[datetime]) -> ValueReader:
    import pyarrow as pa

    if any(value.tzinfo for value in values):
        kind = pa.timestamp("us", tz="UTC")
        return ValueReader(
            described(name, kind, "TIMESTAMP WITH TIME ZONE"), lambda v: v.astimezone(UTC)
        )
    return ValueReader(described(name, pa.timestamp("us"), "TIMESTAMP"), None)


def _texts(name: str, shown: str, read: Callable[[Any], str], kind: Kind | None) -> ValueReader:
    import pyarrow as pa

    return ValueReader(described(name, pa.string(), shown, kind), read)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _text(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if not isinstance(value, UUID) else str(value).lower()
