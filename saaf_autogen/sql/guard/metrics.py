"""``AGG(metric)`` becomes the metric's expression, where it would count what it means to count."""

from __future__ import annotations

from sqlglot import exp

from saaf_autogen.errors import SqlRefused
from saaf_autogen.semantic.vocabulary import Definition, LogicalTable, Vocabulary
from saaf_autogen.sql.guard.definitions import Definitions, qualified, wrapped
from saaf_autogen.sql.guard.joins import repeating
from saaf_autogen.sql.guard.refusal import Refusals, nearest
from saaf_autogen.sql.guard.sources import Frame, Reference, Source

__all__ = ["Metrics"]

_PLACES = ("SELECT", "HAVING", "QUALIFY", "ORDER BY", "DISTINCT ON", "WINDOW")
_ELSEWHERE = (
    "Compute the metric in a query of its own, WITH m AS (SELECT … GROUP BY …), and join it."
)


class Metrics:
    """Expands the metrics of one query."""

    def __init__(
        self, vocabulary: Vocabulary, definitions: Definitions, refusals: Refusals
    ) -> None:
        self._vocabulary = vocabulary
        self._definitions = definitions
        self._refusals = refusals

    def replace(self, reference: Reference, frame: Frame) -> None:
        """Put a metric's expression where its call stands.

        Raises:
            SqlRefused: rules ``unknown_metric``, ``metric_place``, ``metric_join``,
                ``ambiguous_name``, ``definition``.
        """
        call = reference.node
        column = self._named(call)
        if reference.clause not in _PLACES:
            raise self._refusals.at(
                call,
                "metric_place",
                f"{column.name} is a metric, a value of many rows; {reference.clause} takes those "
                "of one row.",
                remedy=f"Put a condition on AGG({column.name}) into HAVING.",
            )
        value = self._value(column, call, frame)
        self._check_call(call, value, column)
        item = call
        while isinstance(item.parent, exp.Filter | exp.Window):
            item = item.parent
        name = exp.Identifier(this=column.name, quoted=column.this.args.get("quoted"))
        is_item = item.parent is frame.select and item.arg_key == "expressions"
        call.replace(value)
        item = value if item is call else item
        if is_item:
            item.replace(exp.Alias(this=item.copy(), alias=name))

    def _named(self, call: exp.Expr) -> exp.Column:
        arguments = call.expressions if isinstance(call, exp.Anonymous) else [call.this]
        column = arguments[0] if len(arguments) == 1 else None
        if isinstance(column, exp.Column) and isinstance(column.this, exp.Identifier):
            return column
        raise self._refusals.at(
            call,
            "unknown_metric",
            "AGG takes the name of one metric.",
            remedy="Write AGG(metric) for a metric of the semantic layer; otherwise name the "
            "aggregate function.",
        )

    def _value(self, column: exp.Column, call: exp.Expr, frame: Frame) -> exp.Expr:
        found = [
            (source, logical, definition)
            for source in frame.sources
            if self._may_mean(column.table.lower(), source)
            for logical, definition in source.metrics(column.name)
        ]
        if len(found) > 1:
            places = " or ".join(
                f"AGG({source.alias.name}.{column.name})" for source, _, _ in found
            )
            raise self._refusals.at(
                column,
                "ambiguous_name",
                f"{column.name} is a metric in more than one place.",
                remedy=f"Write {places}."
                if len({item[0] for item in found}) > 1
                else f"Read {' or '.join(logical.name for _, logical, _ in found)} in FROM.",
            )
        if found:
            source, logical, definition = found[0]
            value = self._definitions.expression(definition, logical, source, call)
            self._check_rows(definition, [source], frame, call, exp.Paren(this=value.copy()))
            return value
        whole = [
            item
            for item in self._vocabulary.metrics
            if item.name.lower() == column.name.lower() and not item.private and not column.table
        ]
        if len(whole) == 1:
            return self._of_model(whole[0], call, frame)
        raise self._unknown(column, frame)

    def _may_mean(self, qualifier: str, source: Source) -> bool:
        names = {logical.name.lower() for logical in source.logical}
        return not qualifier or qualifier == source.alias.name.lower() or qualifier in names

    def _of_model(self, metric: Definition, call: exp.Expr, frame: Frame) -> exp.Expr:
        """A metric of the whole model: each of its aggregates over the tables that it names."""
        holder = exp.Paren(this=self._definitions.tree(metric, call))
        sources: dict[str, tuple[Source, LogicalTable]] = {}
        groups: dict[int, tuple[exp.Expr | None, list[Source]]] = {}
        for column in list(holder.find_all(exp.Column)):
            table = column.table.lower()
            if table not in sources:
                sources[table] = self._source(table, metric, call, frame)
            source, logical = sources[table]
            real = (source.columns or {}).get(column.name.lower())
            name = column.name.lower()
            inner = None if real else logical.values.get(name) or logical.metrics.get(name)
            if real:
                part: exp.Expr = qualified(real, source, call)
            elif inner is not None:
                part = self._definitions.expression(inner, logical, source, call, depth=1)
            else:
                why = f"{column.table}.{column.name} is not a column"
                raise self._definitions.refusal(metric, call, why)
            if inner is not None and inner.kind == "metric":
                self._check_rows(inner, [source], frame, call, exp.Paren(this=part.copy()))
            else:
                aggregate = _outermost_aggregate(column)
                groups.setdefault(id(aggregate), (aggregate, []))[1].append(source)
            column.replace(part)
        if any(node.is_star for node in holder.find_all(exp.Count)) or not sources:
            raise self._definitions.refusal(metric, call, "it counts rows of no table by name")
        for found, anchors in groups.values():
            self._check_rows(metric, anchors, frame, call, found)
        return wrapped(holder.this)

    def _source(
        self, table: str, metric: Definition, call: exp.Expr, frame: Frame
    ) -> tuple[Source, LogicalTable]:
        found = [
            (source, logical)
            for source in frame.sources
            for logical in source.logical
            if logical.name.lower() == table
        ]
        if len(found) != 1:
            often = "more than once" if found else "not"
            raise self._refusals.at(
                call,
                "metric_join",
                f"The metric {metric.name} is over the table {table}, which is {often} read here.",
                remedy=f"Read {table} once in FROM, joined as the relationships say.",
            )
        return found[0]

    def _check_rows(
        self,
        metric: Definition,
        anchors: list[Source],
        frame: Frame,
        call: exp.Expr,
        value: exp.Expr | None,
    ) -> None:
        """Refuse a metric whose rows the joins repeat, or fill up with NULLs.

        ``value`` is what aggregates over the rows of any of ``anchors``.
        """
        if metric.refused:
            raise self._definitions.refusal(metric, call, metric.refused)
        if metric.alone and len(frame.sources) > 1:
            why = "it holds along one relationship, and other tables are joined here"
            raise self._definitions.refusal(metric, call, why)
        good = [item for item in anchors if not item.nullable and repeating(frame, item) is None]
        if good or (value is not None and _is_indifferent(value)):
            return
        anchor = anchors[0]
        other = None if anchor.nullable else repeating(frame, anchor)
        detail = (
            f"The join with {other.alias.name or 'a subquery'} may repeat rows of "
            f"{anchor.alias.name}, so that {metric.name} would count them more than once."
            if other is not None
            else f"The outer join adds rows without {anchor.alias.name}, which {metric.name} would "
            "count."
        )
        raise self._refusals.at(call, "metric_join", detail, remedy=_ELSEWHERE)

    def _check_call(self, call: exp.Expr, value: exp.Expr, column: exp.Column) -> None:
        """FILTER and OVER belong to one aggregate, so a metric of several takes none."""
        parent = call.parent
        single = isinstance(value, exp.AggFunc | exp.Anonymous)
        if (isinstance(parent, exp.Filter) and not single) or (
            isinstance(parent, exp.Window | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup)
            and not single
        ):
            raise self._refusals.at(
                call,
                "metric_place",
                f"The metric {column.name} is several aggregates, and takes no FILTER or OVER.",
                remedy="Put the condition into WHERE, or compute the metric in a query of its own.",
            )

    def _unknown(self, column: exp.Column, frame: Frame) -> SqlRefused:
        name = column.name
        for source in frame.sources:
            for _, definition in source.values(name):
                return self._refusals.at(
                    column,
                    "unknown_metric",
                    f"{definition.name} is a {definition.kind}, not a metric.",
                    remedy=f"Write {definition.name} like a column, without AGG.",
                )
        tables = [
            logical.name
            for logical in self._vocabulary.tables
            for item in (logical.metrics.get(name.lower()),)
            if item is not None and not item.private
        ]
        read = [logical for source in frame.sources for logical in source.logical]
        known = [
            item.name for logical in read for item in logical.metrics.values() if not item.private
        ]
        known += [item.name for item in self._vocabulary.metrics if not item.private]
        near = nearest(name, known)
        if tables:
            detail = f"{name} is a metric of {tables[0]}, which this SELECT does not read."
            remedy = f"Read {tables[0]} in FROM of the same SELECT."
        else:
            detail = f"There is no metric {name} here."
            remedy = (
                f"Did you mean {' or '.join(near)}?"
                if near
                else f"Metrics: {', '.join(known[:10])}."
                if known
                else "Name an aggregate function; the tables that are read have no metrics."
            )
        return self._refusals.at(column, "unknown_metric", detail, remedy=remedy)


def _is_indifferent(value: exp.Expr) -> bool:
    """Whether rows that come again, or hold NULL, leave all its aggregates as they are."""
    found = list(value.find_all(exp.AggFunc, exp.Anonymous))
    return bool(found) and all(
        isinstance(item, exp.Min | exp.Max | exp.LogicalAnd | exp.LogicalOr)
        or (isinstance(item, exp.Count) and isinstance(item.this, exp.Distinct))
        for item in found
    )


def _outermost_aggregate(column: exp.Expr) -> exp.Expr | None:
    found, node = None, column.parent
    while node is not None:
        if isinstance(node, exp.AggFunc):
            found = node
        node = node.parent
    return found
