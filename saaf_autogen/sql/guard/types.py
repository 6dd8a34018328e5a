"""Kinds of values, and which of them can be compared without a column's conversion ever failing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from sqlglot import exp

__all__ = ["LARGE", "Kind", "comparable", "is_day", "kind_of_value", "shown_kind"]

# Whole numbers from here on may be of a type to which columns are converted.
LARGE = 10**15
# What DuckDB's decimals hold; those of other engines hold more.
_MAX_DIGITS = 38
_INTEGERS: Mapping[str, int] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "int", "int2", "int4"), 10),
    **dict.fromkeys(("utinyint", "usmallint", "uinteger", "bigint", "int8"), 19),
}
_FLOATS = frozenset({"float", "real", "double", "double precision", "float4", "float8"})
_TIMESTAMPS = frozenset({"timestamp", "timestamp without time zone", "timestamp_ntz"})
_DECIMAL = re.compile(r"(?:decimal|numeric|number)\((\d+),\s*(\d+)\)")
_TEXT = re.compile(
    r"(?:varchar|character varying|character|char|bpchar)(?:\(\d+\))?|text|string",
)
_NUMBER = re.compile(r"(\d{1,15})(?:\.(\d{1,8}))?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_COUNT = re.compile(r"\d{1,4}", re.ASCII)
_UNITS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        name: integer, decimal, float, text, date, timestamp, boolean; or moment, for a date that
            became one because time was added.
        digits: of a number, at most so many before the point.
        scale: and so many behind it.
        of_row: whether it depends on a single row.
    """

    name: str
    digits: int = 0
    scale: int = 0
    of_row: bool = False

    @classmethod
    def whole(cls, *, of_row: bool = False) -> Kind:
        """A whole number of eight bytes."""
        return cls("integer", 19, 0, of_row)

    @classmethod
    def of_column(cls, data_type: str) -> Kind | None:
        """The kind of a column of one of the engine's types, where that is a simple one."""
        name = data_type.lower()
        if name in _INTEGERS:
            return cls("integer", _INTEGERS[name], 0, of_row=True)
        if match := _DECIMAL.fullmatch(name):
            precision, scale = int(match.group(1)), int(match.group(2))
            return cls("decimal", precision - scale, scale, of_row=True)
        if name in _FLOATS:
            return cls("float", of_row=True)
        if _TEXT.fullmatch(name):
            return cls("text", of_row=True)
        if name in _TIMESTAMPS:
            return cls("timestamp", of_row=True)
        return cls(name, of_row=True) if name in ("date", "boolean") else None

    @property
    def is_number(self) -> bool:
        """Whether one can calculate with it."""
        return self.name in ("integer", "decimal", "float")

    def computed(self, other: Kind, operator: type[exp.Expr]) -> Kind | None:
        """What an operation on both gives, as far as comparisons need to know."""
        if not self.is_number or not other.is_number:
            return None
        of_row = self.of_row or other.of_row
        if "float" in (self.name, other.name) or operator is exp.Div:
            return Kind("float", of_row=of_row)
        product = operator is exp.Mul
        scale = self.scale + other.scale if product else max(self.scale, other.scale)
        name = "decimal" if scale else "integer"
        return Kind(name, max(19, self.digits, other.digits), scale, of_row)

    def aggregated(self, aggregate: type[exp.Expr]) -> Kind | None:
        """What SUM, AVG, MIN or MAX of it gives."""
        if aggregate in (exp.Min, exp.Max):
            return replace(self, of_row=False)
        if not self.is_number:
            return None
        if aggregate is exp.Avg:
            return Kind("float")
        return replace(self, of_row=False)


def comparable(one: Kind, two: Kind) -> bool:
    """Whether no value of a column makes the comparison of both fail."""
    if one.is_number and two.is_number:
        if "float" in (one.name, two.name):
            # PostgreSQL has decimals that are too large, or too close to zero, for a float.
            return all(k.digits + k.scale <= _MAX_DIGITS for k in (one, two) if k.of_row)
        scale = max(one.scale, two.scale)
        return all(kind.digits + scale <= _MAX_DIGITS for kind in (one, two) if kind.of_row)
    moments = ("timestamp", "moment")
    if one.name in moments and two.name in moments:
        return True
    if {one.name, two.name} == {"date", "timestamp"}:
        # Only a constant is known to fit, once it is a moment.
        return not (one if one.name == "date" else two).of_row
    return one.name == two.name


def kind_of_value(value: object) -> Kind | None:
    """The kind of a parameter's value."""
    if type(value) is int:
        return Kind("integer", 15) if abs(value) < LARGE else None
    names: Mapping[type, str] = {str: "text", float: "float", date: "date", bool: "boolean"}
    name = names.get(type(value))
    return Kind(name) if name else None


def shown_kind(node: exp.Expr) -> Kind | None:
    """The kind of a constant as it stands in the text; None if it is none."""
    if isinstance(node, exp.Literal):
        if node.is_string:
            return Kind("text")
        match = _NUMBER.fullmatch(node.name)
        if match is None:
            return None
        scale = len(match.group(2) or "")
        return Kind("decimal" if scale else "integer", len(match.group(1)), scale)
    if isinstance(node, exp.Neg):
        kind = shown_kind(node.this)
        return kind if kind is not None and kind.is_number else None
    if type(node) is exp.Cast and node.to.this == exp.DType.DATE:
        text = node.this
        return Kind("date") if isinstance(text, exp.Literal) and is_day(text) else None
    if isinstance(node, exp.Add | exp.Sub) and isinstance(node.expression, exp.Interval):
        return Kind("moment") if shown_kind(node.this) == Kind("date") and _days(node) else None
    return None


def is_day(text: exp.Literal) -> bool:
    """Whether it is an ISO date, far enough from both ends of dates for anything to be added."""
    if not text.is_string or not _DAY.fullmatch(text.name):
        return False
    try:
        return 1000 <= date.fromisoformat(text.name).year <= 9000
    except ValueError:
        return False


def _days(node: exp.Expr) -> bool:
    """Whether what is added is a number of whole days, months or years, and not too many."""
    count, unit = node.expression.this, node.expression.args.get("unit")
    if not isinstance(count, exp.Literal) or not isinstance(unit, exp.Var):
        return False
    most = 4 if unit.name.upper() in ("DAY", "WEEK", "MONTH") else 3
    return (
        bool(_COUNT.fullmatch(count.name))
        and len(count.name) <= most
        and unit.name.upper() in _UNITS
    )
