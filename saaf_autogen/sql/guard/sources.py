"""What each SELECT of a query reads: its sources, found lexically as engines find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from saaf_autogen.semantic.vocabulary import Definition, LogicalTable
from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["Found", "Frame", "JoinStep", "Reader", "Reference", "Source", "is_metric_call"]

Columns = Mapping[str, str]
# From the name of a common table expression to its columns; None where they are not known.
Ctes = Mapping[str, Columns | None]

_CLAUSES = {
    "where": "WHERE",
    "group": "GROUP BY",
    "having": "HAVING",
    "qualify": "QUALIFY",
    "order": "ORDER BY",
    "distinct": "DISTINCT ON",
    "windows": "WINDOW",
    "limit": "LIMIT",
    "offset": "OFFSET",
}


@dataclass(eq=False)
class Source:
    """A table, subquery or function in FROM.

    Attributes:
        alias: the name by which the SELECT knows it.
        node: where it stands.
        table: ``SCHEMA.TABLE`` of a table that the caller may read, otherwise empty.
        logical: what the semantic layer says of it.
        columns: names as they are, by names in lower case; None where they are not known.
        nullable: whether an outer join may fill it up with NULLs.
        filters: whether it only tests rows of others, as in SEMI JOIN.
        single: whether its join finds at most one row of it, as ASOF JOIN does.
    """

    alias: exp.Identifier
    node: exp.Expr
    table: str = ""
    logical: tuple[LogicalTable, ...] = ()
    columns: Columns | None = None
    nullable: bool = False
    filters: bool = False
    single: bool = False

    def values(self, name: str) -> list[tuple[LogicalTable, Definition]]:
        """The different fields and filters of a name that callers may write."""
        return _public([(item, item.values.get(name.lower())) for item in self.logical])

    def metrics(self, name: str) -> list[tuple[LogicalTable, Definition]]:
        """The different metrics of a name that callers may write."""
        return _public([(item, item.metrics.get(name.lower())) for item in self.logical])


def _public(
    found: list[tuple[LogicalTable, Definition | None]],
) -> list[tuple[LogicalTable, Definition]]:
    kept = {item.expr: (logical, item) for logical, item in found if item and not item.private}
    return list(kept.values())


@dataclass(eq=False)
class JoinStep:
    """A join: what stood to its left, and what it adds."""

    join: exp.Join
    left: list[Source]
    right: list[Source]


@dataclass(eq=False)
class Reference:
    """A column or a call of AGG, in a clause; ``item`` counts the SELECT list."""

    node: exp.Expr
    clause: str
    item: int = -1


@dataclass(eq=False)
class Frame:
    """One SELECT; ``outer`` is what its subqueries may refer to."""

    select: exp.Select
    outer: Frame | None
    sources: list[Source] = field(default_factory=list)
    joins: list[JoinStep] = field(default_factory=list)
    columns: list[Reference] = field(default_factory=list)
    metrics: list[Reference] = field(default_factory=list)

    def source(self, alias: str) -> Source | None:
        """The source of this alias."""
        wanted = alias.lower()
        return next((item for item in self.sources if item.alias.name.lower() == wanted), None)

    def owner(self, column: exp.Expr | None) -> Source | None:
        """The source of this SELECT whose real column it is, where that is certain."""
        if not isinstance(column, exp.Column) or not isinstance(column.this, exp.Identifier):
            return None
        name = column.name.lower()
        if column.table:
            found = self.source(column.table)
            return found if found and name in (found.columns or ()) else None
        if any(item.columns is None for item in self.sources):
            return None
        owners = [item for item in self.sources if name in (item.columns or ())]
        return owners[0] if len(owners) == 1 else None


@dataclass(frozen=True)
class Found:
    """What a table's name means: its name for the guard, columns, and logical tables."""

    table: str
    columns: Columns
    logical: tuple[LogicalTable, ...]


class Reader:
    """Reads the frames of one query.

    Args:
        find: what a table's name means; it may rewrite the node.
        key: what two names have in common if they mean the same.

    Attributes:
        frames: one for each SELECT, inner ones first.
    """

    def __init__(
        self, find: Callable[[exp.Table], Found | None], key: Callable[[str], str]
    ) -> None:
        self._find = find
        self._key = key
        self.frames: list[Frame] = []

    def read(self, query: exp.Expr) -> None:
        """Read the whole query."""
        self._query(query, {}, None)

    def _query(self, node: exp.Expr, ctes: Ctes, outer: Frame | None) -> Columns | None:
        """Read a query; returns the names of its columns, if they are known."""
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With):
            ctes = self._ctes(with_, ctes, outer)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, outer)
        columns: Columns | None = None
        if isinstance(node, exp.SetOperation):
            columns = self._query(node.this, ctes, outer)
            self._query(node.expression, ctes, outer)
            if node.args.get("by_name"):
                columns = None
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            columns = self._query(node.this, ctes, outer)
        for part in ("order", "limit", "offset"):
            if isinstance(value := node.args.get(part), exp.Expr):
                self._expression(value, ctes, None, part)
        return columns

    def _ctes(self, with_: exp.With, ctes: Ctes, outer: Frame | None) -> Ctes:
        known = dict(ctes)
        for cte in with_.expressions:
            alias = cte.args.get("alias")
            named = _alias_columns(alias)
            if with_.args.get("recursive"):
                known[self._key(cte.alias)] = named
            columns = self._query(cte.this, known, outer)
            known[self._key(cte.alias)] = _renamed(named, columns)
        return known

    def _select(self, select: exp.Select, ctes: Ctes, outer: Frame | None) -> Columns | None:
        frame = Frame(select, outer)
        from_ = select.args.get("from_")
        if isinstance(from_, exp.From):
            self._source(from_.this, ctes, frame)
        for join in select.args.get("joins") or []:
            self._join(join, ctes, frame, list(frame.sources))
        for lateral in select.args.get("laterals") or []:
            self._source(lateral, ctes, frame)
        for index, item in enumerate(select.expressions):
            self._expression(item, ctes, frame, "SELECT", index)
        for part, clause in _CLAUSES.items():
            value = select.args.get(part)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, exp.Expr):
                    self._expression(item, ctes, frame, clause)
        self.frames.append(frame)
        return _outputs(frame)

    def _join(self, join: exp.Expr, ctes: Ctes, frame: Frame, left: list[Source]) -> list[Source]:
        if not isinstance(join, exp.Join):
            return []
        before = len(frame.sources)
        self._source(join.this, ctes, frame)
        right = frame.sources[before:]
        side, kind = str(join.side or "").upper(), str(join.kind or "").upper()
        for source in left if side in ("RIGHT", "FULL") else ():
            source.nullable = True
        for source in right:
            source.nullable = source.nullable or side in ("LEFT", "FULL")
            source.filters = source.filters or kind in ("SEMI", "ANTI")
            source.single = str(join.method or "").upper() == "ASOF"
        frame.joins.append(JoinStep(join, left, right))
        if isinstance(on := join.args.get("on"), exp.Expr):
            self._expression(on, ctes, frame, "ON")
        return right

    def _source(self, node: exp.Expr, ctes: Ctes, frame: Frame) -> None:
        before = len(frame.sources)
        alias = node.args.get("alias")
        named = _alias_columns(alias)
        name = alias.this if isinstance(alias, exp.TableAlias) else None
        identifier = name if isinstance(name, exp.Identifier) else exp.Identifier(this="")
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            frame.sources.append(self._table(node, identifier, named, ctes))
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not alias:
            self._source(node.this, ctes, frame)
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            columns = self._query(node, ctes, frame.outer)
            frame.sources.append(Source(identifier, node, columns=_renamed(named, columns)))
        elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            columns = self._query(node.this, ctes, frame)
            frame.sources.append(Source(identifier, node, columns=_renamed(named, columns)))
        else:
            frame.sources.append(Source(identifier, node, columns=named))
            for part in node.iter_expressions():
                if not isinstance(part, exp.TableAlias):
                    self._expression(part, ctes, frame, "FROM")
        left = frame.sources[before:]
        for join in node.args.get("joins") or []:
            left = [*left, *self._join(join, ctes, frame, left)]

    def _table(
        self, node: exp.Table, alias: exp.Identifier, named: Columns | None, ctes: Ctes
    ) -> Source:
        name = self._key(node.name)
        if not node.args.get("db") and name in ctes:
            known = alias if alias.name else node.this
            return Source(known, node, columns=_renamed(named, ctes[name]))
        written = alias if alias.name else node.this.copy()
        found = self._find(node)
        if found is None:
            return Source(written, node, columns=named)
        # Renamed columns are no longer those that definitions speak of.
        logical = found.logical if named is None else ()
        columns = found.columns if named is None else None
        return Source(written, node, found.table, logical, columns)

    def _expression(
        self, node: exp.Expr, ctes: Ctes, frame: Frame | None, clause: str, item: int = -1
    ) -> None:
        for part in nodes_of(node, _is_leaf):
            if isinstance(part, exp.Column):
                if frame is not None:
                    frame.columns.append(Reference(part, clause, item))
            elif is_metric_call(part):
                if frame is not None:
                    frame.metrics.append(Reference(part, clause, item))
            elif isinstance(part, exp.Query) and not isinstance(part, exp.Table):
                self._query(part, ctes, frame)


def is_metric_call(node: exp.Expr) -> bool:
    """Whether it is ``AGG(…)`` or ``MEASURE(…)``."""
    if isinstance(node, exp.Anonymous):
        return isinstance(node.this, str) and node.this.upper() in ("AGG", "MEASURE")
    return isinstance(node, exp.Agg)


def _is_leaf(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column | exp.Query) or is_metric_call(node)


def _alias_columns(alias: object) -> Columns | None:
    if not isinstance(alias, exp.TableAlias) or not alias.args.get("columns"):
        return None
    return {item.name.lower(): item.name for item in alias.args["columns"]}


def _renamed(named: Columns | None, columns: Columns | None) -> Columns | None:
    """Columns under the names that an alias gives them; it may name the first ones only."""
    if named is None:
        return columns
    return named if columns is not None and len(named) == len(columns) else None


def _outputs(frame: Frame) -> Columns | None:
    names: dict[str, str] = {}
    for item in frame.select.expressions:
        if isinstance(item, exp.Star) or (
            isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
        ):
            star = item if isinstance(item, exp.Star) else item.this
            columns = _star(frame, item.table if isinstance(item, exp.Column) else "")
            if columns is None or any(star.args.values()):
                return None
            names.update(columns)
        elif name := item.alias_or_name:
            names[name.lower()] = name
        elif is_metric_call(item):
            names.update({part.name.lower(): part.name for part in _arguments(item)})
    return names


def _star(frame: Frame, alias: str) -> Columns | None:
    names: dict[str, str] = {}
    for source in frame.sources:
        if not alias or source.alias.name.lower() == alias.lower():
            if source.columns is None:
                return None
            names.update(source.columns)
    return names


def _arguments(call: exp.Expr) -> Iterator[exp.Expr]:
    yield from call.find_all(exp.Column)
