"""What goes into the guard and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from saaf_autogen.auth.access import TableAccess

__all__ = ["Identifiers", "PhysicalTable", "Place", "Plan", "Scalar", "VisibleTable"]

Scalar = str | int | float | bool | Decimal | date | datetime | None


@dataclass(frozen=True, order=True)
class PhysicalTable:
    """Where a table is in the warehouse. Compared without regard to case."""

    catalog: str
    schema: str
    name: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The name as it is compared."""
        return self.catalog.lower(), self.schema.lower(), self.name.lower()


@dataclass(frozen=True)
class VisibleTable:
    """A table that one caller may name: where it is, and what they see of it.

    Attributes:
        types: the engine's own types by column name in lower case, where they are known. They
            decide which of a caller's filters cannot fail: never take them from elsewhere.
    """

    physical: PhysicalTable
    access: TableAccess
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A name as the caller wrote it, and where: line and column count from 1."""

    text: str
    line: int
    column: int


# Every identifier of the caller's SQL, in lower case, at its first place.
Identifiers = Mapping[str, Place]


@dataclass(frozen=True)
class Plan:
    """SQL that is safe to execute for one caller, and what is known of it.

    Attributes:
        sql: regenerated SQL. It selects one row more than ``max_rows``, so that a cut is known.
        parameters: values for its named parameters: the caller's own and those of row policies.
            Their names occur nowhere else in ``sql``.
        tables: visible names of the tables that it reads, sorted.
        resources: the same tables as resources, for grants and audit.
        grants: ids of the grants that let it.
        physical: where those tables are; the engine is asked whether it agrees.
        alias: what every physical table is called where it is read; no caller can write it.
        ctes: names of its common table expressions; all of them made here.
        max_rows: the most rows that the caller may get.
        identifiers: names in the caller's SQL, to say where an engine's complaint belongs.
        columns: names that the caller may see in these tables, for hints.
        timeout_s: the least seconds that a grant or a table allows, or None.
        max_bytes: the same of bytes of the result.
    """

    sql: str
    parameters: Mapping[str, Scalar]
    tables: tuple[str, ...]
    resources: tuple[str, ...]
    grants: tuple[str, ...]
    physical: frozenset[PhysicalTable]
    alias: str
    ctes: frozenset[str]
    max_rows: int
    identifiers: Identifiers = field(repr=False)
    columns: tuple[str, ...] = field(repr=False)
    timeout_s: float | None = None
    max_bytes: int | None = None
