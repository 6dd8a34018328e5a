"""Arrow values as JSON that loses nothing: the table of types is in ``docs/warehouses.md``.

Every engine's results come as Arrow, so that one place says what a decimal or an interval is to an
agent. Two facts that Arrow's types do not hold stand in the metadata of a field: the engine's own
name of the type, and whether a text stands for a number or for JSON.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from saaf_autogen.sql.moments import clock_text, date_text, moment_text, span_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Kind", "described", "engine_type", "json_column", "jsonable", "stands_for"]

# What a text stands for, where Arrow has no type that holds it.
Kind = Literal["number", "json"]
_TYPE, _KIND = b"saaf.type", b"saaf.kind"
# JSON readers in JavaScript keep integers exact up to here; beyond it they go as text.
_EXACT = 2**53
# Nested deeper, JSON stays text: what reads it next shall not run out of stack.
_MAX_DEPTH = 100
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def described(
    name: str, kind: pa.DataType, engine_type: str, kind_of_text: Kind | None = None
) -> pa.Field:
    """A field of a result that remembers what the engine calls its type.

    Args:
        name: the column.
        kind: its type in Arrow.
        engine_type: the engine's name for it.
        kind_of_text: what a text stands for, if it is more than text.
    """
    import pyarrow as pa

    metadata = {_TYPE: engine_type.encode()}
    if kind_of_text:
        metadata[_KIND] = kind_of_text.encode()
    return pa.field(name, kind, metadata=metadata)


def engine_type(field: pa.Field) -> str:
    """What the engine calls the type of a column."""
    text = (field.metadata or {}).get(_TYPE)
    return text.decode() if text is not None else str(field.type)


def stands_for(field: pa.Field) -> str | None:
    """What the texts of a column stand for, if they are more than text."""
    kind = (field.metadata or {}).get(_KIND)
    return kind.decode() if kind is not None else None


def json_column(values: pa.Array, field: pa.Field) -> list[Any]:
    """The values of one column as JSON can hold them; NaN and infinities become None."""
    kind = stands_for(field)
    plain = _convert(values)
    if kind == "number":
        return [_deep(value, _number_of) for value in plain]
    if kind == "json":
        return [_deep(value, _json_of) for value in plain]
    return plain


def _deep(value: Any, read: Callable[[str], Any]) -> Any:
    if isinstance(value, list):
        return [_deep(item, read) for item in value]
    return None if value is None else read(value)


def _convert(values: pa.Array) -> list[Any]:
    import pyarrow.types as is_a

    kind = values.type
    for test, convert in (
        (is_a.is_boolean, _plain),
        (is_a.is_integer, _integers),
        (_is_text, _plain),
        (is_a.is_floating, _floats),
        (is_a.is_decimal, _decimals),
        (is_a.is_date, _dates),
        (is_a.is_time, _clocks),
        (is_a.is_timestamp, _moments),
        (is_a.is_duration, _durations),
        (is_a.is_interval, _spans),
        (_is_binary, _bytes),
        (is_a.is_map, _maps),
        (_is_list, _lists),
        (is_a.is_struct, _structs),
        (is_a.is_dictionary, lambda v: _convert(v.dictionary_decode())),
    ):
        if test(kind):
            return convert(values)
    if hasattr(values, "storage"):
        return _extension(values)
    return [jsonable(value) for value in values.to_pylist()]


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as is_a

    return bool(is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow.types as is_a

    return bool(
        is_a.is_binary(kind)
        or is_a.is_large_binary(kind)
        or is_a.is_fixed_size_binary(kind)
        or is_a.is_binary_view(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow.types as is_a

    return bool(is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind))


def _plain(values: pa.Array) -> list[Any]:
    found: list[Any] = values.to_pylist()
    return found


def _integers(values: pa.Array) -> list[Any]:
    if values.type.bit_width <= 32:
        return _plain(values)
    return [None if value is None else _integer(value) for value in values.to_pylist()]


def _floats(values: pa.Array) -> list[Any]:
    return [
        value if value is not None and math.isfinite(value) else None
        for value in values.to_pylist()
    ]


def _decimals(values: pa.Array) -> list[Any]:
    return [None if value is None else _number(value) for value in values.to_pylist()]


def _bytes(values: pa.Array) -> list[Any]:
    return [None if value is None else value.hex() for value in values.to_pylist()]


def _counts(values: pa.Array, bits: int) -> list[int | None]:
    """Dates and times as the integers that they are stored as: Python's own types hold less."""
    import pyarrow as pa

    counts: list[int | None] = values.view(pa.int32() if bits == 32 else pa.int64()).to_pylist()
    return counts


def _dates(values: pa.Array) -> list[Any]:
    bits = values.type.bit_width
    each = 1 if bits == 32 else 86_400_000
    days = _counts(values, bits)
    return [None if count is None else date_text(count // each) for count in days]


def _clocks(values: pa.Array) -> list[Any]:
    per_second = _PER_SECOND[values.type.unit]
    counts = _counts(values, values.type.bit_width)
    return [None if count is None else clock_text(count, per_second) for count in counts]


def _moments(values: pa.Array) -> list[Any]:
    per_second, zone = _PER_SECOND[values.type.unit], values.type.tz
    counts = _counts(values, 64)
    return [None if count is None else moment_text(count, per_second, zone) for count in counts]


def _durations(values: pa.Array) -> list[Any]:
    scale = 10**9 // _PER_SECOND[values.type.unit]
    counts = _counts(values, 64)
    return [None if count is None else span_text(0, 0, count * scale) for count in counts]


def _spans(values: pa.Array) -> list[Any]:
    return [None if value is None else span_text(*value) for value in values.to_pylist()]


def _lists(values: pa.Array) -> list[Any]:
    import pyarrow.compute as pc

    items = iter(_convert(values.flatten()))
    lengths = pc.list_value_length(values).to_pylist()
    valid = values.is_valid().to_pylist()
    return [
        [next(items) for _ in range(length)] if good else None
        for length, good in zip(lengths, valid, strict=True)
    ]


def _maps(values: pa.Array) -> list[Any]:
    offsets = values.offsets.to_pylist()
    start, end = offsets[0], offsets[-1]
    keys = iter(_convert(values.keys.slice(start, end - start)))
    items = iter(_convert(values.items.slice(start, end - start)))
    found: list[Any] = []
    bounds = itertools.pairwise(offsets)
    for (first, last), good in zip(bounds, values.is_valid().to_pylist(), strict=True):
        pairs = {_key(next(keys)): next(items) for _ in range(last - first)}
        found.append(pairs if good else None)
    return found


def _structs(values: pa.Array) -> list[Any]:
    names = [values.type.field(index).name for index in range(values.type.num_fields)]
    columns = [_convert(column) for column in values.flatten()]
    rows: Iterator[Any] = zip(*columns, strict=True) if columns else iter([()] * len(values))
    return [
        dict(zip(names, row, strict=True)) if good else None
        for row, good in zip(rows, values.is_valid().to_pylist(), strict=True)
    ]


def _extension(values: pa.Array) -> list[Any]:
    if values.type.extension_name == "arrow.uuid":
        raw = values.storage.to_pylist()
        return [None if value is None else str(UUID(bytes=value)) for value in raw]
    return _convert(values.storage)


def jsonable(value: Any) -> Any:
    """A Python value as JSON can hold it, by the same rules as values of Arrow."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        micros = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
        return span_text(0, 0, micros * 1_000)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {_key(jsonable(key)): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return str(value)


def _integer(value: int) -> int | str:
    return value if -_EXACT <= value <= _EXACT else str(value)


def _number(value: Decimal) -> int | float | str | None:
    """A number where JSON's readers keep every digit of it, or else its digits as text."""
    if not value.is_finite():
        return None
    if abs(value) < 10**17 and value == value.to_integral_value():
        return _integer(int(value))
    near = float(value)
    if math.isfinite(near) and Decimal(repr(near)) == value:
        return near if near != int(near) else _integer(int(near))
    return format(value, "f") if abs(value.adjusted()) < 100 else str(value)


def _number_of(text: str) -> Any:
    try:
        return _number(Decimal(text))
    except InvalidOperation:
        return text


def _json_of(text: str) -> Any:
    if _depth(text) > _MAX_DEPTH:
        return text
    reject: Callable[[str], None] = lambda _: None  # noqa: E731 - NaN and Infinity become None
    try:
        return json.loads(text, parse_float=_number_of, parse_int=_number_of, parse_constant=reject)
    except ValueError:
        return text


def _depth(text: str) -> int:
    """At least as deep as its JSON is nested: brackets within strings count too."""
    if text.count("[") + text.count("{") <= _MAX_DEPTH:
        return 0
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(key)
