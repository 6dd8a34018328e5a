"""PostgreSQL's arrays as it writes them: ``{1,NULL,"a b"}``, with bounds or without."""

from __future__ import annotations

from typing import Any

__all__ = ["array_items"]


def array_items(text: str) -> list[Any]:
    """Items as text, None for NULL, lists for further dimensions.

    Raises:
        ValueError: it is no array.
    """
    if text.startswith("["):
        # Bounds other than 1, as in [0:1]={1,2}.
        text = text.partition("=")[2]
    if not text.startswith("{"):
        raise ValueError("no array")
    stack: list[list[Any]] = []
    item, quoted, started = "", False, False
    index = 0
    while index < len(text):
        character = text[index]
        if character == "{":
            stack.append([])
        elif character == '"':
            item, index = _quoted(text, index + 1)
            quoted = started = True
        elif character in ",}":
            if started:
                stack[-1].append(None if not quoted and item.upper() == "NULL" else item)
            item, quoted, started = "", False, False
            if character == "}":
                done = stack.pop()
                if not stack:
                    return done
                stack[-1].append(done)
        else:
            item += character
            started = True
        index += 1
    raise ValueError("an array without an end")


def _quoted(text: str, index: int) -> tuple[str, int]:
    """The text up to its closing quote, and where that is."""
    parts: list[str] = []
    while text[index] != '"':
        if text[index] == "\\":
            index += 1
        parts.append(text[index])
        index += 1
    return "".join(parts), index
