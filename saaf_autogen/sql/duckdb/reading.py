"""One query on DuckDB within this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from saaf_autogen.errors import SaafError, WarehouseFailed
from saaf_autogen.sql.duckdb.check import cross_check
from saaf_autogen.sql.duckdb.errors import explain_failure
from saaf_autogen.sql.duckdb.size import weighed
from saaf_autogen.sql.duckdb.types import describe, portable
from saaf_autogen.sql.guard import Plan

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["DuckDBReading"]

_BATCH_ROWS = 1_024


class DuckDBReading:
    """See ``Reading``.

    Args:
        connection: of the warehouse; the query gets a cursor of its own.
        statement: a plan of the guard, or the host's own SQL.
        parameters: of the host's own SQL.
        max_bytes: what a row of a plan may weigh.
        explain: read the engine's plan instead of rows.
    """

    interrupt_every_s: ClassVar[float] = 0.02

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        statement: Plan | str,
        *,
        parameters: tuple[Any, ...] = (),
        max_bytes: int = 0,
        explain: bool = False,
    ) -> None:
        self._connection = connection
        self._statement = statement
        self._parameters = parameters
        self._max_bytes = max_bytes
        self._explain = explain
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._reader: Any = None
        self._schema: Any = None

    def open(self) -> pa.Schema:
        """Check the plan by DuckDB's own reading, and start it."""
        return self._guarded(self._open)

    def next(self) -> pa.RecordBatch | None:
        """The next 1,024 rows at most."""
        return self._guarded(self._next)

    def interrupt(self) -> None:
        """Interrupt the cursor; before it is there, it will not start."""
        with self._lock:
            self._stopped = True
            if self._cursor is not None:
                self._cursor.interrupt()

    def abandon(self) -> None:
        """Nothing more can be done within one process."""

    def close(self) -> None:
        """Close the cursor, and with it what it computes."""
        with self._lock:
            cursor, self._cursor, self._reader = self._cursor, None, None
        if cursor is not None:
            cursor.close()

    def _open(self) -> pa.Schema:
        with self._lock:
            if self._stopped:
                raise WarehouseFailed("The query was stopped before it started.")
            cursor = self._cursor = self._connection.cursor()
        if self._explain and isinstance(self._statement, Plan):
            return self._open_plan(cursor, self._statement)
        if isinstance(self._statement, Plan):
            cross_check(cursor, self._statement)
            sql: str = self._statement.sql
            values: Any = dict(self._statement.parameters)
        else:
            sql, values = self._statement, list(self._parameters)
        return self._start(cursor, sql, values or None)

    def _start(
        self,
        cursor: duckdb.DuckDBPyConnection,
        sql: str,
        values: Mapping[str, Any] | list[Any] | None,
    ) -> pa.Schema:
        import pyarrow as pa

        described = cursor.sql(f"SELECT * FROM ({sql}) AS q", params=values)  # noqa: S608 - guarded
        columns = list(zip(described.columns, described.dtypes, strict=True))
        casts = [(name, portable(kind)) for name, kind in columns]
        if isinstance(self._statement, Plan):
            sql = weighed(sql, columns, self._max_bytes)
        if any(kind for _, kind in casts):
            # The order of rows holds: DuckDB keeps it through a projection.
            items = ", ".join(
                f"CAST({_quoted(name)} AS {kind}) AS {_quoted(name)}" if kind else _quoted(name)
                for name, kind in casts
            )
            sql = f"SELECT {items} FROM ({sql}) AS q"  # noqa: S608 - the guard's SQL, names quoted
        del described
        self._reader = cursor.sql(sql, params=values).to_arrow_reader(_BATCH_ROWS)
        fields = [
            describe(field.with_name(name), kind)
            for field, (name, kind) in zip(self._reader.schema, columns, strict=True)
        ]
        self._schema = pa.schema(fields)
        return self._schema

    def _open_plan(self, cursor: duckdb.DuckDBPyConnection, plan: Plan) -> pa.Schema:
        import pyarrow as pa

        cross_check(cursor, plan)
        rows = cursor.execute(
            f"EXPLAIN (FORMAT json) {plan.sql}", dict(plan.parameters) or None
        ).fetchall()
        batch = pa.record_batch({"plan": [str(row[-1]) for row in rows]})
        self._schema = batch.schema
        self._reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
        return self._schema

    def _next(self) -> pa.RecordBatch | None:
        import pyarrow as pa

        if self._stopped or self._reader is None:
            raise WarehouseFailed("The query was stopped.")
        try:
            batch = self._reader.read_next_batch()
        except StopIteration:
            return None
        return pa.RecordBatch.from_arrays(batch.columns, schema=self._schema)

    def _guarded(self, work: Any) -> Any:
        import duckdb
        import pyarrow as pa

        try:
            return work()
        except SaafError:
            raise
        except (
            duckdb.Error,
            pa.ArrowException,
            RuntimeError,
            ValueError,
            OverflowError,
            MemoryError,
        ) as error:
            plan = self._statement if isinstance(self._statement, Plan) else None
            if plan is None:
                raise WarehouseFailed(
                    f"The warehouse cannot be inspected: {type(error).__name__}."
                ) from None
            # Without its cause: DuckDB's text, and so a log of it, may quote rows.
            raise explain_failure(error, plan) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
