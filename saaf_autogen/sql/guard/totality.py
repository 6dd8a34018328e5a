"""Whether any filter of a query could fail on a row: if none can, no fence is needed.

The fence is there because an engine may make a caller's filter on rows that a row policy hides, and
a filter that fails on one tells of it. What can be made there is what decides about rows: WHERE,
ON, USING, HAVING, QUALIFY and the FILTER of an aggregate. If each of these is *total*, so that no
value of any column makes it fail, then it may be made anywhere. Values that are only shown, grouped
or sorted by are computed for rows that passed every filter.

Total are comparisons of columns and constants between whose types, as the engine tells them, a
column is never converted to a type that is too small for it; LIKE without escapes; and what AND,
OR and NOT make of those. A value made of aggregates alone is one of visible rows. Whatever is not
known to be total, is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.plan import Scalar, VisibleTable
from saaf_autogen.sql.guard.pushdown import is_plain
from saaf_autogen.sql.guard.sources import Frame, Source
from saaf_autogen.sql.guard.types import Kind, comparable, is_day, kind_of_value, shown_kind
from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["every_filter_is_total", "every_value_is_total"]

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow, exp.Neg)
_PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"})
_MAX_DEPTH = 30
# Engines fail on far larger numbers.
_PLACE = re.compile(r"\d{1,9}", re.ASCII)


def every_filter_is_total(
    query: exp.Expr,
    frames: list[Frame],
    tables: Mapping[str, VisibleTable],
    parameters: Mapping[str, Scalar],
    dialect: Dialect,
) -> bool:
    """Whether no filter of the query can fail, whatever the rows.

    Dates that days, months or years are added to become dates again where they are compared with
    a date: they are the same, and no column needs to become a moment.

    Args:
        query: before its tables are replaced.
        frames: its SELECTs with what they read.
        tables: what the caller may read, with the engine's types.
        parameters: the values of the query's placeholders, by their names.
        dialect: of the query.
    """
    if not any(table.types for table in tables.values()):
        return False
    judge = _Judge(frames, tables, parameters, dialect)
    selects = 0
    for node in nodes_of(query):
        selects += isinstance(node, exp.Select)
        if isinstance(node, exp.With) and node.args.get("recursive"):
            return False
    if selects != len(frames) or not all(judge.frame_is_total(frame) for frame in frames):
        return False
    for moment in judge.moments:
        moment.replace(exp.cast(moment.copy(), exp.DType.DATE))
    return True


def every_value_is_total(
    query: exp.Expr,
    frames: list[Frame],
    tables: Mapping[str, VisibleTable],
    parameters: Mapping[str, Scalar],
    dialect: Dialect,
) -> bool:
    """Whether nothing else of a query can fail, whose filters cannot.

    An engine that leaves conditions out by what it knows of a column, hidden rows among it, then
    leaves out no failure that would tell of it. What aggregates compute may fail in a query that
    is one SELECT: it is computed of the rows that pass, with a condition left out or not.
    """
    for node in nodes_of(query):
        if (len(frames) > 1 and _may_overflow(node)) or not _is_plainly_sorted(node):
            return False
    judge = _Judge(frames, tables, parameters, dialect)
    return all(judge.values_are_total(frame) for frame in frames)


def _may_overflow(node: exp.Expr) -> bool:
    return isinstance(node, _ARITHMETIC) and not isinstance(node.expression, exp.Interval)


def _is_plainly_sorted(node: exp.Expr) -> bool:
    """Whether what sorts and cuts several SELECTs together is their columns and constants alone."""
    if isinstance(node, exp.Select) or not isinstance(node, exp.Query):
        return True
    order, values = node.args.get("order"), []
    if isinstance(order, exp.Expr):
        values = [
            item.this if isinstance(item, exp.Ordered) else item for item in order.expressions
        ]
    values += [cut.expression for part in ("limit", "offset") if (cut := node.args.get(part))]
    return all(isinstance(value, exp.Column | exp.Literal | exp.Placeholder) for value in values)


class _Judge:
    def __init__(
        self,
        frames: list[Frame],
        tables: Mapping[str, VisibleTable],
        parameters: Mapping[str, Scalar],
        dialect: Dialect,
    ) -> None:
        self._frames = {id(frame.select): frame for frame in frames}
        self._tables = tables
        self._parameters = parameters
        self._dialect = dialect
        self._depth = 0
        self.moments: list[exp.Expr] = []

    def frame_is_total(self, frame: Frame) -> bool:
        if any(_is_computed(source.node) for source in frame.sources):
            return False
        return all(self._total(node, frame) for node in _filters(frame)) and all(
            self._joined(frame, step.join.args.get("using") or [])
            and str(step.join.method or "").upper() != "NATURAL"
            for step in frame.joins
        )

    def values_are_total(self, frame: Frame) -> bool:
        """Whether what a SELECT shows, groups and sorts by cannot fail."""
        return all(
            value.is_star or isinstance(value, exp.Literal) or self._kind(value, frame) is not None
            for value in _values(frame.select)
        )

    def _joined(self, frame: Frame, using: list[exp.Expr]) -> bool:
        for name in using:
            kinds = [
                self._kind_in(source, name.name)
                for source in frame.sources
                if name.name.lower() in (source.columns or {name.name.lower(): ""})
            ]
            first, *others = kinds or [None]
            if first is None or not all(other and comparable(first, other) for other in others):
                return False
        return True

    def _total(self, node: exp.Expr, frame: Frame) -> bool:
        if isinstance(node, exp.Paren | exp.Not):
            return self._total(node.this, frame)
        if isinstance(node, exp.And | exp.Or):
            return self._total(node.this, frame) and self._total(node.expression, frame)
        if isinstance(node, exp.Boolean | exp.Null | exp.Exists):
            return True
        if isinstance(node, _COMPARISONS):
            return self._compared(node.this, node.expression, frame)
        if isinstance(node, exp.Between):
            bounds = (node.args["low"], node.args["high"])
            return all(self._compared(node.this, bound, frame) for bound in bounds)
        if isinstance(node, exp.In):
            if node.args.get("field"):
                return False
            listed = [*node.expressions, *([node.args["query"]] if node.args.get("query") else [])]
            return all(self._compared(node.this, item, frame) for item in listed)
        if isinstance(node, exp.Is):
            kind = self._kind(node.this, frame)
            # An engine may make a truth value of a text to say whether it is true.
            truth = isinstance(node.expression, exp.Boolean)
            simple = isinstance(node.expression, exp.Null)
            return kind is not None and (simple or (truth and kind.name == "boolean"))
        if isinstance(node, exp.Like | exp.ILike):
            pattern = node.expression
            plain = isinstance(pattern, exp.Literal) and pattern.is_string
            kind = self._kind(node.this, frame)
            return plain and "\\" not in pattern.name and kind is not None and kind.name == "text"
        kind = self._kind(node, frame)
        return kind is not None and kind.name == "boolean"

    def _compared(self, left: exp.Expr, right: exp.Expr, frame: Frame) -> bool:
        one, two = self._kind(left, frame), self._kind(right, frame)
        if one is None or two is None:
            return False
        for kind, other, node in ((one, two, right), (two, one, left)):
            if kind.name == "date" and other.name == "moment":
                self.moments.append(node)
                return True
            if kind.name in ("date", "timestamp") and isinstance(node, exp.Literal):
                # The engine makes a date of the constant, and nothing of the column.
                return is_day(node)
        return comparable(one, two)

    def _kind(self, node: exp.Expr, frame: Frame) -> Kind | None:
        """What kind of value it has, if it never fails; None if that is not known."""
        if self._depth > _MAX_DEPTH:
            return None
        self._depth += 1
        try:
            return self._constant(node) or self._computed(node, frame)
        finally:
            self._depth -= 1

    def _constant(self, node: exp.Expr) -> Kind | None:
        if isinstance(node, exp.Placeholder):
            return kind_of_value(self._parameters.get(node.name))
        return shown_kind(node)

    def _computed(self, node: exp.Expr, frame: Frame) -> Kind | None:
        if isinstance(node, exp.Paren):
            return self._kind(node.this, frame)
        if isinstance(node, exp.Column):
            return self._column(node, frame)
        if isinstance(node, exp.Query):
            return self._subquery(node)
        if isinstance(node, exp.AggFunc):
            return self._aggregate(node, frame)
        if isinstance(node, exp.Window):
            return self._rank(node, frame)
        if type(node) is exp.Cast and node.to.this == exp.DType.DATE:
            inner = self._kind(node.this, frame)
            return inner if inner is not None and inner.name == "date" else None
        if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
            one, two = self._kind(node.this, frame), self._kind(node.expression, frame)
            # Of values of rows, these may overflow.
            if one is None or two is None or one.of_row or two.of_row:
                return None
            return one.computed(two, type(node))
        return self._function(node, frame)

    def _function(self, node: exp.Expr, frame: Frame) -> Kind | None:
        if isinstance(node, exp.Lower | exp.Upper):
            return self._text(node.this, frame)
        if isinstance(node, exp.Substring):
            bounds = [node.args.get("start"), node.args.get("length")]
            whole = all(
                bound is None
                or (
                    isinstance(bound, exp.Literal)
                    and not bound.is_string
                    and _PLACE.fullmatch(bound.name)
                )
                for bound in bounds
            )
            return self._text(node.this, frame) if whole else None
        if isinstance(node, exp.Extract):
            moment = self._kind(node.expression, frame)
            known = isinstance(node.this, exp.Var) and node.this.name.upper() in _PARTS
            if known and moment is not None and moment.name in ("date", "timestamp"):
                return Kind.whole(of_row=moment.of_row)
        return None

    def _text(self, node: exp.Expr, frame: Frame) -> Kind | None:
        kind = self._kind(node, frame)
        return kind if kind is not None and kind.name == "text" else None

    def _aggregate(self, node: exp.Expr, frame: Frame) -> Kind | None:
        """A value of visible rows alone: how it was computed can tell of no others."""
        if any(frame.owner(column) is None for column in node.find_all(exp.Column)):
            # Of an outer query's columns alone, it would be an aggregate of the outer query.
            return None
        if isinstance(node, exp.Count):
            return Kind.whole() if self._counted(node, frame) else None
        if not isinstance(node, exp.Sum | exp.Avg | exp.Min | exp.Max):
            return None
        kind = self._argument(node.this, frame)
        if kind is None:
            return None
        return kind.aggregated(type(node))

    def _counted(self, node: exp.Count, frame: Frame) -> bool:
        """Whether what is counted cannot fail: what an engine leaves out of it would tell."""
        distinct = isinstance(node.this, exp.Distinct) and not node.this.args.get("on")
        items = node.this.expressions if distinct else [node.this, *node.expressions]
        return all(
            isinstance(item, exp.Star) or self._argument(item, frame) is not None for item in items
        )

    def _rank(self, node: exp.Window, frame: Frame) -> Kind | None:
        """A rank, where what it orders and parts by cannot fail."""
        order = node.args.get("order")
        items = [*(node.args.get("partition_by") or []), *(order.expressions if order else [])]
        total = all(
            self._kind(item.this if isinstance(item, exp.Ordered) else item, frame) is not None
            for item in items
        )
        # A window by name is not looked up here.
        plain = not node.args.get("alias") and not node.args.get("spec")
        return Kind.whole() if isinstance(node.this, _RANKS) and plain and total else None

    def _argument(self, node: exp.Expr, frame: Frame) -> Kind | None:
        if isinstance(node, exp.Paren):
            return self._argument(node.this, frame)
        if isinstance(node, exp.Add | exp.Sub | exp.Mul):
            one, two = self._argument(node.this, frame), self._argument(node.expression, frame)
            return one.computed(two, type(node)) if one is not None and two is not None else None
        if isinstance(node, exp.Case) and not node.this:
            return self._case(node, frame)
        return self._kind(node, frame)

    def _case(self, node: exp.Case, frame: Frame) -> Kind | None:
        """What an aggregate is given: of one kind, whichever of the total conditions holds."""
        ifs, default = node.args.get("ifs") or [], node.args.get("default")
        if not all(self._total(branch.this, frame) for branch in ifs):
            return None
        values = [branch.args["true"] for branch in ifs]
        if default is not None and not isinstance(default, exp.Null):
            values.append(default)
        kinds = [self._argument(value, frame) for value in values]
        found = [kind for kind in kinds if kind is not None]
        if not found or len(found) < len(kinds):
            return None
        if all(kind.is_number for kind in found):
            return max(found, key=lambda kind: (kind.name == "float", kind.scale, kind.digits))
        return found[0] if len({kind.name for kind in found}) == 1 else None

    def _subquery(self, node: exp.Expr) -> Kind | None:
        """A subquery of one column: in IN any, elsewhere it must be of aggregates alone."""
        select = node
        while isinstance(select, exp.Subquery):
            select = select.this
        frame = self._frames.get(id(select))
        if frame is None or len(frame.select.expressions) != 1:
            return None
        item = frame.select.expressions[0].unalias()
        kind = self._kind(item, frame)
        single = kind is not None and not kind.of_row and not frame.select.args.get("group")
        listed = isinstance(node.parent, exp.In)
        # To sqlglot, a rank is an aggregate as well; it has a value for each row.
        one = single and item.find(exp.AggFunc) and not item.find(exp.Window)
        return kind if listed or one else None

    def _column(self, column: exp.Column, frame: Frame) -> Kind | None:
        if not isinstance(column.this, exp.Identifier) or column.args.get("db"):
            return None
        inside: Frame | None = frame
        while inside is not None:
            source = inside.owner(column)
            if source is not None:
                alias = source.alias.name.lower()
                same = [s for s in inside.sources if s.alias.name.lower() == alias]
                return self._kind_in(source, column.name) if len(same) == 1 else None
            if column.table:
                if inside.source(column.table) is not None:
                    return None
            elif any(s.columns is None or column.name.lower() in s.columns for s in inside.sources):
                return None
            else:
                name = column.name.lower()
                given = [e for e in inside.select.expressions if e.alias.lower() == name]
                if given:
                    return self._kind(given[0].unalias(), inside) if len(given) == 1 else None
            inside = inside.outer
        return None

    def _kind_in(self, source: Source, name: str) -> Kind | None:
        if source.table:
            return self._real(source, name)
        node: exp.Expr | None = source.node
        columns = _renamed(source.node)
        if isinstance(node, exp.Table):
            cte = self._cte(node)
            columns, node = (columns or _renamed(cte), cte.this) if cte else ([], None)
        while isinstance(node, exp.Subquery):
            node = node.this
        query = node if isinstance(node, exp.Select) else None
        frame = self._frames.get(id(query)) if query is not None else None
        if frame is None:
            return None
        items = frame.select.expressions
        if columns:
            places = [place for place, given in enumerate(columns) if given == name.lower()]
            plain = not any(item.is_star for item in items) and len(columns) == len(items)
            return self._kind(items[places[0]].unalias(), frame) if plain and places else None
        named = [item for item in items if item.alias_or_name.lower() == name.lower()]
        if len(named) == 1 and not named[0].is_star:
            return self._kind(named[0].unalias(), frame)
        if not named and any(item.is_star for item in items):
            return self._column(exp.column(name, quoted=True), frame)
        return None

    def _real(self, source: Source, name: str) -> Kind | None:
        table = self._tables[source.table]
        real = (source.columns or {}).get(name.lower(), "")
        if self._dialect.fold != "keep" and self._dialect.stored(real) != name:
            return None
        access = table.access.columns.get(real)
        if access is None or not is_plain(access):
            return None
        return Kind.of_column(table.types.get(real.lower(), ""))

    def _cte(self, table: exp.Table) -> exp.CTE | None:
        """The common table expression that a name means there."""
        wanted = self._dialect.key(table.name)
        below: exp.Expr = table
        node = table.parent
        while node is not None:
            with_ = node.args.get("with_")
            if isinstance(with_, exp.With) and with_ is not below:
                seen = with_.expressions
            elif isinstance(node, exp.With):
                # A common table expression sees those before it.
                seen = node.expressions[: node.expressions.index(below)]
            else:
                seen = []
            for cte in reversed(seen):
                if isinstance(cte, exp.CTE) and self._dialect.key(cte.alias) == wanted:
                    return cte
            below, node = node, node.parent
        return None


def _filters(frame: Frame) -> Iterator[exp.Expr]:
    """Everything in a SELECT that decides about rows."""
    select = frame.select
    for part in ("where", "having", "qualify"):
        if isinstance(clause := select.args.get(part), exp.Expr):
            yield clause.this
    for step in frame.joins:
        for part in ("on", "match_condition"):
            if isinstance(condition := step.join.args.get(part), exp.Expr):
                yield condition
    for item in [*select.expressions, select.args.get("having"), select.args.get("order")]:
        if isinstance(item, exp.Expr):
            for node in nodes_of(item, _is_query):
                if isinstance(node, exp.Filter):
                    yield node.expression.this


def _values(select: exp.Select) -> Iterator[exp.Expr]:
    """Everything in a SELECT that is computed of its rows and decides about none."""
    for item in select.expressions:
        yield item.unalias()
    for part in ("group", "order", "distinct", "limit", "offset", "windows"):
        clause = select.args.get(part)
        if isinstance(clause, exp.Group | exp.Order | exp.Distinct):
            lists = [value for value in clause.args.values() if value]
            if any(not isinstance(value, list) for value in lists):
                # DISTINCT ON, GROUP BY ALL: more than is looked into here.
                yield clause
                continue
            for item in (item for value in lists for item in value):
                yield item.this if isinstance(item, exp.Ordered) else item
        elif clause:
            yield clause[0] if isinstance(clause, list) else clause.args.get("expression", clause)


def _is_computed(node: exp.Expr) -> bool:
    """Whether a source is made by a function, of other sources perhaps."""
    if isinstance(node, exp.Table):
        return not isinstance(node.this, exp.Identifier)
    return not isinstance(node, exp.Subquery)


def _is_query(node: exp.Expr) -> bool:
    return isinstance(node, exp.Query)


def _renamed(node: exp.Expr) -> list[str]:
    alias = node.args.get("alias")
    columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    return [item.name.lower() for item in columns or ()]
