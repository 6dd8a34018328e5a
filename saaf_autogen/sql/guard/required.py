"""Required filters: whoever reads such a table narrows it by one column of each list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlglot import exp

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql.guard.joins import conjuncts
from saaf_autogen.sql.guard.plan import VisibleTable
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.sources import Frame, JoinStep, Source

__all__ = ["require_checked", "require_filters"]

_COMPARISONS = (exp.EQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def require_filters(
    frames: Iterable[Frame], tables: Mapping[str, VisibleTable], refusals: Refusals
) -> frozenset[int]:
    """Refuse a query that reads a table without the filters that it requires.

    Args:
        frames: the SELECTs of the query, after expansion.
        tables: what the caller may read.
        refusals: of the caller's text.

    Returns:
        the ids of the nodes that read tables and were found in order.

    Raises:
        SqlRefused: rule ``required_filter``.
    """
    fine: set[int] = set()
    for frame in frames:
        for source in frame.sources:
            if source.table:
                _require(source, frame, tables[source.table], refusals)
                fine.add(id(source.node))
    return frozenset(fine)


def require_checked(
    replaced: Iterable[tuple[exp.Table, str]],
    fine: frozenset[int],
    tables: Mapping[str, VisibleTable],
    refusals: Refusals,
) -> None:
    """Refuse what reads such a table from a place that was not looked at."""
    for node, name in replaced:
        if id(node) not in fine and tables[name].access.bounds.required_filters:
            raise _missing(node, node.name, (), refusals)


def _require(source: Source, frame: Frame, table: VisibleTable, refusals: Refusals) -> None:
    wanted = table.access.bounds.required_filters
    if not wanted:
        return
    narrowed = {name.lower() for name in _narrowed(source, frame)}
    shown = {name.lower(): name for name in table.access.columns}
    for names in wanted:
        known = tuple(shown[name.lower()] for name in names if name.lower() in shown)
        if not narrowed.intersection(name.lower() for name in known):
            raise _missing(source.node, source.alias.name, known, refusals)


def _missing(
    node: exp.Expr, alias: str, columns: tuple[str, ...], refusals: Refusals
) -> SqlRefused:
    # A column that the caller may not see is not named; the table is then out of their reach.
    return refusals.at(
        node,
        "required_filter",
        f"{alias} may only be read with a filter on {' or '.join(columns)}."
        if columns
        else f"{alias} may only be read with a filter, and not in this way.",
        remedy=f"Compare it with constants or parameters in WHERE, joined to other conditions by "
        f"AND: WHERE {alias}.{columns[0]} >= :value."
        if columns
        else "Ask an admin which filter it needs, or read it in a plain FROM with WHERE.",
    )


def _narrowed(source: Source, frame: Frame) -> Iterator[str]:
    """Columns of a source that a condition of its SELECT compares with constants."""
    for part in conjuncts(frame.select.args.get("where")):
        yield from _compared(part, source, frame)
    for step in frame.joins:
        if _narrows(step, source):
            for part in conjuncts(step.join.args.get("on")):
                yield from _compared(part, source, frame)


def _narrows(step: JoinStep, source: Source) -> bool:
    """Whether the ON of a join keeps rows of the source out."""
    side, kind = str(step.join.side or "").upper(), str(step.join.kind or "").upper()
    if side == "LEFT" or kind == "ANTI":
        return source in step.right
    if side == "RIGHT":
        return source in step.left
    return side == "" and source in (*step.left, *step.right)


def _compared(part: exp.Expr, source: Source, frame: Frame) -> Iterator[str]:
    pairs: list[tuple[exp.Expr, list[exp.Expr]]] = []
    if isinstance(part, _COMPARISONS):
        pairs = [(part.this, [part.expression]), (part.expression, [part.this])]
    elif isinstance(part, exp.Between):
        pairs = [(part.this, [part.args["low"], part.args["high"]])]
    elif isinstance(part, exp.In) and part.expressions:
        pairs = [(part.this, part.expressions)]
    for column, values in pairs:
        while isinstance(column, exp.Paren | exp.Cast):
            column = column.this
        if _is_of(column, source, frame) and all(_is_constant(value) for value in values):
            yield column.name


def _is_of(column: exp.Expr, source: Source, frame: Frame) -> bool:
    if frame.owner(column) is source:
        return True
    # Columns that USING makes one narrow every table that has it.
    return (
        isinstance(column, exp.Column)
        and not column.table
        and column.name.lower() in (source.columns or ())
        and all(
            any(
                name.name.lower() == column.name.lower()
                for name in step.join.args.get("using") or []
            )
            and str(step.join.side or "").upper() in ("", "LEFT")
            for step in frame.joins
        )
    )


def _is_constant(value: exp.Expr) -> bool:
    return value.find(exp.Column, exp.Query, exp.Star) is None
