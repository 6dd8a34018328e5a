"""What the policy says of one table: rows, and for each column where and how it is visible.

These are plain data. The SQL guard turns them into a projection; nothing else decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeVar

__all__ = [
    "FALSE",
    "TRUE",
    "AllOf",
    "AnyOf",
    "ColumnAccess",
    "ColumnCase",
    "ColumnFacts",
    "Comparison",
    "Mask",
    "Predicate",
    "QueryBounds",
    "TableAccess",
    "TableFacts",
    "all_of",
    "any_of",
    "least",
]

Mask = Literal["redact", "null", "hash", "last4", "year"]
Scalar = str | int | float | bool | Decimal | date | datetime
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Comparison:
    """``column operator value``; ``in`` takes a tuple, and NULL never matches."""

    column: str
    operator: Literal["eq", "ne", "in", "lt", "lte", "gt", "gte"]
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True)
class AllOf:
    """A conjunction; the empty one is true."""

    items: tuple[Predicate, ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """A disjunction; the empty one is false."""

    items: tuple[Predicate, ...] = ()


Predicate = Comparison | AllOf | AnyOf
TRUE: Predicate = AllOf()
FALSE: Predicate = AnyOf()


def all_of(*items: Predicate) -> Predicate:
    """The conjunction, simplified."""
    kept: dict[Predicate, None] = {}
    for item in items:
        if item == FALSE:
            return FALSE
        for part in item.items if isinstance(item, AllOf) else (item,):
            kept[part] = None
    return next(iter(kept)) if len(kept) == 1 else AllOf(tuple(kept))


def any_of(*items: Predicate) -> Predicate:
    """The disjunction, simplified."""
    kept: dict[Predicate, None] = {}
    for item in items:
        if item == TRUE:
            return TRUE
        for part in item.items if isinstance(item, AnyOf) else (item,):
            kept[part] = None
    return next(iter(kept)) if len(kept) == 1 else AnyOf(tuple(kept))


def least(*limits: Number | None) -> Number | None:
    """The least of some limits, of which None is none."""
    return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True)
class QueryBounds:
    """What one query of a table must keep to, beside its rows. Empty: nothing.

    Attributes:
        seconds: until the engine is interrupted.
        bytes: of the result as JSON.
        required_filters: each names columns, by one of which a query must narrow what it reads.
    """

    seconds: float | None = None
    bytes: int | None = None
    required_filters: tuple[tuple[str, ...], ...] = ()

    def with_(self, other: QueryBounds) -> QueryBounds:
        """Both together: the least of each number, and every required filter."""
        if self == other:
            return self
        return QueryBounds(
            least(self.seconds, other.seconds),
            least(self.bytes, other.bytes),
            tuple(dict.fromkeys((*self.required_filters, *other.required_filters))),
        )

    def allows_all_of(self, other: QueryBounds) -> bool:
        """Whether every query that keeps to ``other`` keeps to this, too."""
        return (
            least(self.seconds, other.seconds) == other.seconds
            and least(self.bytes, other.bytes) == other.bytes
            and set(self.required_filters) <= set(other.required_filters)
        )


@dataclass(frozen=True)
class ColumnFacts:
    """A column that the semantic layer describes."""

    name: str
    data_type: str
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TableFacts:
    """A table that the semantic layer describes: what the policy must know to decide."""

    resource: str
    columns: tuple[ColumnFacts, ...]
    tags: frozenset[str] = frozenset()
    max_rows: int | None = None
    bounds: QueryBounds = QueryBounds()


@dataclass(frozen=True)
class ColumnCase:
    """In the rows of ``when`` the column shows, through ``mask`` if there is one."""

    when: Predicate
    mask: Mask | None


@dataclass(frozen=True)
class ColumnAccess:
    """A visible column. The first case whose ``when`` holds decides; where none does: NULL."""

    name: str
    cases: tuple[ColumnCase, ...]

    @property
    def label(self) -> Literal["full", "masked"]:
        """What metadata says of it: ``full`` if some row shows it unmasked."""
        return "full" if any(case.mask is None for case in self.cases) else "masked"


@dataclass(frozen=True)
class TableAccess:
    """What one principal sees of one table.

    Attributes:
        resource: ``wh://WAREHOUSE/SCHEMA.TABLE``.
        columns: by name, in the table's order; a column that is not here does not exist for this
            principal.
        rows: the rows that exist for this principal.
        max_rows: the least limit that any party set, or None.
        approval: whether a grant asks for an approval.
        grants: ids of the grants that gave this, for the audit and for ``explain``.
        bounds: the least of what any party, or the table itself, sets for a query.
    """

    resource: str
    columns: Mapping[str, ColumnAccess]
    rows: Predicate = TRUE
    max_rows: int | None = None
    approval: bool = False
    grants: tuple[str, ...] = field(default=())
    bounds: QueryBounds = QueryBounds()
