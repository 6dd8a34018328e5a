"""Finds what each table name means, lexically, and puts a projection where a table stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.names import FreshNames
from saaf_autogen.sql.guard.plan import VisibleTable
from saaf_autogen.sql.guard.projection import Projection
from saaf_autogen.sql.guard.refusal import Refusals, nearest

__all__ = ["Catalog", "Replacer"]

# From the caller's name of a common table expression to ours; None where it may not be used yet.
Scope = Mapping[str, str | None]


class Catalog:
    """The tables that one caller may name, found as SQL finds them: without regard to case."""

    def __init__(
        self, visible: Mapping[str, VisibleTable], default_schema: str, catalogs: frozenset[str]
    ) -> None:
        self._names = {name.lower(): name for name in visible}
        # Two tables that differ in nothing but case are told apart as they are written.
        self._exact = frozenset(visible) if len(self._names) < len(visible) else frozenset()
        self._visible = visible
        self._default_schema = default_schema
        self._catalogs = catalogs
        # What every name was found to be, for whoever asks whether it would be found again.
        self.looked_up: dict[tuple[str, str, str], str | None] = {}

    def find(self, catalog: str, schema: str, table: str) -> str | None:
        """The visible name of a table, or None: unknown and ungranted are the same."""
        found = self._find(catalog, schema, table)
        self.looked_up[catalog, schema, table] = found
        return found

    def _find(self, catalog: str, schema: str, table: str) -> str | None:
        if not schema and not catalog:
            return self._named(self._default_schema, table)
        if catalog:
            known = catalog.lower() in self._catalogs
            return self._named(schema, table) if known and schema else None
        found = self._named(schema, table)
        if found is None and schema.lower() in self._catalogs:
            return self._named(self._default_schema, table)
        return found

    def _named(self, schema: str, table: str) -> str | None:
        name = f"{schema}.{table}"
        return name if name in self._exact else self._names.get(name.lower())

    def __getitem__(self, name: str) -> VisibleTable:
        return self._visible[name]

    def near(self, name: str) -> tuple[str, ...]:
        """Visible names that look like this one, without the default schema."""
        prefix = f"{self._default_schema}."
        return nearest(name, (known.removeprefix(prefix) for known in self._visible))


@dataclass
class Replacer:
    """Rewrites one query in place.

    Attributes:
        used: visible names of the tables that were replaced.
        ctes: the names that common table expressions were given.
        replaced: the nodes that were replaced, each with the visible name of its table.
    """

    catalog: Catalog
    dialect: Dialect
    projection: Projection
    names: FreshNames
    refusals: Refusals
    used: set[str] = field(default_factory=set)
    ctes: set[str] = field(default_factory=set)
    replaced: list[tuple[exp.Table, str]] = field(default_factory=list)
    _anchors: dict[int, str] = field(default_factory=dict)

    def rewrite(self, node: exp.Expr, scope: Scope | None = None) -> None:
        """Replace every table under ``node``.

        Raises:
            SqlRefused: rules ``unknown_table``, ``table_function``, ``recursion``.
        """
        scope = scope or {}
        if id(node) in self._anchors:
            scope = {**scope, self._anchors[id(node)]: None}
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With):
            scope = self._ctes(with_, scope)
        if isinstance(node, exp.Select):
            _name_subqueries(node)
        for child in list(node.iter_expressions()):
            if child is with_:
                continue
            if isinstance(child, exp.Table):
                self._table(child, scope)
            elif isinstance(child, exp.Column):
                self._unqualify(child, scope)
            else:
                self.rewrite(child, scope)

    def _ctes(self, with_: exp.With, scope: Scope) -> Scope:
        inner = dict(scope)
        recursive = bool(with_.args.get("recursive"))
        # The expression, if any, of which this WITH is a part and which it may not read.
        outer = self._anchors.get(id(with_))
        for cte in with_.expressions:
            name = self.dialect.key(cte.alias)
            fresh = self.names.make("c")
            self.ctes.add(fresh)
            seen = inner if outer is None else {**inner, outer: None}
            if recursive:
                self._mark_anchors(cte.this, name)
                seen = {**seen, name: fresh}
            self.rewrite(cte.this, seen)
            cte.args["alias"].set("this", exp.Identifier(this=fresh, quoted=True))
            inner[name] = fresh
            outer = None if name == outer else outer
        return inner

    def _mark_anchors(self, body: exp.Expr, name: str) -> None:
        """Where a recursive expression may not read itself: anywhere but right of its UNION.

        There, engines read a base table of that name, and nobody means that.
        """
        while isinstance(body, exp.Subquery) and not body.args.get("with_"):
            body = body.this
        if not isinstance(body, exp.Union):
            self._anchors[id(body)] = name
            return
        self._anchors[id(body.this)] = name
        if body.args.get("with_"):
            self._anchors[id(body.args["with_"])] = name

    def _table(self, table: exp.Table, scope: Scope) -> None:
        name = table.this
        if not isinstance(name, exp.Identifier):
            named = isinstance(name, exp.Anonymous) and name.name.lower() in self.dialect.rows
            known = named or type(name) in self.dialect.table_functions
            if not known or table.args.get("db"):
                raise self.refusals.at(
                    name,
                    "table_function",
                    "This function may not stand in FROM.",
                    remedy="Read tables by their names, or use range() or unnest().",
                )
            for child in table.iter_expressions():
                self.rewrite(child, scope)
            return
        joins = table.args.get("joins") or []
        for join in joins:
            self.rewrite(join, scope)
        if not table.args.get("db") and self.dialect.key(name.name) in scope:
            self._cte_reference(table, name, scope[self.dialect.key(name.name)])
        else:
            self._replace(table, name, joins)

    def _cte_reference(self, table: exp.Table, name: exp.Identifier, fresh: str | None) -> None:
        if fresh is None:
            raise self.refusals.at(
                name,
                "recursion",
                f"{name.name} reads itself, but not right of a UNION.",
                remedy="Write WITH RECURSIVE name AS (start UNION ALL step reading name).",
            )
        _alias(table, name.name)
        table.set("this", exp.Identifier(this=fresh, quoted=True))

    def _replace(self, table: exp.Table, name: exp.Identifier, joins: list[exp.Join]) -> None:
        found = self.catalog.find(table.catalog, table.db, name.name)
        if found is None:
            parts = [part for part in (table.catalog, table.db, name.name) if part]
            near = self.catalog.near(".".join(parts)) or self.catalog.near(name.name)
            raise self.refusals.at(
                name,
                "unknown_table",
                f"There is no table {'.'.join(parts)} that you may read.",
                remedy=f"Did you mean {' or '.join(near)}?"
                if near
                else "Ask the semantic layer which tables you may read.",
            )
        self.used.add(found)
        self.replaced.append((table, found))
        _alias(table, name.name)
        table.replace(
            exp.Subquery(
                this=self.projection.of(self.catalog[found], table),
                alias=table.args["alias"],
                joins=joins,
            )
        )

    def _unqualify(self, column: exp.Column, scope: Scope) -> None:
        """``main.flights.carrier`` becomes ``flights.carrier``: the alias is all that is left."""
        if column.args.get("db") and self.catalog.find(column.catalog, column.db, column.table):
            column.set("db", None)
            column.set("catalog", None)
        for child in list(column.iter_expressions()):
            self.rewrite(child, scope)


def _alias(table: exp.Table, name: str) -> None:
    """Keep the name by which the rest of the query knows the table."""
    alias = table.args.get("alias")
    if not isinstance(alias, exp.TableAlias):
        table.set("alias", exp.TableAlias(this=exp.Identifier(this=name, quoted=True)))
    elif not alias.this:
        alias.set("this", exp.Identifier(this=name, quoted=True))


def _name_subqueries(select: exp.Select) -> None:
    """Name what would be named by its own text: engines would print the row policy in it."""
    for item in list(select.expressions):
        if not isinstance(item, exp.Alias | exp.Star) and item.find(exp.Select, exp.SetOperation):
            name = exp.Identifier(this="subquery", quoted=True)
            alias = exp.Alias(alias=name)
            item.replace(alias)
            alias.set("this", item)
