"""What all warehouses have in common: readings go through one runner, whatever the driver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from saaf_autogen.sql.guard import Dialect, PhysicalTable, Plan
from saaf_autogen.sql.reading import Reading
from saaf_autogen.sql.runner import Runner
from saaf_autogen.sql.stream import ArrowStream, rows_of
from saaf_autogen.sql.values import json_column, stands_for
from saaf_autogen.sql.warehouse import Column, Estimate, QueryLimits, Rows, Session, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Engine"]

# The host's own queries: catalogs of large warehouses take their time.
_HOST_S = 120.0
_HOST_ROWS = 10_000_000
_PLANNING_S = 20.0


class Engine(ABC):
    """A warehouse over a blocking driver. A subclass says how one reading is made.

    Args:
        name: the name under which the deployment knows it.
        dialect: what the guard must know of its SQL.
        catalog: where tables are, unless said otherwise; may be empty.
        concurrency: queries that run at the same time; further ones wait for their turn.
    """

    def __init__(self, name: str, dialect: Dialect, *, catalog: str, concurrency: int) -> None:
        self._name = name
        self._dialect = dialect
        self._catalog = catalog
        self._runner = Runner(name, concurrency)

    @property
    def name(self) -> str:
        """The name under which the deployment knows it."""
        return self._name

    @property
    def dialect(self) -> Dialect:
        """What the guard must know of its SQL."""
        return self._dialect

    @property
    def catalog(self) -> str:
        """The catalog in which tables are, unless said otherwise."""
        return self._catalog

    @asynccontextmanager
    async def stream(
        self, plan: Plan, *, limits: QueryLimits, session: Session | None = None
    ) -> AsyncIterator[ArrowStream]:
        """A plan's result as Arrow; see ``Warehouse.stream``."""
        running = self._run(plan, limits, session, max_bytes=limits.max_bytes)
        async with running as stream:
            yield stream

    async def execute(
        self, plan: Plan, *, limits: QueryLimits, session: Session | None = None
    ) -> Rows:
        """A plan's result as JSON-able rows; see ``Warehouse.execute``."""
        async with self._run(plan, limits, session, max_bytes=None) as stream:
            return await rows_of(stream, limits)

    async def dry_run(self, plan: Plan, *, session: Session | None = None) -> Estimate:
        """What the engine expects of a plan; see ``Warehouse.dry_run``."""
        reading = self._explanation(plan, session)
        if reading is None:
            return Estimate()
        async with self._runner.stream(
            reading, max_rows=_HOST_ROWS, max_bytes=None, timeout_s=_PLANNING_S
        ) as stream:
            text = "\n".join(str(row[-1]) for row in await _tuples(stream))
        try:
            return self._estimate(text)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
            # A plan of a shape, or a depth, that is not known: neither is its cost.
            return Estimate()

    async def inspect(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The host's own SQL; see ``Warehouse.inspect``."""
        reading = self._inspection(sql, tuple(parameters))
        async with self._runner.stream(
            reading, max_rows=_HOST_ROWS, max_bytes=None, timeout_s=_HOST_S
        ) as stream:
            return await _tuples(stream)

    async def schemas(self) -> tuple[TableSchema, ...]:
        """Every table and view, in the order of their names; see ``Warehouse.schemas``."""
        tables: dict[PhysicalTable, list[Column]] = {}
        for schema, table, column, data_type in await self.inspect(self._columns_sql()):
            key = PhysicalTable(self.catalog, schema, table)
            tables.setdefault(key, []).append(Column(column, data_type))
        return tuple(TableSchema(table, tuple(columns)) for table, columns in tables.items())

    async def close(self) -> None:
        """Stop what runs and let go of the engine."""
        await self._runner.close()

    @abstractmethod
    def _reading(self, plan: Plan, limits: QueryLimits, session: Session | None) -> Reading:
        """The reading of a plan, with the engine's own second line."""

    @abstractmethod
    def _inspection(self, sql: str, parameters: tuple[Any, ...]) -> Reading:
        """The reading of the host's own SQL."""

    @abstractmethod
    def _columns_sql(self) -> str:
        """SQL that gives schema, table, column and type of every column, in order."""

    def _explanation(self, plan: Plan, session: Session | None) -> Reading | None:
        """The reading of the engine's own plan, or None where it has none."""
        return None

    def _estimate(self, text: str) -> Estimate:
        """What ``_explanation``'s text says."""
        return Estimate()

    @asynccontextmanager
    async def _run(
        self, plan: Plan, limits: QueryLimits, session: Session | None, *, max_bytes: int | None
    ) -> AsyncIterator[ArrowStream]:
        async with self._runner.stream(
            self._reading(plan, limits, session),
            max_rows=min(plan.max_rows, limits.max_rows),
            max_bytes=max_bytes,
            timeout_s=limits.timeout_s,
        ) as stream:
            yield stream


async def _tuples(stream: ArrowStream) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    async for batch in stream:
        columns = [
            _values(column, field)
            for column, field in zip(batch.columns, stream.schema, strict=True)
        ]
        found += zip(*columns, strict=True)
    return found


def _values(column: pa.Array, field: pa.Field) -> list[Any]:
    if stands_for(field) == "number":
        return [None if text is None else Decimal(text) for text in column.to_pylist()]
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        # Nanoseconds and far years, which Python's own types do not hold.
        return json_column(column, field)
    return values
