"""Definitions as trees: parsed once, and placed on a source of the caller's query."""

from __future__ import annotations

import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from saaf_autogen.errors import SqlRefused
from saaf_autogen.semantic.vocabulary import Definition, LogicalTable
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.sources import Source, is_metric_call

__all__ = ["Definitions", "place_at", "wrapped"]

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*", re.ASCII)
_MAX_DEPTH = 20
_MAX_NODES = 20_000
_ATOMS = (exp.Column, exp.Paren, exp.Literal, exp.AggFunc, exp.Anonymous, exp.Case, exp.Cast)


class Definitions:
    """Expands definitions for one query; what they add to it is bounded."""

    def __init__(self, dialect: str, refusals: Refusals) -> None:
        self._dialect = dialect
        self._refusals = refusals
        self._left = _MAX_NODES

    def tree(self, definition: Definition, place: exp.Expr) -> exp.Expr:
        """A fresh tree of its expression, which refusals place at ``place``."""
        tree = _parsed(definition.expr, self._dialect)
        if tree is None or definition.refused:
            why = definition.refused or "its expression cannot be read"
            raise self.refusal(definition, place, why)
        copy = tree.copy()
        self._left -= sum(1 for _ in copy.walk())
        if self._left < 0:
            raise self._refusals.at(
                place,
                "too_long",
                "The definitions in this query are too long together.",
                remedy="Use fewer of them in one query.",
            )
        place_at(copy, place)
        return copy

    def expression(
        self,
        definition: Definition,
        logical: LogicalTable,
        source: Source,
        place: exp.Expr,
        *,
        depth: int = 0,
    ) -> exp.Expr:
        """A definition of a table over one source that reads it.

        Raises:
            SqlRefused: rules ``definition``, ``too_long``.
        """
        if depth > _MAX_DEPTH:
            raise self.refusal(definition, place, "it builds on itself")
        holder = exp.Paren(this=self.tree(definition, place))
        for node in list(holder.find_all(exp.Column, exp.Agg, exp.Anonymous)):
            if isinstance(node, exp.Column):
                inner = self._part(node, definition, logical, source, place, depth)
                _substitute(node, inner)
        # The name of a metric within another's AGG(…) has been expanded by now.
        for call in list(holder.find_all(exp.Agg, exp.Anonymous)):
            if is_metric_call(call):
                argument = call.this if isinstance(call, exp.Agg) else (call.expressions or [0])[0]
                _substitute(call, argument)
        return wrapped(holder.this)

    def _part(
        self,
        column: exp.Column,
        definition: Definition,
        logical: LogicalTable,
        source: Source,
        place: exp.Expr,
        depth: int,
    ) -> exp.Expr:
        own = {"", logical.name.lower(), logical.table.lower().rpartition(".")[2]}
        name = column.name.lower()
        if column.table.lower() not in own:
            raise self.refusal(definition, place, f"it reads another table, {column.table}")
        real = (source.columns or {}).get(name)
        if real is not None:
            return qualified(real, source, place)
        other = logical.values.get(name)
        if other is None and definition.kind == "metric":
            other = logical.metrics.get(name)
        if other is None:
            raise self.refusal(definition, place, f"{column.name} is not a column of its table")
        if other.kind == "metric" and _is_aggregated(column):
            raise self.refusal(definition, place, f"it aggregates the metric {other.name}")
        return self.expression(other, logical, source, place, depth=depth + 1)

    def refusal(self, definition: Definition, place: exp.Expr, why: str) -> SqlRefused:
        """A refusal to expand a definition; ``why`` goes on after a colon."""
        return self._refusals.at(
            place,
            "definition",
            f"The {definition.kind} {definition.name} cannot be expanded here: {why}.",
            remedy="Write what it stands for yourself, as the semantic layer describes it.",
        )

    def is_same(self, definition: Definition, value: exp.Expr) -> bool:
        """Whether a caller wrote out a definition, but for qualifiers and case."""
        tree = _parsed(definition.expr, self._dialect)
        return tree is not None and bool(_plain(tree) == _plain(value))


def qualified(name: str, source: Source, place: exp.Expr) -> exp.Column:
    """A real column of a source."""
    # Plain names are folded as the caller's own are; others are what they are.
    column = exp.Column(
        this=exp.Identifier(this=name, quoted=_PLAIN.fullmatch(name) is None),
        table=exp.Identifier(this=source.alias.name, quoted=source.alias.args.get("quoted")),
    )
    place_at(column, place)
    return column


def place_at(tree: exp.Expr, place: exp.Expr) -> None:
    """Let refusals of anything in ``tree`` point at what the caller wrote."""
    starts = [part.meta for part in place.walk() if "start" in part.meta]
    meta = min(starts, key=lambda item: int(item["start"])) if starts else {}
    for node in tree.walk():
        node.comments = None
        node.meta.clear()
        if meta and isinstance(node, exp.Identifier):
            node.meta.update(meta)


def wrapped(value: exp.Expr) -> exp.Expr:
    """The expression, in parentheses where it may stand beside operators."""
    value.pop()
    return value if isinstance(value, _ATOMS) else exp.Paren(this=value)


def _is_aggregated(node: exp.Expr) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, exp.AggFunc) and not is_metric_call(node):
            return True
    return False


def _plain(value: exp.Expr) -> exp.Expr:
    while isinstance(value, exp.Paren):
        value = value.this
    copy = value.copy()
    for column in [copy] if isinstance(copy, exp.Column) else list(copy.find_all(exp.Column)):
        if isinstance(column.this, exp.Identifier):
            column.set("this", exp.Identifier(this=column.name.lower()))
            column.set("table", None)
            column.set("db", None)
    return copy


def _substitute(node: exp.Expr, value: exp.Expr) -> None:
    node.replace(value.copy() if value.parent is not None else value)


@lru_cache(maxsize=4096)
def _parsed(text: str, dialect: str) -> exp.Expr | None:
    try:
        tree = sqlglot.parse_one(f"SELECT (\n{text}\n)", read=dialect)
    except SqlglotError:
        return None
    inner = tree.expressions[0] if isinstance(tree, exp.Select) and tree.expressions else None
    if not isinstance(inner, exp.Paren) or len(tree.expressions) != 1:
        return None
    value: exp.Expr = inner.this.pop()
    return value
