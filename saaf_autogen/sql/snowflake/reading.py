"""One query on Snowflake: bound by the server, cancelled at the server."""

from __future__ import annotations

import math
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from saaf_autogen.errors import WarehouseFailed
from saaf_autogen.sql.guard import Plan
from saaf_autogen.sql.snowflake.connection import Sessions
from saaf_autogen.sql.snowflake.errors import GONE, explain_failure
from saaf_autogen.sql.snowflake.types import field_of
from saaf_autogen.sql.warehouse import QueryLimits, Session

if TYPE_CHECKING:
    import pyarrow as pa
    from snowflake.connector import SnowflakeConnection

__all__ = ["SnowflakeReading"]

T = TypeVar("T")
_BATCH_ROWS = 2_048
_TAG_CHARACTERS = 2_000
# The host interrupts first; the server's own limit is for when the host cannot.
_MARGIN_S = 1


class SnowflakeReading:
    """See ``Reading``.

    Args:
        sessions: where to take a session from.
        statement: a plan of the guard, or the host's own SQL.
        limits: of time.
        parameters: of the host's own SQL.
        session: who asks, for the query's tag.
        explain: read Snowflake's plan instead of rows.
    """

    interrupt_every_s: ClassVar[float] = 0.5

    def __init__(
        self,
        sessions: Sessions,
        statement: Plan | str,
        *,
        limits: QueryLimits,
        parameters: tuple[Any, ...] = (),
        session: Session | None = None,
        explain: bool = False,
    ) -> None:
        self._sessions = sessions
        self._statement = statement
        self._limits = limits
        self._parameters = parameters
        self._who = session
        self._explain = explain
        self._lock = threading.Lock()
        self._session: SnowflakeConnection | None = None
        self._request: uuid.UUID | None = None
        self._sql = ""
        self._stopped = False
        self._abandoned = False
        self._tables: Iterator[Any] = iter(())
        self._waiting: deque[Any] = deque()
        self._schema: Any = None

    def open(self) -> pa.Schema:
        """Run the query; Snowflake answers when its first rows are there."""
        return self._guarded(self._open)

    def next(self) -> pa.RecordBatch | None:
        """At most some two thousand rows of a result chunk."""
        return self._guarded(self._next)

    def interrupt(self) -> None:
        """Abort the request at the server, as the connector's own timer does."""
        import snowflake.connector

        with self._lock:
            self._stopped = True
            session, request = self._session, self._request
        if session is None or request is None or self._abandoned:
            return
        try:
            session._cancel_query(self._sql, request)
        except (snowflake.connector.Error, OSError):
            # No server to tell; its own STATEMENT_TIMEOUT_IN_SECONDS ends the query.
            return

    def abandon(self) -> None:
        """Ask no more: the connector ends a request without an answer at its own timeouts."""
        self._abandoned = True

    def close(self) -> None:
        """Give the session back; one with a cancelled query is logged out."""
        self._tables = iter(())
        self._waiting.clear()
        with self._lock:
            session, self._session = self._session, None
        if session is None:
            return
        if self._stopped:
            self._sessions.drop(session)
        else:
            self._sessions.give(session)

    def _open(self) -> pa.Schema:
        import pyarrow as pa
        import snowflake.connector

        sql, values = self._text()
        session, is_new = self._sessions.take()
        try:
            cursor = self._execute(session, sql, values)
        except snowflake.connector.Error as error:
            if is_new or self._stopped or error.errno not in GONE:
                raise
            self._sessions.drop(session)
            session, _ = self._sessions.take()
            cursor = self._execute(session, sql, values)
        self._schema = pa.schema([field_of(column) for column in cursor.description])
        self._tables = self._read(cursor)
        return self._schema

    def _text(self) -> tuple[str, list[Any]]:
        """SQL with ``?`` for each value, and the values in their order."""
        if not isinstance(self._statement, Plan):
            return self._statement, list(self._parameters)
        plan = self._statement
        values: list[Any] = []

        def place(match: re.Match[str]) -> str:
            values.append(plan.parameters[match.group(1)])
            return "?"

        sql = plan.sql
        if plan.parameters:
            # Their names occur nowhere else in the SQL.
            names = "|".join(sorted(map(re.escape, plan.parameters), key=len, reverse=True))
            sql = re.sub(rf":({names})\b", place, sql)
        return (f"EXPLAIN USING JSON {sql}" if self._explain else sql), values

    def _execute(self, session: SnowflakeConnection, sql: str, values: list[Any]) -> Any:
        who = self._who
        tag = f"saaf {who.tenant} {who.issuer} {who.subject}" if who else "saaf"
        with self._lock:
            self._session, self._sql, self._request = session, sql, uuid.uuid4()
            if self._stopped:
                raise WarehouseFailed("The query was stopped before it started.")
        seconds = math.ceil(self._limits.timeout_s) + _MARGIN_S
        cursor = session.cursor()
        cursor.execute(
            sql,
            values or None,
            timeout=seconds,
            num_statements=1,
            _statement_params={
                "requestId": str(self._request),
                "QUERY_TAG": tag[:_TAG_CHARACTERS],
                "STATEMENT_TIMEOUT_IN_SECONDS": str(seconds),
            },
        )
        return cursor

    def _read(self, cursor: Any) -> Iterator[Any]:
        """The result's chunks. SHOW and the like answer in JSON: their rows are made Arrow here."""
        import pyarrow as pa
        import snowflake.connector

        try:
            yield from cursor.fetch_arrow_batches()
        except snowflake.connector.NotSupportedError:
            rows = cursor.fetchall()
            columns = zip(*rows, strict=True) if rows else [() for _ in self._schema]
            yield pa.Table.from_arrays(
                [
                    pa.array(column, field.type)
                    for column, field in zip(columns, self._schema, strict=True)
                ],
                schema=self._schema,
            )

    def _next(self) -> pa.RecordBatch | None:
        import pyarrow as pa

        if self._stopped:
            raise WarehouseFailed("The query was stopped.")
        while not self._waiting:
            table = next(self._tables, None)
            if table is None:
                return None
            columns = [
                column.cast(field.type)
                for column, field in zip(table.columns, self._schema, strict=True)
            ]
            shaped = pa.Table.from_arrays(columns, schema=self._schema)
            self._waiting.extend(shaped.to_batches(max_chunksize=_BATCH_ROWS))
        return self._waiting.popleft()

    def _guarded(self, work: Callable[[], T]) -> T:
        import pyarrow as pa
        import snowflake.connector

        try:
            return work()
        except snowflake.connector.Error as error:
            plan = self._statement
            if not isinstance(plan, Plan):
                # Without its cause: Snowflake's words may quote rows.
                raise WarehouseFailed(
                    f"The warehouse cannot be inspected: {type(error).__name__}."
                ) from None
            raise explain_failure(error, plan, self._limits.timeout_s) from None
        except (pa.ArrowException, ValueError, OverflowError):
            raise WarehouseFailed(
                "A value in the warehouse is beyond what can be read.",
                remedy="Cast it to text.",
            ) from None
