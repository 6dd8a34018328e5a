"""What SAAF asks of a warehouse: to run a plan, and to say which tables it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from saaf_autogen.sql.guard import Dialect, PhysicalTable, Plan

__all__ = ["Column", "QueryLimits", "Rows", "TableSchema", "Warehouse"]


@dataclass(frozen=True)
class Column:
    """A column of a result or of a table; ``type`` is the engine's name for it."""

    name: str
    type: str


@dataclass(frozen=True)
class QueryLimits:
    """Bounds on one query.

    Attributes:
        max_rows: rows of the result; the rest is cut.
        max_bytes: bytes of the rows as JSON; the rest is cut.
        timeout_s: seconds until the engine is interrupted.
    """

    max_rows: int = 10_000
    max_bytes: int = 1_000_000
    timeout_s: float = 20.0


@dataclass(frozen=True)
class Rows:
    """Rows whose values are JSON-able.

    ``cut`` says in a sentence where they were cut off, or is None when they are whole.
    """

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    cut: str | None


@dataclass(frozen=True)
class TableSchema:
    """A table as the engine describes it."""

    table: PhysicalTable
    columns: tuple[Column, ...]


class Warehouse(Protocol):
    """An engine. It runs plans of the guard and nothing else."""

    @property
    def name(self) -> str:
        """The name under which the deployment knows it."""
        ...

    @property
    def dialect(self) -> Dialect:
        """What the guard must know of its SQL."""
        ...

    @property
    def catalog(self) -> str:
        """The catalog in which tables are, unless said otherwise."""
        ...

    async def execute(self, plan: Plan, *, limits: QueryLimits) -> Rows:
        """Run a plan.

        Cancelling the task interrupts the engine.

        Raises:
            SqlRefused: the engine could not make sense of the query, or the query failed on data
                that the caller may see.
            TimedOut: it took longer than ``limits.timeout_s``.
            WarehouseFailed: the engine failed for another reason.
        """
        ...

    async def schemas(self) -> tuple[TableSchema, ...]:
        """Every table of the warehouse, for the host itself: never shown to a caller."""
        ...

    async def close(self) -> None:
        """Interrupt what runs and let go of the engine."""
        ...
