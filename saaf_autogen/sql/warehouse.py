"""What SAAF asks of a warehouse: to run a plan, and to say which tables it has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from saaf_autogen.sql.guard import Dialect, PhysicalTable, Plan

if TYPE_CHECKING:
    from saaf_autogen.sql.stream import ArrowStream

__all__ = ["Column", "Estimate", "QueryLimits", "Rows", "Session", "TableSchema", "Warehouse"]


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
        max_bytes: bytes of the rows as JSON, or of Arrow's buffers in a stream; the rest is cut.
        timeout_s: seconds until the engine is interrupted. A turn is waited for as long at most.
    """

    max_rows: int = 10_000
    max_bytes: int = 1_000_000
    timeout_s: float = 20.0


@dataclass(frozen=True)
class Session:
    """Who asks, for engines whose own row policies want to know. No query can change it."""

    tenant: str
    issuer: str
    subject: str


@dataclass(frozen=True)
class Estimate:
    """What an engine expects of a plan before it runs it; None where it does not say.

    It is made of statistics on whole tables: for the host's own decisions, not for a caller.

    Attributes:
        rows: rows of the result.
        bytes: bytes that are read.
        cost: in the engine's own unit: rows through DuckDB's operators, PostgreSQL's total cost,
            bytes that Snowflake reads.
    """

    rows: int | None = None
    bytes: int | None = None
    cost: float | None = None


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

    def stream(
        self, plan: Plan, *, limits: QueryLimits, session: Session | None = None
    ) -> AbstractAsyncContextManager[ArrowStream]:
        """Run a plan and read its result as Arrow record batches.

        Leaving the block, or cancelling the task, stops the engine.

        Raises:
            SqlRefused: the engine could not make sense of the query, or the query failed on data
                that the caller may see.
            TimedOut: it took longer than ``limits.timeout_s``, the consumer's own time included.
            WarehouseFailed: the engine failed for another reason.
        """
        ...

    async def execute(
        self, plan: Plan, *, limits: QueryLimits, session: Session | None = None
    ) -> Rows:
        """Run a plan; rows and errors as of ``stream``, values as JSON holds them."""
        ...

    async def dry_run(self, plan: Plan, *, session: Session | None = None) -> Estimate:
        """What the engine expects of a plan, without running it; errors as of ``stream``."""
        ...

    async def inspect(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run SQL of SAAF's own and return its rows as the driver gives them.

        For the host itself (scaffolding, drift): never a caller's SQL, never shown to a caller.

        Args:
            sql: one query; ``?`` stands for each parameter, whatever the driver's own style is.
            parameters: the values, in order.

        Raises:
            WarehouseFailed: the engine failed; its text is not repeated.
            TimedOut: it took longer than the warehouse's own limit.
        """
        ...

    async def schemas(self) -> tuple[TableSchema, ...]:
        """Every table of the warehouse, for the host itself: never shown to a caller."""
        ...

    async def close(self) -> None:
        """Interrupt what runs and let go of the engine."""
        ...
