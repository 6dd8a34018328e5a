"""Texts of strangers, made safe to look at: names that clients and providers gave themselves."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta

__all__ = ["clean", "clip", "duration", "moment"]

_JOINERS = frozenset("\u200c\u200d")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LINES = frozenset("\n\t")
_MARKS = 3


def clean(text: str) -> str:
    """The text without what could change how its neighbours look.

    Controls that turn the direction of writing, invisible characters, lone surrogates and heaps of
    combining marks go; joiners stay, for scripts and emoji need them.
    """
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        visible = category not in _INVISIBLE or character in _JOINERS or character in _LINES
        if visible and marks <= _MARKS:
            kept.append(character)
    return "".join(kept)


def clip(text: str, length: int = 60) -> str:
    """The text, clean, on one line, and cut at ``length`` characters with an ellipsis."""
    line = " ".join(clean(text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def duration(length: timedelta) -> str:
    """A time to wait, rounded up: ``40 seconds``, ``3 minutes``, ``2 hours``."""
    seconds = max(1, -(-int(length / timedelta(milliseconds=1)) // 1000))
    if seconds < 100:
        return _counted(seconds, "second")
    minutes = -(-seconds // 60)
    return _counted(minutes, "minute") if minutes < 100 else _counted(-(-minutes // 60), "hour")


def moment(at: datetime) -> str:
    """A moment for people: ``23 Nov 2026, 14:05 UTC``."""
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
