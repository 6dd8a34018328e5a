"""What a caller may read: values under a row predicate, and texts that would name hidden things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
    whole words, in any case of letters, in singular and plural, with ``_`` or a blank between
    their parts.

    Args:
        tables: by the name under which texts belong to them.
        values: hidden values and the words for them; only in hints and questions.
        codes: hidden values themselves; in every text.
    """

    def __init__(
        self, tables: Mapping[str, Hidden], values: Iterable[str] = (), codes: Iterable[str] = ()
    ) -> None:
        self._values = _phrases(values)
        self._codes = _phrases(codes)
        shown: set[str] = set()
        granted: set[str] = set()
        secret: set[str] = set()
        self._own: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._by_name: dict[str, list[Hidden]] = {}
        for key, table in tables.items():
            visible = table.shown | table.said
            shown |= visible
            secret |= table.hidden | table.phrases
            if table.granted:
                granted |= table.names
            self._own[key] = _phrases(visible), _phrases((table.hidden | table.phrases) - visible)
            for name in table.names:
                self._by_name.setdefault(name, []).append(table)
        # `speed` is an ordinary word to whoever sees a column wind_speed.
        shown |= {piece for name in shown for piece in name.split("_")}
        secret |= {name for table in tables.values() if not table.granted for name in table.names}
        self._nowhere = secret - shown - granted
        self._bad = _phrases(self._nowhere)
        known = (self._bad, self._values, *(hidden for _, hidden in self._own.values()))
        self._longest = max((len(name.split()) for names in known for name in names), default=0)

    def allows(self, text: str, table: str = "", *, values: bool = False) -> bool:
        """Whether ``text``, which belongs to ``table`` (or to none), may be shown."""
        qualified = (word for word in _WORD.findall(text) if "." in word)
        if any(self._qualified(word.casefold()) for word in qualified):
            return False
        pieces = list(_pieces(text))
        said = _runs([piece.casefold() for piece in pieces], self._longest)
        said |= {run.removesuffix("s") for run in said}
        visible, hidden = self._own.get(table, (frozenset(), frozenset()))
        if said & hidden or (said & self._bad) - visible:
            return False
        return not _runs(pieces, self._longest) & (self._values if values else self._codes)

    def sentences(self, text: str | None, table: str = "") -> str | None:
        """The sentences of a text that may be shown; None where none may."""
        kept = [part for part in _SENTENCE.split(text or "") if part and self.allows(part, table)]
        return " ".join(kept) or None

    def words(self, words: Iterable[str], table: str = "") -> tuple[str, ...]:
        """Those of some synonyms that may be shown."""
        return tuple(word for word in words if self.allows(word, table))

    def hides_name(self, name: str) -> bool:
        """Whether a bare name is hidden somewhere and shown nowhere."""
        return name.casefold() in self._nowhere

    def _qualified(self, word: str) -> bool:
        return any(
            not owner.granted or name in owner.hidden - owner.shown
            for table, name in pairwise(word.split("."))
            for owner in self._by_name.get(table, ())
        )


def _phrases(names: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(_pieces(name)) for name in names) - {""}


def _pieces(text: str) -> Iterator[str]:
    for word in re.findall(r"\w+", text):
        yield from filter(None, word.split("_"))


def _runs(words: list[str], longest: int) -> set[str]:
    """All runs of up to ``longest`` words."""
    return {
        " ".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(len(words), start + longest) + 1)
    }
