"""What a caller may read: values under a row predicate, and texts that would name hidden things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from saaf_autogen.auth.access import (
    TRUE,
    AllOf,
    ColumnAccess,
    Comparison,
    Predicate,
    TableAccess,
    all_of,
)

__all__ = ["Hidden", "TextGuard", "is_filtered", "may_hold", "shows_value", "columns_of"]

_WORD = re.compile(r"\w+(?:\.\w+)*")
_SENTENCE = re.compile(r"(?<=[.;!?])\s+")


def columns_of(predicate: Predicate) -> frozenset[str]:
    """Names (lower case) of the columns that a predicate looks at."""
    if isinstance(predicate, Comparison):
        return frozenset({predicate.column.casefold()})
    return frozenset().union(*(columns_of(item) for item in predicate.items))


def may_hold(predicate: Predicate, column: str, value: Any) -> bool | None:
    """Whether a row whose ``column`` is ``value`` fits: True, False, or None for "it depends"."""
    if isinstance(predicate, Comparison):
        if predicate.column.casefold() != column.casefold():
            return None
        return _compare(value, predicate.operator, predicate.value)
    answers = [may_hold(item, column, value) for item in predicate.items]
    decisive = not isinstance(predicate, AllOf)
    if decisive in answers:
        return decisive
    return None if None in answers else not decisive


def shows_value(access: TableAccess, column: ColumnAccess, value: Any) -> bool:
    """Whether some visible row may show ``value`` in the column without a mask."""
    earlier: list[Predicate] = []
    for case in column.cases:
        taken = any(may_hold(when, column.name, value) is True for when in earlier)
        fits = may_hold(all_of(access.rows, case.when), column.name, value) is not False
        if case.mask is None and fits and not taken:
            return True
        earlier.append(case.when)
    return False


def is_filtered(access: TableAccess, column: ColumnAccess) -> bool:
    """Whether the caller sees the column in some rows only."""
    return access.rows != TRUE or any(case.when != TRUE for case in column.cases)


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator == "in":
        return isinstance(operand, tuple) and any(_compare(value, "eq", item) for item in operand)
    left, right = _comparable(value, operand)
    if operator == "eq":
        return bool(left == right)
    if operator == "ne":
        return bool(left != right)
    if type(left) is not type(right):
        return False
    if operator in ("lt", "lte"):
        return bool(left < right or (operator == "lte" and left == right))
    return bool(left > right or (operator == "gte" and left == right))


def _comparable(value: Any, operand: Any) -> tuple[Any, Any]:
    """Both as numbers where the operand is one, otherwise both as text (dates in ISO form)."""
    if isinstance(operand, int | float | Decimal) and not isinstance(operand, bool):
        try:
            return Decimal(str(value)), Decimal(str(operand))
        except InvalidOperation:
            return str(value), Decimal(str(operand))
    return _text(value), _text(operand)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value).casefold() if isinstance(value, bool) else str(value)


@dataclass
class Hidden:
    """The names of one logical table, in lower case, by whether this caller may know them.

    ``phrases`` are synonyms of several words for hidden fields, ``said`` those for shown ones.
    """

    names: frozenset[str] = frozenset()
    shown: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    phrases: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    granted: bool = False


class TextGuard:
    """Says whether a text may be shown, given all tables with their shown and hidden names.

    A text is refused where it names a hidden table, or a column that is hidden in the table that
    the text belongs to, or one that is hidden somewhere and shown nowhere. Names are found as
    whole words, in any case of letters, with ``_`` or a blank between their parts.

    Args:
        tables: by the name under which texts belong to them.
        values: hidden values and the words for them; only in hints and questions.
        codes: hidden values themselves; in every text.
    """

    def __init__(
        self, tables: dict[str, Hidden], values: Iterable[str] = (), codes: Iterable[str] = ()
    ) -> None:
        self._tables = tables
        self._values = frozenset(values)
        self._codes = frozenset(codes)
        shown = set().union(*(table.shown | table.said for table in tables.values()))
        # `speed` is an ordinary word to whoever sees a column wind_speed.
        shown |= {piece for name in shown for piece in name.split("_")}
        granted = set().union(*(table.names for table in tables.values() if table.granted))
        self._nowhere = {
            name
            for table in tables.values()
            for name in (*table.hidden, *table.phrases)
            if name not in shown
        }
        self._dark_tables = {
            name
            for table in tables.values()
            if not table.granted
            for name in table.names
            if name not in granted and name not in shown
        }
        self._by_name: dict[str, list[Hidden]] = {}
        for table in tables.values():
            for name in table.names:
                self._by_name.setdefault(name, []).append(table)

    def allows(self, text: str, table: str = "", *, values: bool = False) -> bool:
        """Whether ``text``, which belongs to ``table`` (or to none), may be shown."""
        words = _WORD.findall(text)
        if any(self._qualified(word.casefold()) for word in words if "." in word):
            return False
        plain = _normal(text)
        own = self._tables.get(table)
        bad = (self._nowhere | self._dark_tables) - (own.shown if own else set())
        if own is not None:
            bad |= (own.hidden | own.phrases) - own.shown - own.said
        folded = plain.casefold()
        if any(_holds(folded, _normal(name).strip()) for name in bad):
            return False
        return not any(
            f" {_normal(value).strip()} " in plain
            for value in (self._values if values else self._codes)
        )

    def sentences(self, text: str | None, table: str = "") -> str | None:
        """The sentences of a text that may be shown; None where none may."""
        kept = [part for part in _SENTENCE.split(text or "") if part and self.allows(part, table)]
        return " ".join(kept) or None

    def words(self, words: Iterable[str], table: str = "") -> tuple[str, ...]:
        """Those of some synonyms that may be shown."""
        return tuple(word for word in words if self.allows(word, table))

    def hides_name(self, name: str) -> bool:
        """Whether a bare name is hidden somewhere and shown nowhere."""
        return name.casefold() in self._nowhere or name.casefold() in self._dark_tables

    def _qualified(self, word: str) -> bool:
        parts = word.split(".")
        pairs = pairwise(parts)
        return any(
            not owner.granted or name in owner.hidden - owner.shown
            for table, name in pairs
            for owner in self._by_name.get(table, ())
        )


def _normal(text: str) -> str:
    return " " + " ".join(_pieces(text)) + " "


def _pieces(text: str) -> Iterator[str]:
    for word in re.findall(r"\w+", text):
        yield from filter(None, word.split("_"))


def _holds(text: str, name: str) -> bool:
    return bool(name) and (f" {name} " in text or f" {name}s " in text)
