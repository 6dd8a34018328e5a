"""A hard cap on results that says honestly where it cut.

It holds the place of overflow, which will keep the whole result behind a handle.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["cap"]


def cap(value: Any, *, rows: int, size: int) -> tuple[Any, str | None]:
    """Cut a JSON-able value to ``rows`` items and ``size`` bytes of JSON.

    Lists lose their last items; so do the ``rows`` of a table (an object with ``rows``); text
    loses its end. Anything else that is too large is replaced by null.

    Returns:
        The value, and a sentence that says where it was cut, or None when it is whole.
    """
    if isinstance(value, dict) and isinstance(value.get("rows"), list):
        kept, cut = _cap_list(value["rows"], rows, size - _size({**value, "rows": []}))
        before = value.get("cut")
        if cut is None:
            return value, before
        if before:
            # How many there are in all was never known.
            cut = f"cut at {len(kept)} rows; there are more"
        table = {**value, "rows": kept, "cut": cut}
        if "row_count" in value:
            table["row_count"] = len(kept)
        return (table, cut) if _size(table) <= size + len(cut) else (None, _too_large(value, size))
    if isinstance(value, list):
        return _cap_list(value, rows, size)
    if isinstance(value, str):
        return _cap_text(value, size)
    if _size(value) > size:
        return None, _too_large(value, size)
    return value, None


def _cap_list(items: list[Any], rows: int, size: int) -> tuple[list[Any], str | None]:
    kept: list[Any] = []
    used = 2
    for item in items[:rows]:
        used += _size(item) + 2
        if used > size:
            return (
                kept,
                f"cut at {len(kept)} of {len(items)} rows: the result may hold {size} bytes",
            )
        kept.append(item)
    if len(items) > rows:
        return kept, f"cut at {rows} of {len(items)} rows"
    return kept, None


def _cap_text(text: str, size: int) -> tuple[str, str | None]:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= size:
        return text, None
    kept = encoded[:size].decode("utf-8", "ignore")
    return kept, f"cut at {size} of {len(encoded)} bytes"


def _too_large(value: Any, size: int) -> str:
    return f"cut at 0 of {_size(value)} bytes: the result may hold {size} bytes"


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace"))
