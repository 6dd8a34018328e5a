"""Comparisons of the caller's own that may be made beside a row policy, below its fence.

The fence keeps a caller's filters above a row policy, because one that fails on a hidden row would
tell of it. That costs: the engine can skip nothing while it scans. A filter that *cannot* fail,
whatever the row, may be made below the fence as well. It stays above, so what is made below only
has to hold wherever the original does. Such filters are built here, and only from

* a condition that ``AND`` joins to the others in the WHERE of the SELECT that reads the table: it
  is false or NULL wherever the table's columns are NULL, so it commutes with outer joins;
* a column that the caller sees as it is, in every row: what is compared is what is shown;
* an operator that compares, and a constant or another such column;
* types, as the engine tells them, between which the comparison converts no column, or converts
  it to a type that holds all of its values. So no value of any row makes it fail.

It never removes a row that the caller's query keeps, and it removes nothing that the row policy
would not have shown: hidden rows are removed either way. How long a query takes may depend on
hidden rows, with the fence or without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

from saaf_autogen.auth.access import TRUE, ColumnAccess
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.plan import Scalar, VisibleTable
from saaf_autogen.sql.guard.sources import Frame, Source
from saaf_autogen.sql.guard.types import Kind, comparable, is_day, kind_of_value, shown_kind

__all__ = ["Conditions", "is_plain", "safe_conditions"]

# By the id of the node that reads a table: conditions whose columns are still to be qualified.
Conditions = Mapping[int, list[exp.Expr]]

_FLIPPED: Mapping[type[exp.Expr], type[exp.Binary]] = {
    exp.EQ: exp.EQ,
    exp.NEQ: exp.NEQ,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}
_MAX_CONDITIONS = 40


def is_plain(column: ColumnAccess) -> bool:
    """Whether the caller sees a column as it is, in every row that they see."""
    return bool(column.cases) and column.cases[0].when == TRUE and column.cases[0].mask is None


def safe_conditions(
    frames: list[Frame],
    tables: Mapping[str, VisibleTable],
    parameters: Mapping[str, Scalar],
    dialect: Dialect,
) -> Conditions:
    """The conditions that may be made below the fence of each table.

    Args:
        frames: the SELECTs of a query, before its tables are replaced.
        tables: what the caller may read, with the engine's types.
        parameters: the values of the query's placeholders, by their names.
        dialect: of the query.
    """
    found: dict[int, list[exp.Expr]] = {}
    for frame in frames:
        where = frame.select.args.get("where")
        if not isinstance(where, exp.Where):
            continue
        reader = _Reader(frame, tables, parameters, dialect)
        for condition in _conjuncts(where.this):
            safe = reader.safe(condition)
            if safe is not None:
                source, built = safe
                conditions = found.setdefault(id(source.node), [])
                if len(conditions) < _MAX_CONDITIONS:
                    conditions.append(built)
    return found


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Paren):
        yield from _conjuncts(node.this)
    elif isinstance(node, exp.And):
        yield from _conjuncts(node.this)
        yield from _conjuncts(node.expression)
    else:
        yield node


class _Reader:
    def __init__(
        self,
        frame: Frame,
        tables: Mapping[str, VisibleTable],
        parameters: Mapping[str, Scalar],
        dialect: Dialect,
    ) -> None:
        self._frame = frame
        self._tables = tables
        self._parameters = parameters
        self._dialect = dialect

    def safe(self, condition: exp.Expr) -> tuple[Source, exp.Expr] | None:
        """A condition that holds where this one does and never fails, and whose it is."""
        if isinstance(condition, exp.Between) and not condition.args.get("symmetric"):
            return self._between(condition)
        if isinstance(condition, exp.In):
            return self._in(condition)
        kind = type(condition)
        if kind not in _FLIPPED:
            return None
        left, right = condition.this, condition.args["expression"]
        if self._column(left) is None:
            left, right, kind = right, left, _FLIPPED[kind]
        column = self._column(left)
        if column is None:
            return None
        source, name, of_column = column
        other = self._column(right)
        if other is not None:
            # Two columns of one table, and of the very same type.
            same = other[0] is source and other[2] == of_column
            return (source, kind(this=_named(name), expression=_named(other[1]))) if same else None
        built = self._compared(kind, name, of_column, right)
        return (source, built) if built is not None else None

    def _between(self, node: exp.Between) -> tuple[Source, exp.Expr] | None:
        column = self._column(node.this)
        if column is None:
            return None
        source, name, of_column = column
        low = self._compared(exp.GTE, name, of_column, node.args["low"])
        high = self._compared(exp.LTE, name, of_column, node.args["high"])
        if low is None or high is None:
            return None
        return source, exp.And(this=low, expression=high)

    def _in(self, node: exp.In) -> tuple[Source, exp.Expr] | None:
        column = self._column(node.this)
        if column is None or node.args.get("query") or node.args.get("field"):
            return None
        source, name, of_column = column
        kinds = [self._constant(item) for item in node.expressions]
        # An engine finds one type for the whole list: nothing to think about if it is one already.
        if not kinds or any(kind is None or kind.name != of_column.name for kind in kinds):
            return None
        if of_column.name not in ("integer", "text", "date"):
            return None
        return source, exp.In(this=_named(name), expressions=[i.copy() for i in node.expressions])

    def _column(self, node: exp.Expr) -> tuple[Source, str, Kind] | None:
        """Whose column it is, its name and its kind, if the caller sees it as it is."""
        if isinstance(node, exp.Paren):
            return self._column(node.this)
        if type(node) is exp.Cast and node.to.this == exp.DType.DATE:
            # A date cast to a date is the date.
            inner = self._column(node.this)
            return inner if inner is not None and inner[2].name == "date" else None
        source = self._frame.owner(node)
        if source is None or not source.table or source.single or source.filters:
            return None
        alias = source.alias.name.lower()
        if sum(other.alias.name.lower() == alias for other in self._frame.sources) > 1:
            return None
        name = (source.columns or {})[node.name.lower()]
        if self._dialect.fold != "keep" and self._dialect.stored(name) != node.name:
            return None
        table = self._tables[source.table]
        access = table.access.columns.get(name)
        kind = Kind.of_column(table.types.get(name.lower(), ""))
        return (source, name, kind) if access and kind and is_plain(access) else None

    def _compared(
        self, operator: type[exp.Expr], name: str, column: Kind, value: exp.Expr
    ) -> exp.Expr | None:
        constant = self._constant(value)
        if constant is None:
            return None
        shown = value.copy()
        if column.name in ("date", "timestamp"):
            if constant.name == "text" and isinstance(value, exp.Literal) and is_day(value):
                constant, shown = Kind("date"), exp.cast(shown, exp.DType.DATE)
            if constant.name == "moment" and column.name == "date":
                # Whole days were added to a day: it is the first moment of another.
                constant, shown = Kind("date"), exp.cast(exp.paren(shown), exp.DType.DATE)
            if constant.name == "date" and column.name == "timestamp":
                constant, shown = column, exp.cast(shown, exp.DType.TIMESTAMP)
        if not comparable(column, constant):
            return None
        comparison: exp.Expr = operator(this=_named(name), expression=shown)
        return comparison

    def _constant(self, node: exp.Expr) -> Kind | None:
        if isinstance(node, exp.Paren):
            return self._constant(node.this)
        if isinstance(node, exp.Placeholder):
            return kind_of_value(self._parameters.get(node.name))
        return shown_kind(node)


def _named(name: str) -> exp.Column:
    return exp.Column(this=exp.Identifier(this=name, quoted=True))
