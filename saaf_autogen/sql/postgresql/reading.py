"""One query on PostgreSQL: a read-only transaction that ends with it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from saaf_autogen.errors import WarehouseFailed
from saaf_autogen.sql.guard import Plan
from saaf_autogen.sql.postgresql.check import cross_check, explained
from saaf_autogen.sql.postgresql.connection import Connections, cut_off
from saaf_autogen.sql.postgresql.errors import (
    NOT_UTF8,
    NOT_UTF8_REMEDY,
    TOO_LARGE,
    explain_failure,
)
from saaf_autogen.sql.postgresql.types import ColumnReader, column_reader
from saaf_autogen.sql.warehouse import QueryLimits, Session

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

__all__ = ["PostgreSQLReading"]

T = TypeVar("T")
_BATCH_ROWS = 1_000
_BATCH_BYTES = 1_000_000
# Rows that libpq holds at a time; each may weigh as much as a whole result.
_CHUNK_ROWS = 64
# The host interrupts first; the server's own limit is for when the host cannot.
_MARGIN_S = 1.0
_CANCEL_S = 2.0


class PostgreSQLReading:
    """See ``Reading``.

    Args:
        connections: where to take a connection from.
        statement: a plan of the guard, or the host's own SQL.
        limits: time, and what a row of a plan may weigh.
        parameters: of the host's own SQL.
        session: who asks.
        explain: read the server's plan instead of rows.
    """

    interrupt_every_s: ClassVar[float] = 0.2

    def __init__(
        self,
        connections: Connections,
        statement: Plan | str,
        *,
        limits: QueryLimits,
        parameters: tuple[Any, ...] = (),
        session: Session | None = None,
        explain: bool = False,
    ) -> None:
        self._connections = connections
        self._statement = statement
        self._limits = limits
        self._parameters = parameters
        self._session = session
        self._explain = explain
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()
        self._rows: Iterator[tuple[str | None, ...]] = iter(())
        self._columns: list[ColumnReader] = []
        self._schema: Any = None
        self._stopped = False

    def open(self) -> pa.Schema:
        """Check the plan by the server's own reading, learn its types, and start it."""
        return self._guarded(self._open)

    def next(self) -> pa.RecordBatch | None:
        """At most a thousand rows, and about a megabyte."""
        return self._guarded(self._next)

    def interrupt(self) -> None:
        """Cancel at the server, over a connection of its own."""
        import psycopg

        with self._lock:
            self._stopped = True
            connection = self._connection
        if connection is not None and not connection.closed:
            try:
                connection.cancel_safe(timeout=_CANCEL_S)
            except psycopg.Error:
                # No server to tell: the connection is cut off soon.
                return

    def abandon(self) -> None:
        """Cut the connection off."""
        with self._lock:
            connection = self._connection
        if connection is not None:
            cut_off(connection)

    def close(self) -> None:
        """End the transaction and give the connection back."""
        import psycopg

        rows, self._rows = self._rows, iter(())
        if isinstance(rows, Generator):
            # psycopg cancels what still runs and reads what is on its way, if there is a line.
            with contextlib.suppress(psycopg.Error):
                rows.close()
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            if self._stopped:
                # A cancel may still be on its way and would meet the next query.
                connection.close()
            else:
                self._connections.give(connection)

    def _open(self) -> pa.Schema:
        connection = self._begin()
        if not isinstance(self._statement, Plan):
            sql = "%s".join(self._statement.replace("%", "%%").split("?"))
            return self._start(connection, sql, self._parameters, weigh=False)
        plan = self._statement
        if self._explain:
            return self._explained(explained(connection, plan))
        cross_check(connection, plan)
        return self._start(connection, plan.sql, dict(plan.parameters), weigh=True)

    def _begin(self) -> psycopg.Connection[Any]:
        import psycopg

        connection, is_new = self._connections.take(self._limits.timeout_s)
        try:
            self._adopt(connection)
            connection.execute(self._preamble(connection))
        except psycopg.OperationalError:
            if is_new or self._stopped:
                raise
            # One that was kept may have died meanwhile, with a restart of the server perhaps.
            connection.close()
            connection, _ = self._connections.take(self._limits.timeout_s)
            self._adopt(connection)
            connection.execute(self._preamble(connection))
        return connection

    def _adopt(self, connection: psycopg.Connection[Any]) -> None:
        with self._lock:
            self._connection = connection
            if self._stopped:
                raise WarehouseFailed("The query was stopped before it started.")

    def _preamble(self, connection: psycopg.Connection[Any]) -> str:
        """One message of our own literals; no query can take these settings back."""
        from psycopg import sql

        who = self._session or Session("", "", "")
        millis = int((self._limits.timeout_s + _MARGIN_S) * 1_000)
        settings = {
            "statement_timeout": str(millis),
            "idle_in_transaction_session_timeout": str(millis),
            "saaf.tenant": who.tenant,
            "saaf.issuer": who.issuer,
            "saaf.subject": who.subject,
        }
        parts: list[sql.Composable] = [sql.SQL("BEGIN READ ONLY")]
        parts += [
            sql.SQL("SET LOCAL {} = {}").format(
                sql.SQL(".").join(sql.Identifier(part) for part in name.split(".")),
                sql.Literal(value),
            )
            for name, value in settings.items()
        ]
        return sql.SQL("; ").join(parts).as_string(connection)

    def _start(
        self,
        connection: psycopg.Connection[Any],
        sql: str,
        values: Any,
        *,
        weigh: bool,
    ) -> pa.Schema:
        import pyarrow as pa

        self._columns = _describe(connection, sql, values)
        if weigh:
            sql = _weighed(sql, self._columns, self._limits.max_bytes)
        # `stream` speaks the extended protocol, which admits one statement only.
        self._rows = connection.cursor().stream(sql, values, size=_CHUNK_ROWS)
        self._schema = pa.schema([column.field for column in self._columns])
        return self._schema

    def _explained(self, text: str) -> pa.Schema:
        import pyarrow as pa

        field = pa.field("plan", pa.string())
        self._columns = [ColumnReader(field, True, str, lambda values: pa.array(values))]
        self._rows = iter([(text,)])
        self._schema = pa.schema([field])
        return self._schema

    def _next(self) -> pa.RecordBatch | None:
        import pyarrow as pa

        if self._stopped:
            raise WarehouseFailed("The query was stopped.")
        rows: list[tuple[str | None, ...]] = []
        size = 0
        for row in self._rows:
            rows.append(row)
            size += sum(len(value) for value in row if value is not None)
            if len(rows) == _BATCH_ROWS or size > _BATCH_BYTES:
                break
        if not rows:
            return None
        arrays = [
            column.build(
                [None if row[index] is None else column.read(row[index] or "") for row in rows]
            )
            for index, column in enumerate(self._columns)
        ]
        if not arrays:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _guarded(self, work: Callable[[], T]) -> T:
        import psycopg

        try:
            return work()
        except psycopg.Error as error:
            plan = self._statement
            if not isinstance(plan, Plan):
                # Without its cause: the server's words may quote rows.
                raise WarehouseFailed(
                    f"The warehouse cannot be inspected: {type(error).__name__}."
                ) from None
            raise explain_failure(error, plan, self._limits.timeout_s) from None
        except UnicodeDecodeError:
            raise WarehouseFailed(NOT_UTF8, remedy=NOT_UTF8_REMEDY) from None
        except (ValueError, OverflowError):
            raise WarehouseFailed(
                "A value in the warehouse is beyond what can be read.",
                remedy="Cast it to text.",
            ) from None


def _describe(connection: psycopg.Connection[Any], sql: str, values: Any) -> list[ColumnReader]:
    """The columns of a query, without running it: no row of the cursor is fetched."""
    # A binary result forces the extended protocol, which admits one statement only.
    with connection.cursor(binary=True) as cursor:
        cursor.execute(f"DECLARE saaf_types NO SCROLL CURSOR FOR {sql}", values)
        cursor.execute("FETCH FORWARD 0 FROM saaf_types")
        result = cursor.pgresult
        columns = (
            [
                column_reader(
                    (result.fname(index) or b"").decode(),
                    result.ftype(index),
                    result.fmod(index),
                    connection.adapters.types,
                )
                for index in range(result.nfields)
            ]
            if result is not None
            else []
        )
        cursor.execute("CLOSE saaf_types")
    return columns


def _weighed(sql: str, columns: list[ColumnReader], max_bytes: int) -> str:
    """``sql``, made to fail with ``TOO_LARGE`` on a row that is heavier than ``max_bytes``."""
    names = [f"c{index}" for index in range(len(columns))]
    weights = [
        f"coalesce(octet_length(q.{name}::text)::bigint, 0)"
        for name, column in zip(names, columns, strict=True)
        if column.heavy
    ]
    if not weights:
        return sql
    total = " + ".join(weights)
    return (
        f"SELECT * FROM ({sql}) AS q({', '.join(names)}) WHERE "  # noqa: S608 - the guard's SQL
        f"CASE WHEN {total} <= {max_bytes} THEN true "
        f"ELSE ('{TOO_LARGE} ' || ({total})::text)::boolean END"
    )
