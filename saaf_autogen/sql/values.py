"""Engine values as JSON: dates in ISO 8601, decimals as numbers, bytes in hex."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["jsonable"]

# JSON readers in JavaScript keep integers exact up to here; beyond it they go as text.
_EXACT = 2**53


def jsonable(value: Any) -> Any:
    """``value`` as JSON can hold it. NaN and infinities become None, huge integers text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {_key(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, UUID):
        return str(value)
    return str(value)


def _number(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        whole = int(value)
        return whole if -_EXACT <= whole <= _EXACT else str(whole)
    return float(value)


def _key(key: Any) -> str:
    plain = jsonable(key)
    return plain if isinstance(plain, str) else str(plain)


def _duration(value: timedelta) -> str:
    """ISO 8601, such as ``P1DT2H3M4.5S``."""
    sign, rest = ("-", -value) if value < timedelta() else ("", value)
    hours, seconds = divmod(rest.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = f"{seconds + rest.microseconds / 1_000_000:g}"
    parts = [f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount]
    if text != "0" or not (parts or rest.days):
        parts.append(f"{text}S")
    days = f"{rest.days}D" if rest.days else ""
    return f"{sign}P{days}" + (f"T{''.join(parts)}" if parts else "")
