"""Refuses names of columns that cannot be anything, before the engine is asked.

Sound, not complete: a name is refused only where everything is known that it could mean. What is
not known here, the engine finds. Only names that this caller may see are suggested.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.refusal import Refusals, nearest
from saaf_autogen.sql.guard.scopes import Catalog
from saaf_autogen.sql.guard.sources import Found, Frame, Reader, Source

__all__ = ["check_columns", "read_frames"]

# Names that engines make up for values without an alias.
_MADE_UP = re.compile(r"_?(f|c|col|column|expr|unnest|values?)_?\d*_?", re.IGNORECASE)
_WORD = re.compile(r"[a-z_][a-z0-9_]*|[A-Z_][A-Z0-9_]*", re.ASCII)


def read_frames(query: exp.Expr, catalog: Catalog, dialect: Dialect) -> list[Frame]:
    """The SELECTs of a query with what they read; it is not changed."""

    def find(node: exp.Table) -> Found | None:
        name = catalog.find(node.catalog, node.db, node.name)
        if name is None:
            return None
        return Found(name, {column.lower(): column for column in catalog[name].access.columns}, ())

    reader = Reader(find, dialect.key)
    reader.read(query)
    return reader.frames


def check_columns(frames: list[Frame], sql: str, dialect: Dialect, refusals: Refusals) -> None:
    """Refuse the first column that does not exist.

    Args:
        frames: the SELECTs of a query with what they read, before its tables are replaced.
        sql: the caller's text.
        dialect: of the query.
        refusals: of that text.

    Raises:
        SqlRefused: rules ``unknown_column`` and ``unknown_table``.
    """
    checker = _Checker(frames, sql, dialect, refusals)
    for frame in frames:
        scope = list(checker.scope(frame))
        for reference in frame.columns:
            column = reference.node
            if isinstance(column, exp.Column) and isinstance(column.this, exp.Identifier):
                checker.check(column, scope)


def _is_open(source: Source) -> bool:
    """Whether it may have columns that are not known: functions add some of their own."""
    known = isinstance(source.node, exp.Table | exp.Subquery)
    return source.columns is None or not known or isinstance(source.node.this, exp.Func)


class _Checker:
    def __init__(self, frames: list[Frame], sql: str, dialect: Dialect, refusals: Refusals) -> None:
        self._frames = {id(frame.select): frame for frame in frames}
        self._sql = sql
        self._dialect = dialect
        self._refusals = refusals
        self._unnamed = any(
            not isinstance(item, exp.Alias | exp.Column | exp.Star)
            for frame in frames
            for item in frame.select.expressions
        )
        self._written: dict[str, int] = {}
        for frame in frames:
            for reference in frame.columns:
                for part in getattr(reference.node, "parts", ()):
                    name = part.name.lower()
                    self._written[name] = self._written.get(name, 0) + 1

    def scope(self, frame: Frame) -> Iterator[Frame]:
        """The SELECTs around, more of them than engines look into rather than fewer."""
        node: exp.Expr | None = frame.select
        while node is not None:
            found = self._frames.get(id(node))
            if found is not None:
                yield found
            node = node.parent

    def check(self, column: exp.Column, scope: list[Frame]) -> None:
        sources = [source for frame in scope for source in frame.sources]
        if not sources or any(_is_open(source) for source in sources):
            return
        columns = {name for source in sources for name in source.columns or ()}
        given = {
            item.alias.lower()
            for frame in scope
            for item in frame.select.expressions
            if isinstance(item, exp.Alias)
        }
        if column.table:
            self._check_qualified(column, scope, columns | given)
            return
        name = column.name.lower()
        aliases = {source.alias.name.lower() for source in sources}
        if name in columns or name in given or name in aliases or self._made_up(name):
            return
        raise self._unknown(column, sources)

    def _check_qualified(self, column: exp.Column, scope: list[Frame], known: set[str]) -> None:
        first = column.parts[0].name.lower()
        # It may be a field of a column, which nothing is known of.
        if first in known or column.args.get("db"):
            return
        found = [s for frame in scope for s in frame.sources if s.alias.name.lower() == first]
        if not found:
            near = nearest(column.table, [s.alias.name for f in scope for s in f.sources])
            raise self._refusals.at(
                column,
                "unknown_table",
                f"No table in FROM is called {self._as_written(column.args['table'])}.",
                remedy=f"Did you mean {' or '.join(near)}?"
                if near
                else "Use the alias under which the table stands in FROM.",
            )
        name = column.name.lower()
        if any(name in (source.columns or ()) for source in found) or self._made_up(name):
            return
        raise self._unknown(column, found)

    def _made_up(self, name: str) -> bool:
        """Whether an engine may have given a value this name, after a function for example."""
        if not self._unnamed:
            return False
        if _MADE_UP.fullmatch(name) or not _WORD.fullmatch(name):
            return True
        words = re.findall(rf"(?<!\w){re.escape(name)}(?!\w)", self._sql, re.IGNORECASE)
        return len(words) > self._written.get(name, 0)

    def _unknown(self, column: exp.Column, sources: list[Source]) -> Exception:
        names = dict.fromkeys(
            name for source in sources for name in (source.columns or {}).values()
        )
        near = [self._spelled(name) for name in nearest(column.name, names)]
        return self._refusals.at(
            column.this,
            "unknown_column",
            f"There is no column {self._as_written(column.this)} here.",
            remedy=f"Did you mean {' or '.join(near)}?"
            if near
            else "Ask the semantic layer which columns you may read.",
        )

    def _as_written(self, identifier: exp.Expr) -> str:
        written = self._refusals.written(identifier)
        return written if written.isidentifier() else identifier.name

    def _spelled(self, name: str) -> str:
        """The name as it must be written: in quotes where the engine would fold it."""
        stored = self._dialect.stored(name)
        plain = re.fullmatch(r"[A-Za-z_]\w*", stored) and self._dialect.folded(stored) == stored
        return name if plain else f'"{stored}"'
