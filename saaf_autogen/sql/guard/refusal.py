"""How the guard says no: the rule, the place in the caller's SQL, and what to do instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from sqlglot import exp

from saaf_autogen.errors import SqlRefused

__all__ = ["Refusals", "nearest"]


def nearest(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """At most three of ``candidates`` that look like ``name``, best first."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return tuple(by_lower[match] for match in close)


class Refusals:
    """Makes refusals that point into one text."""

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1, of a character."""
        before = self._sql[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def written(self, node: exp.Expr) -> str:
        """The word that the caller wrote for ``node``, or nothing where that is not known."""
        start, end = node.meta.get("start"), node.meta.get("end")
        if isinstance(start, int) and isinstance(end, int):
            return self._sql[start : end + 1]
        return ""

    def named(self, node: exp.Func) -> tuple[str, int | None]:
        """A function's name, and its offset where it occurs once as a word in the text."""
        for name in node.sql_names():
            places = list(re.finditer(rf"\b{re.escape(name)}\b", self._sql, re.IGNORECASE))
            if places:
                return places[0].group(), places[0].start() if len(places) == 1 else None
        return "", None

    def at(
        self,
        node: exp.Expr | None,
        rule: str,
        detail: str,
        *,
        remedy: str | None = None,
        offset: int | None = None,
    ) -> SqlRefused:
        """A refusal of ``node``, placed at the first of its tokens that is known."""
        offset = _offset(node) if offset is None else offset
        # What has no place of its own is somewhere in the statement, which begins here.
        start = len(self._sql) - len(self._sql.lstrip())
        line, column = self.place(start if offset is None else offset)
        return SqlRefused(detail, rule=rule, remedy=remedy, line=line, column=column)

    def at_offset(self, offset: int, rule: str, detail: str, *, remedy: str) -> SqlRefused:
        """A refusal at a character of the text."""
        line, column = self.place(offset)
        return SqlRefused(detail, rule=rule, remedy=remedy, line=line, column=column)


def _offset(node: exp.Expr | None) -> int | None:
    while node is not None:
        starts = [start for part in node.walk() if isinstance(start := part.meta.get("start"), int)]
        if starts:
            return min(starts)
        node = node.parent
    return None
