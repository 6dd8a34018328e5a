"""PostgreSQL's types in Arrow, from the text that the server writes.

Text and not Python's types, which hold no infinite dates, no years before 1 or after 9999, no
months of an interval and no ``24:00:00``. The session fixes how the server writes: ISO dates,
ISO 8601 intervals, UTC, shortest floats, bytes in hex.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql.moments import days_of
from saaf_autogen.sql.postgresql.arrays import array_items
from saaf_autogen.sql.values import Kind, described

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg.types import TypesRegistry

__all__ = ["ColumnReader", "column_reader"]

_SPAN = re.compile(
    r"P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?"
    r"(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d+))?S)?)?"
)
_MOMENT = re.compile(r"(\d{4,})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d+))?)?(?:\+00)?( BC)?")
_INFINITE = {"infinity": 1, "-infinity": -1}


@dataclass(frozen=True)
class ColumnReader:
    """Reads one column of a result.

    Attributes:
        field: for the schema.
        heavy: whether a single value may be of any size.
        read: a text of the server's as a value that ``field``'s type takes.
        build: an array of such values.
    """

    field: pa.Field
    heavy: bool
    read: Callable[[str], Any]
    build: Callable[[list[Any]], pa.Array]


@dataclass(frozen=True)
class _Type:
    arrow: Any
    read: Callable[[str], Any]
    heavy: bool = False
    stands_for: Kind | None = None
    stored: Any = None


def column_reader(name: str, oid: int, modifier: int, types: TypesRegistry) -> ColumnReader:
    """How a column of a type is read; types that are not known here are read as text.

    Args:
        name: of the column.
        oid: of its type.
        modifier: the type's modifier, which holds the precision of ``numeric``.
        types: names of types, as psycopg knows them.
    """
    info = types.get(oid)
    is_array = info is not None and oid == info.array_oid
    base = info.name if info is not None else ""
    kind = _types(modifier).get(base) or _text()
    shown = base or "user-defined"
    if is_array:
        kind, shown = _list_of(kind), f"{shown}[]"
    field = described(name, kind.arrow, shown, kind.stands_for)

    def build(values: list[Any]) -> Any:
        import pyarrow as pa

        if kind.stored is None:
            return pa.array(values, kind.arrow)
        return pa.array(values, kind.stored).view(kind.arrow)

    return ColumnReader(field, kind.heavy, kind.read, build)


def _types(modifier: int) -> dict[str, _Type]:
    import pyarrow as pa

    whole = {"int2": pa.int16(), "int4": pa.int32(), "int8": pa.int64(), "oid": pa.int64()}
    micros = pa.int64()
    return {
        **{name: _Type(arrow, int) for name, arrow in whole.items()},
        "bool": _Type(pa.bool_(), lambda text: text == "t"),
        "float4": _Type(pa.float32(), float),
        "float8": _Type(pa.float64(), float),
        "numeric": _numeric(modifier),
        "bytea": _Type(pa.binary(), lambda text: bytes.fromhex(text[2:]), heavy=True),
        "date": _Type(pa.date32(), _days, stored=pa.int32()),
        "time": _Type(pa.time64("us"), _clock, stored=micros),
        "timestamp": _Type(pa.timestamp("us"), _moment, stored=micros),
        "timestamptz": _Type(pa.timestamp("us", tz="UTC"), _moment, stored=micros),
        "interval": _Type(pa.month_day_nano_interval(), _span),
        "json": _Type(pa.string(), str, heavy=True, stands_for="json"),
        "jsonb": _Type(pa.string(), str, heavy=True, stands_for="json"),
    }


def _text() -> _Type:
    import pyarrow as pa

    return _Type(pa.string(), str, heavy=True)


def _numeric(modifier: int) -> _Type:
    import pyarrow as pa

    precision, scale = ((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF
    if modifier < 4 or precision > 38 or scale > precision:
        # Without bounds: Arrow has no type for it, so its digits stay text.
        return _Type(pa.string(), str, heavy=True, stands_for="number")

    def read(text: str) -> Decimal | None:
        return None if text == "NaN" else Decimal(text)

    return _Type(pa.decimal128(precision, scale), read)


def _list_of(kind: _Type) -> _Type:
    import pyarrow as pa

    if kind.stored is not None:
        # Items are built like a column of their own, then wrapped: views do not nest.
        return _list_of(_Type(kind.arrow, _by_python(kind), heavy=True))

    def read(text: str) -> list[Any]:
        items = array_items(text)
        if any(isinstance(item, list) for item in items):
            raise SqlRefused(
                "An array has more than one dimension.",
                rule="not_supported",
                remedy="Use to_jsonb() on it, or unnest() it.",
            )
        return [None if item is None else kind.read(item) for item in items]

    return _Type(pa.list_(kind.arrow), read, heavy=True, stands_for=kind.stands_for)


def _by_python(kind: _Type) -> Callable[[str], Any]:
    import pyarrow as pa

    def read(text: str) -> Any:
        return pa.array([kind.read(text)], kind.stored).view(kind.arrow)[0]

    return read


def _days(text: str) -> int:
    if text in _INFINITE:
        return _INFINITE[text] * (2**31 - 1)
    return _split(text)[0]


def _moment(text: str) -> int:
    if text in _INFINITE:
        return _INFINITE[text] * (2**63 - 1)
    days, micros = _split(text)
    return days * 86_400_000_000 + micros


def _clock(text: str) -> int:
    hour, minute, rest = text.split(":")
    second, _, fraction = rest.partition(".")
    return _micros(hour, minute, second, fraction)


def _split(text: str) -> tuple[int, int]:
    """Days since 1970-01-01, and microseconds of the day."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("no moment")
    year, month, day, hour, minute, second, fraction, before = match.groups()
    number = 1 - int(year) if before else int(year)
    days = days_of(number, int(month), int(day))
    return days, _micros(hour or "0", minute or "0", second or "0", fraction or "")


def _micros(hour: str, minute: str, second: str, fraction: str) -> int:
    seconds = (int(hour) * 60 + int(minute)) * 60 + int(second)
    return seconds * 10**6 + int(f"{fraction:0<6}" or 0)


def _span(text: str) -> tuple[int, int, int] | None:
    match = _SPAN.fullmatch(text)
    if match is None:
        # Only an infinite interval is written otherwise; Arrow has no such value.
        return None
    years, months, weeks, days, hours, minutes, sign, seconds, fraction = match.groups()
    rest = int(seconds or 0) * 10**9 + int(f"{fraction or '':0<9}" or 0)
    nanoseconds = (int(hours or 0) * 60 + int(minutes or 0)) * 60 * 10**9
    return (
        int(years or 0) * 12 + int(months or 0),
        int(weeks or 0) * 7 + int(days or 0),
        nanoseconds + (-rest if sign else rest),
    )
