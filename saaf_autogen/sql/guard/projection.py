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
    TableAccess,
)
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.names import Binder, FreshNames
from saaf_autogen.sql.guard.plan import Scalar, VisibleTable
from saaf_autogen.sql.guard.pruning import Mentions
from saaf_autogen.sql.guard.pushdown import Conditions

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
        sources: catalog, schema and name of each table as they are written.

    Args:
        mask_key: the secret that ``hash`` masks are keyed with; bound, never in the text.
    """

    def __init__(
        self,
        dialect: Dialect,
        names: FreshNames,
        binder: Binder,
        mask_key: str,
        mentions: Mentions | None = None,
        conditions: Conditions | None = None,
        *,
        fenced: bool = True,
        opaque: bool = True,
    ) -> None:
        self._dialect = dialect
        self._mentions = mentions
        self._conditions = conditions or {}
        self._fence = dialect.fence if fenced else None
        self._opaque = dialect.opaque if opaque else None
        self._binder = binder
        self._mask_key = mask_key
        # Every column is qualified by an alias that no caller can write, so that a column missing
        # from the table can never bind to one of an enclosing query.
        self.alias = names.make("t")
        self.sources: set[tuple[str, ...]] = set()

    def of(self, table: VisibleTable, node: exp.Table | None = None) -> exp.Select:
        """``SELECT granted columns FROM physical WHERE policy OFFSET 0``.

        Args:
            table: what to project.
            node: the place where the query reads it, to leave out columns that it cannot use.
        """
        access, physical = table.access, table.physical
        parts = (physical.catalog, physical.schema, physical.name)
        self.sources.add(tuple(self._dialect.stored(part) for part in parts))
        source = exp.Table(
            this=self._stored(physical.name),
            db=self._stored(physical.schema),
            catalog=self._stored(physical.catalog) if physical.catalog else None,
            alias=exp.TableAlias(this=_identifier(self.alias)),
        )
        columns = [self._column(column, access.rows) for column in self._used(access, node)]
        select = exp.Select(expressions=columns, from_=exp.From(this=source))
        if access.rows != TRUE:
            self._restrict(select, access.rows, node)
        conditional = any(
            case.when != TRUE for column in access.columns.values() for case in column.cases
        )
        if access.rows != TRUE or conditional:
            if self._fence == "offset":
                select.set("offset", exp.Offset(expression=exp.Literal.number(0)))
            if self._opaque is not None:
                for column in columns:
                    column.set("this", self._opaque(this=column.this))
        return select

    def _used(self, access: TableAccess, node: exp.Table | None) -> list[ColumnAccess]:
        if self._mentions is None or node is None:
            return list(access.columns.values())
        alias = node.args.get("alias")
        renamed = isinstance(alias, exp.TableAlias) and bool(alias.args.get("columns"))
        kept = self._mentions.kept(access.columns, renamed=renamed)
        return [column for name, column in access.columns.items() if name in kept]

    def _restrict(self, select: exp.Select, rows: Predicate, node: exp.Table | None) -> None:
        """Keep the rows of the policy, and beside it make what filters can be made there."""
        where = self._predicate(rows)
        for condition in self._conditions.get(id(node), ()):
            for column in list(condition.find_all(exp.Column)):
                column.replace(self._reference(column.name))
            where = exp.And(this=where, expression=condition)
        select.set("where", exp.Where(this=where))

    def _column(self, column: ColumnAccess, rows: Predicate) -> exp.Expr:
        value = self._value(column)
        if self._fence == "value" and rows != TRUE:
            value = exp.Case(ifs=[exp.If(this=self._predicate(rows), true=value)])
        return exp.Alias(this=value, alias=self._stored(column.name))

    def _value(self, column: ColumnAccess) -> exp.Expr:
        raw = self._reference(column.name)
        if column.cases and column.cases[0].when == TRUE and column.cases[0].mask is None:
            return raw
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
            return default or self._dialect.mask("null", raw, exp.null())
        return exp.Case(ifs=ifs, default=default)

    def _reference(self, name: str) -> exp.Column:
        return exp.Column(this=self._stored(name), table=_identifier(self.alias))

    def _stored(self, name: str) -> exp.Identifier:
        return _identifier(self._dialect.stored(name))

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
