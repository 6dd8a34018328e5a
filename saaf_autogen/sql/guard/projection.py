"""A table as one caller sees it: the subquery that stands where the table stood."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from saaf_autogen.auth.access import (
    FALSE,
    TRUE,
    AllOf,
    ColumnAccess,
    Comparison,
    Predicate,
)
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.names import Binder, FreshNames
from saaf_autogen.sql.guard.plan import Scalar, VisibleTable

__all__ = ["Projection"]

_COMPARISONS: Mapping[str, type[exp.Binary]] = {
    "eq": exp.EQ,
    "ne": exp.NEQ,
    "lt": exp.LT,
    "lte": exp.LTE,
    "gt": exp.GT,
    "gte": exp.GTE,
}
_TEXT_MASKS = frozenset({"redact", "hash", "last4"})


class Projection:
    """Builds the subqueries of one plan.

    Attributes:
        alias: what each physical table is called inside of its subquery.

    Args:
        mask_key: the secret that ``hash`` masks are keyed with; bound, never in the text.
    """

    def __init__(self, dialect: Dialect, names: FreshNames, binder: Binder, mask_key: str) -> None:
        self._dialect = dialect
        self._binder = binder
        self._mask_key = mask_key
        # Every column is qualified by an alias that no caller can write, so that a column missing
        # from the table can never bind to one of an enclosing query.
        self.alias = names.make("t")

    def of(self, table: VisibleTable) -> exp.Select:
        """``SELECT granted columns FROM physical WHERE policy OFFSET 0``."""
        access, physical = table.access, table.physical
        source = exp.Table(
            this=_identifier(physical.name),
            db=_identifier(physical.schema),
            catalog=_identifier(physical.catalog) if physical.catalog else None,
            alias=exp.TableAlias(this=_identifier(self.alias)),
        )
        select = exp.Select(
            expressions=[self._column(column) for column in access.columns.values()],
            from_=exp.From(this=source),
        )
        if access.rows != TRUE:
            select.set("where", exp.Where(this=self._predicate(access.rows)))
        conditional = any(
            case.when != TRUE for column in access.columns.values() for case in column.cases
        )
        if self._dialect.fence and (access.rows != TRUE or conditional):
            select.set("offset", exp.Offset(expression=exp.Literal.number(0)))
        return select

    def _column(self, column: ColumnAccess) -> exp.Expr:
        raw = self._reference(column.name)
        if column.cases and column.cases[0].when == TRUE and column.cases[0].mask is None:
            return _named(raw, column.name)
        text = any(case.mask in _TEXT_MASKS for case in column.cases)
        ifs, default = [], None
        for case in column.cases:
            shown = (
                self._dialect.mask(case.mask, raw.copy(), self._binder.bind(self._mask_key))
                if case.mask == "hash"
                else self._dialect.mask(case.mask, raw.copy(), exp.null())
                if case.mask
                else raw.copy()
            )
            if text and case.mask not in _TEXT_MASKS:
                shown = exp.cast(shown, exp.DType.VARCHAR)
            if case.when == TRUE:
                default = shown
                break
            ifs.append(exp.If(this=self._predicate(case.when), true=shown))
        if not ifs:
            masked = default or self._dialect.mask("null", raw, exp.null())
            return _named(masked, column.name)
        return _named(exp.Case(ifs=ifs, default=default), column.name)

    def _reference(self, name: str) -> exp.Column:
        return exp.Column(this=_identifier(name), table=_identifier(self.alias))

    def _predicate(self, predicate: Predicate) -> exp.Expr:
        if predicate in (TRUE, FALSE):
            return exp.true() if predicate == TRUE else exp.false()
        if isinstance(predicate, Comparison):
            return self._comparison(predicate)
        kind = exp.And if isinstance(predicate, AllOf) else exp.Or
        items = predicate.items
        joined = self._predicate(items[0])
        for item in items[1:]:
            joined = kind(this=joined, expression=self._predicate(item))
        return exp.Paren(this=joined)

    def _comparison(self, comparison: Comparison) -> exp.Expr:
        column = self._reference(comparison.column)
        if comparison.operator == "in":
            values = comparison.value if isinstance(comparison.value, tuple) else ()
            if not values:
                return exp.false()
            return exp.In(this=column, expressions=[self._binder.bind(v) for v in values])
        if isinstance(comparison.value, tuple):
            return exp.false()
        value: Scalar = comparison.value
        return _COMPARISONS[comparison.operator](this=column, expression=self._binder.bind(value))


def _identifier(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=True)


def _named(value: exp.Expr, name: str) -> exp.Expr:
    return exp.Alias(this=value, alias=_identifier(name))
