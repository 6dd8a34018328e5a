"""Pages of a list, stable while entries come and go: each goes on past the last one's key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel

from saaf_autogen.errors import InvalidArguments

__all__ = ["MAX_PAGE", "Page", "after_of", "cursor_of", "page_of"]

MAX_PAGE = 200
Item = TypeVar("Item")
Shown = TypeVar("Shown")


class Page(BaseModel, Generic[Item]):
    """A page; ``next_cursor`` asks for the next one, and is None on the last."""

    data: list[Item]
    next_cursor: str | None = None


def cursor_of(key: str) -> str:
    """The cursor that goes on past a key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def after_of(cursor: str | None) -> str:
    """The key in a cursor; the empty one stands before all others.

    Raises:
        InvalidArguments: this API gave no such cursor.
    """
    if not cursor:
        return ""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        key = ""
    if not key or not key.isprintable() or cursor_of(key) != cursor:
        raise InvalidArguments(
            "The cursor is not one that this API gave.",
            remedy="Pass next_cursor of the page before, or leave it out.",
        )
    return key


def page_of(
    rows: Sequence[Item],
    limit: int,
    *,
    key: Callable[[Item], str],
    show: Callable[[Item], Shown],
) -> Page[Shown]:
    """The page of ``rows``: one more than ``limit`` were read, to know whether it is the last."""
    shown = rows[:limit]
    more = cursor_of(key(shown[-1])) if len(rows) > limit and shown else None
    return Page(data=[show(row) for row in shown], next_cursor=more)
