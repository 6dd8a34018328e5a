"""Names of the semantic layer in a caller's SQL become the expressions that they stand for.

This happens on the tree, before any shape is checked and any table replaced: what was expanded
passes the same guard as what the caller wrote, and sees what the caller sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from saaf_autogen.errors import SqlRefused
from saaf_autogen.semantic.vocabulary import Definition, LogicalTable, Vocabulary
from saaf_autogen.sql.guard.aliases import Meaning, meaning_beside_aliases
from saaf_autogen.sql.guard.definitions import Definitions
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.joins import expand_relations
from saaf_autogen.sql.guard.metrics import Metrics
from saaf_autogen.sql.guard.plan import VisibleTable
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.scopes import Catalog
from saaf_autogen.sql.guard.sources import (
    Found,
    Frame,
    Reader,
    Reference,
    Source,
    is_metric_call,
)
from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["Expansion"]


@dataclass(frozen=True)
class _Match:
    """A definition that a column names, and the source that it is one of."""

    source: Source
    frame: Frame
    logical: LogicalTable
    definition: Definition


class Expansion:
    """Expands one query in place.

    Args:
        catalog: finds the tables that the caller may read.
        tables: those tables.
        vocabulary: the names that the caller may use.
        dialect: facts of the SQL.
        refusals: of the caller's text.

    Attributes:
        frames: the SELECTs of the query, once it was expanded.
    """

    def __init__(
        self,
        catalog: Catalog,
        tables: Mapping[str, VisibleTable],
        vocabulary: Vocabulary,
        dialect: Dialect,
        refusals: Refusals,
    ) -> None:
        self._catalog = catalog
        self._tables = tables
        self._vocabulary = vocabulary
        self._dialect = dialect
        self._refusals = refusals
        self._definitions = Definitions(dialect.name, refusals)
        self._metrics = Metrics(vocabulary, self._definitions, refusals)
        self.frames: list[Frame] = []

    def concerns(self, query: exp.Expr) -> bool:
        """Whether the query may use a name, or read a table of which filters are required."""
        if any(table.access.bounds.required_filters for table in self._tables.values()):
            return True
        known = self._vocabulary.names
        return any(
            is_metric_call(node)
            or (isinstance(node, exp.Identifier) and node.name.lower() in known)
            or (isinstance(node, exp.Join) and bool(self._vocabulary.relations))
            for node in nodes_of(query)
        )

    def expand(self, query: exp.Query) -> None:
        """Expand every name.

        Raises:
            SqlRefused: rules ``ambiguous_name``, ``ambiguous_table``, ``definition``,
                ``unknown_metric``, ``metric_place``, ``metric_join``, ``join_condition``,
                ``too_long``.
        """
        reader = Reader(self._find, self._dialect.key)
        reader.read(query)
        self.frames = reader.frames
        for frame in self.frames:
            expand_relations(frame, self._vocabulary, self._refusals)
        # Aliases mean what the caller wrote, so all are judged before any is expanded.
        matches = [
            (frame, reference, match)
            for frame in self.frames
            for reference in frame.columns
            if (match := self._match(reference, frame)) is not None
        ]
        for frame, reference, match in matches:
            self._replace(frame, reference, match)
        for frame in self.frames:
            for reference in frame.metrics:
                self._metrics.replace(reference, frame)

    def _find(self, node: exp.Table) -> Found | None:
        table = self._catalog.find(node.catalog, node.db, node.name)
        bare = not node.args.get("db")
        logical = self._vocabulary.named(node.name) if bare else ()
        if table is not None:
            own = self._vocabulary.of(table)
            if any(item.table != table for item in logical):
                others = [item.table for item in logical if item.table != table]
                raise self._refusals.at(
                    node.this,
                    "ambiguous_table",
                    f"{node.name} names the table {table} as well as {others[0]}.",
                    remedy=f"Write {table} or {others[0]}.",
                )
            own = tuple(item for item in own if bare and item in logical) or own
            return Found(table, self._columns(table), own)
        if not logical:
            return None
        if len({item.table for item in logical}) > 1:
            names = " or ".join(sorted({item.table for item in logical}))
            raise self._refusals.at(
                node.this,
                "ambiguous_table",
                f"{node.name} names several tables.",
                remedy=f"Write {names}.",
            )
        self._read_base_table(node, logical[0])
        return Found(logical[0].table, self._columns(logical[0].table), logical)

    def _read_base_table(self, node: exp.Table, logical: LogicalTable) -> None:
        """The base table in place of the logical one, which becomes its alias."""
        written = node.this
        schema, _, table = logical.table.partition(".")
        alias = node.args.get("alias")
        if not isinstance(alias, exp.TableAlias):
            node.set("alias", exp.TableAlias(this=written.copy()))
        elif not alias.this:
            alias.set("this", written.copy())
        name = exp.Identifier(this=table, quoted=True)
        name.meta.update(written.meta)
        node.set("this", name)
        node.set("db", exp.Identifier(this=schema, quoted=True) if schema else None)

    def _columns(self, table: str) -> dict[str, str]:
        return {name.lower(): name for name in self._tables[table].access.columns}

    def _match(self, reference: Reference, frame: Frame) -> _Match | None:
        """The definition that a column names; None where it is a column or an alias."""
        column = reference.node
        if not isinstance(column, exp.Column) or not isinstance(column.this, exp.Identifier):
            return None
        match = self._qualified(column, frame) if column.table else self._bare(column, frame)
        if match is None or column.table:
            return match
        meaning = meaning_beside_aliases(reference, frame, match.definition, self._definitions)
        if meaning is Meaning.UNCLEAR:
            raise self._refusals.at(
                column,
                "ambiguous_name",
                f"{column.name} is a {match.definition.kind} of {match.logical.name} as well as a "
                "name that the SELECT gives.",
                remedy=f"Write {match.source.alias.name}.{column.name} for the one of the table, "
                "or rename your own.",
            )
        if meaning is Meaning.ALIAS:
            return None
        if match.definition.kind == "metric":
            raise self._lonely(column, match.definition)
        return match

    def _qualified(self, column: exp.Column, frame: Frame) -> _Match | None:
        outer: Frame | None = frame
        source: Source | None = None
        while outer is not None and source is None:
            source = outer.source(column.table)
            owner, outer = outer, outer.outer
        if source is None or source.columns is None:
            return None
        if column.args.get("db"):
            meant = self._catalog.find(column.catalog, column.db, column.table)
            if meant is None or meant != source.table:
                return None
        if column.name.lower() in source.columns:
            return None
        found = source.values(column.name) or source.metrics(column.name)
        if not found:
            return None
        match = self._only(column, [(source, *each) for each in found], owner)
        if match.definition.kind == "metric":
            raise self._lonely(column, match.definition)
        return match

    def _bare(self, column: exp.Column, frame: Frame) -> _Match | None:
        name, outer = column.name.lower(), frame
        while True:
            if any(item.columns is None or name in item.columns for item in outer.sources):
                return None
            found = [(item, *each) for item in outer.sources for each in item.values(name)] or [
                (item, *each) for item in outer.sources for each in item.metrics(name)
            ]
            if found:
                return self._only(column, found, outer)
            if outer.outer is None:
                return None
            outer = outer.outer

    def _only(
        self,
        column: exp.Column,
        found: list[tuple[Source, LogicalTable, Definition]],
        frame: Frame,
    ) -> _Match:
        if len(found) == 1:
            source, logical, definition = found[0]
            return _Match(source, frame, logical, definition)
        sources = list(dict.fromkeys(source for source, _, _ in found))
        if len(sources) > 1:
            places = " or ".join(f"{source.alias.name}.{column.name}" for source in sources[:3])
            remedy = f"Write {places}."
        else:
            names = " or ".join(logical.name for _, logical, _ in found[:3])
            remedy = f"Read {names} in FROM."
        raise self._refusals.at(
            column,
            "ambiguous_name",
            f"{column.name} is a {found[0][2].kind} in more than one place.",
            remedy=remedy,
        )

    def _lonely(self, column: exp.Column, definition: Definition) -> SqlRefused:
        return self._refusals.at(
            column,
            "metric_place",
            f"{definition.name} is a metric, a value of many rows.",
            remedy=f"Write AGG({column.sql()}), in SELECT, HAVING or ORDER BY.",
        )

    def _replace(self, frame: Frame, reference: Reference, match: _Match) -> None:
        column = reference.node
        self._check_reach(column, frame, match)
        value = self._definitions.expression(match.definition, match.logical, match.source, column)
        name = exp.Identifier(this=column.name, quoted=column.this.quoted)
        if column.parent is frame.select and column.arg_key == "expressions":
            column.replace(exp.Alias(this=value, alias=name))
        else:
            column.replace(value)

    def _check_reach(self, column: exp.Expr, frame: Frame, match: _Match) -> None:
        """An inner source of the same alias would take the expanded columns for its own."""
        for inner in _between(frame, match.frame):
            if inner.source(match.source.alias.name) is not None:
                raise self._refusals.at(
                    column,
                    "ambiguous_name",
                    f"{match.definition.name} is of an outer {match.source.alias.name}, which an "
                    "inner one hides.",
                    remedy="Give the tables different aliases.",
                )


def _between(frame: Frame, outer: Frame) -> Iterator[Frame]:
    inner: Frame | None = frame
    while inner is not None and inner is not outer:
        yield inner
        inner = inner.outer
