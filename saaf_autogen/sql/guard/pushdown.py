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

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from saaf_autogen.auth.access import TRUE
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.plan import Scalar, VisibleTable
from saaf_autogen.sql.guard.sources import Frame, Source

__all__ = ["LARGE", "Conditions", "safe_conditions"]

# Whole numbers from here on may be of a type to which columns are converted.
LARGE = 10**15
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
# A day's bounds hold wherever those of a moment within it do, if they take the day in.
_LOOSER: Mapping[type[exp.Expr], type[exp.Binary]] = {
    exp.EQ: exp.EQ,
    exp.LT: exp.LTE,
    exp.LTE: exp.LTE,
    exp.GT: exp.GTE,
    exp.GTE: exp.GTE,
}
_INTEGERS = "tinyint smallint int integer bigint utinyint usmallint uinteger int2 int4 int8"
_FAMILIES: Mapping[str, str] = {
    **dict.fromkeys(_INTEGERS.split(), "integer"),
    **dict.fromkeys(("float", "real", "double", "double precision", "float4", "float8"), "float"),
    "date": "date",
    **dict.fromkeys(("timestamp", "timestamp without time zone", "timestamp_ntz"), "timestamp"),
}
_DECIMAL = re.compile(r"(?:decimal|numeric|number)\((\d+),\s*(\d+)\)")
_TEXT = re.compile(r"(?:varchar|character varying|character|char|bpchar)(?:\(\d+\))?|text|string")
# Few enough digits for the constant and any column of these types to share one decimal type.
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,8})?", re.ASCII)
_MAX_WHOLE_DIGITS = 30
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UNITS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
_MAX_CONDITIONS = 40


@dataclass(frozen=True)
class _Constant:
    """A constant of one family.

    Attributes:
        moment: whether it is a date that may have become a moment.
        day: whether it is a text that is a date.
    """

    family: str
    value: exp.Expr
    moment: bool = False
    day: bool = False


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
        for condition in _conjuncts(where.this):
            safe = _Reader(frame, tables, parameters, dialect).safe(condition)
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
        source, name, data_type = column
        other = self._column(right)
        if other is not None:
            return self._same(kind, column, other)
        built = self._compared(kind, name, data_type, right)
        return (source, built) if built is not None else None

    def _same(
        self,
        kind: type[exp.Expr],
        one: tuple[Source, str, str],
        two: tuple[Source, str, str],
    ) -> tuple[Source, exp.Expr] | None:
        """Two columns of one table, and of the very same type."""
        if one[0] is not two[0] or one[2] != two[2] or not _family(one[2]):
            return None
        return one[0], kind(this=_named(one[1]), expression=_named(two[1]))

    def _between(self, node: exp.Between) -> tuple[Source, exp.Expr] | None:
        column = self._column(node.this)
        if column is None:
            return None
        source, name, data_type = column
        low = self._compared(exp.GTE, name, data_type, node.args["low"])
        high = self._compared(exp.LTE, name, data_type, node.args["high"])
        if low is None or high is None:
            return None
        return source, exp.And(this=low, expression=high)

    def _in(self, node: exp.In) -> tuple[Source, exp.Expr] | None:
        column = self._column(node.this)
        if column is None or node.args.get("query") or node.args.get("field"):
            return None
        source, name, data_type = column
        constants = [self._constant(item) for item in node.expressions]
        family = _family(data_type)
        values = [item.value for item in constants if item is not None and not item.moment]
        fitting = all(item is not None and item.family == family for item in constants)
        if not fitting or not values or len(values) < len(constants) or family == "decimal":
            return None
        return source, exp.In(this=_named(name), expressions=values)

    def _column(self, node: exp.Expr) -> tuple[Source, str, str] | None:
        """Whose column it is, its name and its type, if the caller sees it as it is."""
        if isinstance(node, exp.Paren):
            return self._column(node.this)
        source = self._frame.owner(node)
        if source is None or not source.table or source.single or source.filters:
            return None
        table = self._tables[source.table]
        alias = source.alias.name.lower()
        if sum(other.alias.name.lower() == alias for other in self._frame.sources) > 1:
            return None
        name = (source.columns or {})[node.name.lower()]
        if self._dialect.fold != "keep" and self._dialect.stored(name) != node.name:
            return None
        access = table.access.columns.get(name)
        if access is None or not access.cases:
            return None
        first = access.cases[0]
        if first.when != TRUE or first.mask is not None:
            return None
        data_type = table.types.get(name.lower(), "").lower()
        return (source, name, data_type) if data_type else None

    def _compared(
        self, kind: type[exp.Expr], name: str, data_type: str, value: exp.Expr
    ) -> exp.Expr | None:
        constant = self._constant(value)
        family = _family(data_type)
        if constant is None:
            return None
        if constant.day and family in ("date", "timestamp"):
            constant = _Constant("date", exp.cast(constant.value, exp.DType.DATE))
        if not _fit(family, constant.family):
            return None
        shown = constant.value
        if constant.moment:
            if kind not in _LOOSER:
                return None
            if family == "date":
                kind, shown = _LOOSER[kind], exp.cast(shown, exp.DType.DATE)
        if family == "timestamp" and constant.family != "timestamp":
            shown = exp.cast(shown, exp.DType.TIMESTAMP)
        comparison: exp.Expr = kind(this=_named(name), expression=shown)
        return comparison

    def _constant(self, node: exp.Expr) -> _Constant | None:
        if isinstance(node, exp.Paren):
            return self._constant(node.this)
        if isinstance(node, exp.Neg):
            inner = self._constant(node.this)
            if inner is None or inner.family not in ("integer", "number"):
                return None
            return _Constant(inner.family, exp.Neg(this=inner.value))
        if isinstance(node, exp.Literal):
            if node.is_string:
                return _Constant("text", node.copy(), day=_is_day(node.name))
            if not _NUMBER.fullmatch(node.name):
                return None
            return _Constant("number" if "." in node.name else "integer", node.copy())
        if isinstance(node, exp.Placeholder):
            value = self._parameters.get(node.name)
            family = _FAMILY_OF_VALUE.get(type(value))
            large = isinstance(value, int) and abs(value) >= LARGE
            return _Constant(family, node.copy()) if family and not large else None
        return _day(node)


_FAMILY_OF_VALUE: Mapping[type, str] = {str: "text", int: "integer", float: "float", date: "date"}


def _day(node: exp.Expr) -> _Constant | None:
    """``DATE '2013-01-01'``, with whole days, months or years added or not."""
    if isinstance(node, exp.Add | exp.Sub):
        start, step = _day(node.this), node.expression
        if start is None or not isinstance(step, exp.Interval):
            return None
        count, unit = step.this, step.args.get("unit")
        plain = isinstance(count, exp.Literal) and re.fullmatch(r"\d{1,4}", count.name)
        if not plain or not isinstance(unit, exp.Var) or unit.name.upper() not in _UNITS:
            return None
        return _Constant("date", node.copy(), moment=True)
    if type(node) is not exp.Cast or not isinstance(node.this, exp.Literal):
        return None
    if node.to.this != exp.DType.DATE or not node.this.is_string:
        return None
    return _Constant("date", node.copy()) if _is_day(node.this.name) else None


def _is_day(text: str) -> bool:
    """Whether it is an ISO date, far enough from both ends of dates for anything to be added."""
    if not _DAY.fullmatch(text):
        return False
    try:
        return 1000 <= date.fromisoformat(text).year <= 9000
    except ValueError:
        return False


def _family(data_type: str) -> str:
    """What a column can be compared with; empty where that is not known to be safe."""
    if match := _DECIMAL.fullmatch(data_type):
        whole = int(match.group(1)) - int(match.group(2))
        # More digits would not fit in one type with those that a constant may have.
        return "decimal" if whole + max(int(match.group(2)), 8) <= _MAX_WHOLE_DIGITS else ""
    if _TEXT.fullmatch(data_type):
        return "text"
    return _FAMILIES.get(data_type, "")


def _fit(column: str, constant: str) -> bool:
    """Whether the comparison converts the constant alone, or the column to what holds it all."""
    if column == "text" or constant == "text":
        return column == constant
    if column in ("integer", "decimal", "float"):
        return constant in ("integer", "number", "float")
    if column == "timestamp":
        return constant in ("date", "timestamp")
    return column == constant == "date"


def _named(name: str) -> exp.Column:
    return exp.Column(this=exp.Identifier(this=name, quoted=True))
