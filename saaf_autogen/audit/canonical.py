"""The one way to write an entry as JSON, so that its hash can be computed anew.

It is RFC 8785 (JSON Canonicalization Scheme) for the values that entries are made of: UTF-8,
no spaces, members sorted by the code points of their names, texts escaped only where JSON asks
for it, whole numbers below 2**53. Other numbers do not occur: they are written as texts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from typing import Any

__all__ = ["canonical", "instant", "plain", "told"]

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_EXACT = 2**53
_MAX_TEXT = 2_000
_MAX_ITEMS = 200
_MAX_DEPTH = 8


def canonical(document: Mapping[str, Any]) -> str:
    """The canonical JSON of plain values (see ``plain``)."""
    return _ENCODER.encode(document)


def instant(at: datetime) -> str:
    """A time in UTC with microseconds: ``2026-01-31T12:00:00.000000Z``."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def told(text: str, limit: int) -> str:
    """Text that every store can keep; what is over ``limit`` characters is cut, with a ``…``."""
    if len(text) <= limit and "\x00" not in text and text.isascii():
        return text
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return _UNSTORABLE.sub("\ufffd", text)


def plain(value: Any, depth: int = 0) -> Any:
    """A value as entries hold it: bounded, and of types that have one canonical form."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return told(value, _MAX_TEXT)
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) < _EXACT
        return int(value) if whole else str(value)
    if isinstance(value, datetime):
        return instant(value) if value.tzinfo else value.isoformat()
    if depth >= _MAX_DEPTH or isinstance(value, bytes):
        return f"({type(value).__name__})"
    if isinstance(value, Mapping):
        items = list(value.items())[:_MAX_ITEMS]
        return {told(str(name), 200): plain(item, depth + 1) for name, item in items}
    if isinstance(value, Set):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value[:_MAX_ITEMS]]
    return told(str(value), _MAX_TEXT)
