"""Parts of rights in words: conditions, masks, limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from saaf_autogen.auth.access import (
    TRUE,
    AllOf,
    Comparison,
    Mask,
    Predicate,
    QueryBounds,
    Scalar,
)

__all__ = ["MASK_WORDS", "bounds_in_words", "joined", "predicate_in_words", "value_in_words"]

MASK_WORDS: dict[Mask, str] = {
    "redact": "hidden behind a fixed text",
    "null": "always empty",
    "hash": "as a code that tells equal values apart from others",
    "last4": "the last four characters alone",
    "year": "the year alone",
}
"""What a mask leaves of a value."""

_OPERATORS = {
    "eq": "is",
    "ne": "is not",
    "lt": "is less than",
    "lte": "is at most",
    "gt": "is more than",
    "gte": "is at least",
}
_MAX_VALUES = 8
_MAX_TEXT = 80


def predicate_in_words(predicate: Predicate) -> str:
    """A condition on rows, such as ``carrier is UA``; of all rows, ``all rows``."""
    return "all rows" if predicate == TRUE else _said(predicate, top=True)


def value_in_words(value: Scalar) -> str:
    """A value as people write it: printable, and cut where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "".join(char if char.isprintable() else "�" for char in str(value))
    text = text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    return text if text.strip() else f"'{text}'"


def bounds_in_words(max_rows: int | None, bounds: QueryBounds, *, approval: bool) -> list[str]:
    """The limits on each query."""
    told = []
    if max_rows is not None:
        told.append(f"at most {max_rows:,} rows a query")
    if bounds.seconds is not None:
        told.append(f"at most {bounds.seconds:g} s a query")
    if bounds.bytes is not None:
        told.append(f"at most {bounds.bytes:,} bytes a query")
    told += [f"every query must narrow by {joined(each, 'or')}" for each in bounds.required_filters]
    if approval:
        told.append("each query needs an approval")
    return told


def joined(parts: Iterable[str], word: str = "and") -> str:
    """``a, b and c``."""
    items = list(parts)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def _said(predicate: Predicate, *, top: bool = False) -> str:
    if isinstance(predicate, Comparison):
        return _compared(predicate)
    word = "and" if isinstance(predicate, AllOf) else "or"
    if not predicate.items:
        return "every row" if isinstance(predicate, AllOf) else "no row"
    said = f" {word} ".join(_said(item) for item in predicate.items)
    return said if top or len(predicate.items) == 1 else f"({said})"


def _compared(comparison: Comparison) -> str:
    if comparison.operator == "in" and isinstance(comparison.value, tuple):
        return f"{comparison.column} is {joined(_listed(comparison.value), 'or')}"
    values = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    operator = _OPERATORS.get(comparison.operator, comparison.operator)
    return f"{comparison.column} {operator} {joined(_listed(values))}"


def _listed(values: Sequence[Scalar]) -> list[str]:
    told = [value_in_words(value) for value in values[:_MAX_VALUES]]
    more = len(values) - len(told)
    return [*told, f"{more} more"] if more else told
