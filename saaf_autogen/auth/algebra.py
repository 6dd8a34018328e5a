"""How rights on a table combine: grants of one party add up, parties cut each other down.

A ``Share`` is one grant on one table. A ``View`` is what one party sees of it: the union of its
shares. What several parties see together is the intersection of their views.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from saaf_autogen.auth.access import (
    FALSE,
    TRUE,
    AnyOf,
    ColumnCase,
    Mask,
    Predicate,
    QueryBounds,
    all_of,
    any_of,
    least,
)

__all__ = ["MASKS", "Share", "View", "intersection", "meet", "prune", "union"]

MASKS: tuple[Mask | None, ...] = (None, "year", "last4", "hash", "redact", "null")
"""From the least strict to the strictest; the order in which one party's cases are tried."""

_EVERYWHERE = {mask: (ColumnCase(TRUE, mask),) for mask in MASKS}
_PARTIAL = frozenset[Mask | None]({"year", "last4", "hash"})


def meet(first: Mask | None, second: Mask | None) -> Mask | None:
    """The least strict mask that shows no more than either.

    ``year``, ``last4`` and ``hash`` each show something that the others hide, so two different
    ones of them meet in ``redact``.
    """
    if first != second and first in _PARTIAL and second in _PARTIAL:
        return "redact"
    return max(first, second, key=MASKS.index)


@dataclass(frozen=True)
class Share:
    """What one grant gives of one table: its visible columns, each with its mask."""

    grant: str
    rows: Predicate
    columns: Mapping[str, Mask | None]
    max_rows: int | None = None
    approval: bool = False
    bounds: QueryBounds = field(default_factory=QueryBounds)


@dataclass(frozen=True)
class View:
    """What one party, or several together, see of one table."""

    rows: Predicate
    columns: Mapping[str, tuple[ColumnCase, ...]]
    max_rows: int | None
    approval: bool
    grants: tuple[str, ...]
    bounds: QueryBounds = field(default_factory=QueryBounds)


def prune(shares: Iterable[Share]) -> list[Share]:
    """The shares without those that give nothing, or nothing that another does not give.

    So a narrow grant to everyone puts no limit and no approval on those who hold a wider one.
    """
    kept: list[Share] = []
    for share in shares:
        if share.rows == FALSE or not share.columns:
            continue
        if any(_includes(other, share) for other in kept):
            continue
        kept = [other for other in kept if not _includes(share, other)]
        kept.append(share)
    return kept


def union(shares: Sequence[Share]) -> View | None:
    """What a party sees by its grants, or None if that is nothing.

    Rows add up; a column shows in the rows of a grant that allows it, by the least strict mask
    where several do. Limit and approval cannot follow single rows, so the least limit holds, and
    an approval is asked if any share that is not covered by another asks for it.
    """
    kept = prune(shares)
    if not kept:
        return None
    if len(kept) == 1:
        return _alone(kept[0])
    rows = any_of(*(share.rows for share in kept))
    names = dict.fromkeys(name for share in kept for name in share.columns)
    return View(
        rows=rows,
        columns={name: _cases(name, kept, rows) for name in names},
        max_rows=least(*(share.max_rows for share in kept)),
        approval=any(share.approval for share in kept),
        grants=tuple(share.grant for share in kept),
        bounds=reduce(QueryBounds.with_, (share.bounds for share in kept)),
    )


def _alone(share: Share) -> View:
    """The view by one share, as ``union`` would make it, in a fraction of the time."""
    return View(
        rows=share.rows,
        columns={name: _EVERYWHERE[mask] for name, mask in share.columns.items()},
        max_rows=share.max_rows,
        approval=share.approval,
        grants=(share.grant,),
        bounds=share.bounds,
    )


def intersection(left: View, right: View) -> View | None:
    """What two parties see together, or None if that is nothing."""
    columns = {
        name: cases
        for name, mine in left.columns.items()
        if name in right.columns and (cases := _cross(mine, right.columns[name]))
    }
    rows = all_of(left.rows, right.rows)
    if not columns or rows == FALSE:
        return None
    return View(
        rows=rows,
        columns=columns,
        max_rows=least(left.max_rows, right.max_rows),
        approval=left.approval or right.approval,
        grants=tuple(dict.fromkeys((*left.grants, *right.grants))),
        bounds=left.bounds.with_(right.bounds),
    )


def _includes(wide: Share, narrow: Share) -> bool:
    return (
        wide.rows in (TRUE, narrow.rows)
        and all(
            name in wide.columns and meet(wide.columns[name], mask) == mask
            for name, mask in narrow.columns.items()
        )
        and (wide.max_rows is None or wide.max_rows >= (narrow.max_rows or wide.max_rows + 1))
        and (narrow.approval or not wide.approval)
        and wide.bounds.allows_all_of(narrow.bounds)
    )


def _cases(name: str, shares: Sequence[Share], rows: Predicate) -> tuple[ColumnCase, ...]:
    showing = [share for share in shares if name in share.columns]
    showing.sort(key=lambda share: MASKS.index(share.columns[name]))
    cases = _tidy(ColumnCase(share.rows, share.columns[name]) for share in showing)
    # Outside of ``rows`` there is nothing to show, so a case for all of them needs no condition.
    return _tidy(
        ColumnCase(TRUE if _same(case.when, rows) else case.when, case.mask) for case in cases
    )


def _cross(left: Sequence[ColumnCase], right: Sequence[ColumnCase]) -> tuple[ColumnCase, ...]:
    if left is right and len(left) == 1:
        return tuple(left)
    # The first pair that holds is the pair of each side's first case.
    return _tidy(
        ColumnCase(all_of(mine.when, theirs.when), meet(mine.mask, theirs.mask))
        for mine in left
        for theirs in right
    )


def _tidy(cases: Iterable[ColumnCase]) -> tuple[ColumnCase, ...]:
    """Drop cases that never decide; join neighbours that mask alike."""
    result: list[ColumnCase] = []
    for case in cases:
        if case.when == FALSE or any(case.when == earlier.when for earlier in result):
            continue
        if result and result[-1].mask == case.mask:
            result[-1] = ColumnCase(any_of(result[-1].when, case.when), case.mask)
        else:
            result.append(case)
        if result[-1].when == TRUE:
            break
    return tuple(result)


def _same(first: Predicate, second: Predicate) -> bool:
    if isinstance(first, AnyOf) and isinstance(second, AnyOf):
        return set(first.items) == set(second.items)
    return first == second
