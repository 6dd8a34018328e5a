"""Results as streams of Arrow record batches, and as rows of JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from saaf_autogen.sql.values import engine_type, json_column
from saaf_autogen.sql.warehouse import Column, QueryLimits, Rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowStream", "columns_of", "rows_of"]


class ArrowStream:
    """A result that is read batch by batch, each at most a few thousand rows.

    Attributes:
        schema: of every batch.
        cut: after the last batch, a sentence on where the rows were cut off, or None when they
            are whole.

    Args:
        schema: what the engine said.
        fetch: gives the next batch, or None after the last.
        max_rows: rows that are handed on.
        max_bytes: bytes of Arrow's buffers that are handed on.
    """

    def __init__(
        self,
        schema: pa.Schema,
        fetch: Callable[[], Awaitable[pa.RecordBatch | None]],
        *,
        max_rows: int,
        max_bytes: int | None,
    ) -> None:
        self.schema = schema
        self.cut: str | None = None
        self._fetch = fetch
        self._left = max_rows
        self._max_rows = max_rows
        self._bytes = 0
        self._max_bytes = max_bytes

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names, and types as the engine calls them."""
        return columns_of(self.schema)

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """Batches up to the limits; then ``cut`` is known.

        Raises:
            SqlRefused, TimedOut, WarehouseFailed: see ``Warehouse.stream``.
        """
        while self.cut is None and (batch := await self._fetch()) is not None:
            whole = batch.num_rows
            if whole > self._left:
                batch = batch.slice(0, self._left)
                self.cut = f"Cut after {self._max_rows} rows: there are more."
            batch = self._within_bytes(batch)
            self._left -= batch.num_rows
            if batch.num_rows:
                yield batch

    async def table(self) -> pa.Table:
        """All that is left, as one table in memory."""
        import pyarrow as pa

        batches = [batch async for batch in self]
        return pa.Table.from_batches(batches, self.schema)

    def _within_bytes(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        most = self._max_bytes
        size = batch.nbytes
        if most is None or self._bytes + size <= most:
            self._bytes += size
            return batch
        # As many rows as fit, by halves: weighing each row would cost more than it saves.
        fit = 0
        step = batch.num_rows
        while step:
            if fit + step <= batch.num_rows and (
                self._bytes + batch.slice(0, fit + step).nbytes <= most
            ):
                fit += step
            step //= 2
        done = self._max_rows - self._left + fit
        self.cut = f"Cut after {done} rows, at {most} bytes: there are more."
        return batch.slice(0, fit)


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """The columns of a result, with the engine's names of their types."""
    return tuple(Column(field.name, engine_type(field)) for field in schema)


async def rows_of(stream: ArrowStream, limits: QueryLimits) -> Rows:
    """A stream as rows of JSON-able values, cut at ``limits.max_bytes`` of JSON."""
    rows: list[list[Any]] = []
    size = 0
    async for batch in stream:
        for row in _rows(batch, stream.schema):
            size += len(json.dumps(row, ensure_ascii=False).encode(errors="replace")) + 2
            if size > limits.max_bytes:
                cut = f"Cut after {len(rows)} rows, at {limits.max_bytes} bytes: there are more."
                return Rows(stream.columns, rows, cut)
            rows.append(row)
    return Rows(stream.columns, rows, stream.cut)


def _rows(batch: pa.RecordBatch, schema: pa.Schema) -> list[list[Any]]:
    if not batch.num_columns:
        return [[] for _ in range(batch.num_rows)]
    columns = [
        json_column(column, field) for column, field in zip(batch.columns, schema, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]
