"""One query over SQLAlchemy."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from saaf_autogen.errors import WarehouseFailed
from saaf_autogen.sql.guard import Dialect, Plan
from saaf_autogen.sql.sqlalchemy.errors import explain_failure
from saaf_autogen.sql.sqlalchemy.second_line import SecondLine
from saaf_autogen.sql.sqlalchemy.types import ValueReader, value_reader
from saaf_autogen.sql.warehouse import QueryLimits

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy

__all__ = ["SQLAlchemyReading", "bindable"]

T = TypeVar("T")
_BATCH_ROWS = 500


class SQLAlchemyReading:
    """See ``Reading``.

    Args:
        engine: SQLAlchemy's.
        statement: a plan of the guard, or the host's own SQL.
        dialect: in which a plan was written.
        limits: time, and what a value may weigh where the driver can bound it.
        parameters: of the host's own SQL.
    """

    interrupt_every_s: ClassVar[float] = 0.05

    def __init__(
        self,
        engine: sqlalchemy.Engine,
        statement: Plan | str,
        *,
        dialect: Dialect,
        limits: QueryLimits,
        parameters: tuple[Any, ...] = (),
    ) -> None:
        self._engine = engine
        self._statement = statement
        self._dialect = dialect
        self._limits = limits
        self._parameters = parameters
        self._lock = threading.Lock()
        self._connection: sqlalchemy.Connection | None = None
        self._line: SecondLine | None = None
        self._result: sqlalchemy.CursorResult[Any] | None = None
        self._readers: list[ValueReader] = []
        self._first: Sequence[Sequence[Any]] | None = None
        self._schema: Any = None
        self._stopped = False

    def open(self) -> pa.Schema:
        """Start the query and learn the kinds of its first rows' values."""
        return self._guarded(self._open)

    def next(self) -> pa.RecordBatch | None:
        """At most five hundred rows."""
        return self._guarded(self._next)

    def interrupt(self) -> None:
        """Stop the query at the driver, where it can."""
        with self._lock:
            self._stopped = True
            if self._line is not None:
                self._line.interrupt()

    def abandon(self) -> None:
        """Nothing more: what a driver cannot stop ends at the server's own limits."""

    def close(self) -> None:
        """Give the connection back; one that was interrupted is thrown away."""
        import sqlalchemy.exc

        with self._lock:
            connection, self._connection = self._connection, None
            line, self._line = self._line, None
        if connection is None:
            return
        try:
            if self._result is not None:
                self._result.close()
            if line is not None:
                line.release()
            if self._stopped:
                connection.invalidate()
            connection.close()
        except sqlalchemy.exc.SQLAlchemyError:
            # The connection is lost, which is all that was wanted.
            return

    def _open(self) -> pa.Schema:
        import pyarrow as pa
        import sqlalchemy

        plan = self._statement if isinstance(self._statement, Plan) else None
        connection = self._engine.connect()
        driver = connection.connection.driver_connection
        line = SecondLine(driver, self._engine.dialect.name)
        with self._lock:
            self._connection, self._line = connection, line
            if self._stopped:
                raise WarehouseFailed("The query was stopped before it started.")
        limits = self._limits
        for sql in line.statements(limits.timeout_s):
            connection.exec_driver_sql(sql)
        line.engage(plan, timeout_s=limits.timeout_s, max_bytes=limits.max_bytes)
        values: Mapping[str, Any]
        if plan is not None:
            text, values = bindable(plan, self._dialect), dict(plan.parameters)
        else:
            text, values = _numbered(str(self._statement), self._parameters)
        streaming = connection.execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS)
        self._result = streaming.execute(sqlalchemy.text(text), values)
        names = list(self._result.keys())
        self._first = self._result.fetchmany(_BATCH_ROWS)
        columns = list(zip(*self._first, strict=True)) or [()] * len(names)
        self._readers = [
            value_reader(name, column) for name, column in zip(names, columns, strict=True)
        ]
        self._schema = pa.schema([reader.field for reader in self._readers])
        return self._schema

    def _next(self) -> pa.RecordBatch | None:
        import pyarrow as pa

        if self._stopped or self._result is None:
            raise WarehouseFailed("The query was stopped.")
        rows, self._first = self._first, None
        if rows is None:
            rows = self._result.fetchmany(_BATCH_ROWS)
        if not rows:
            return None
        arrays = [
            reader.build(column)
            for reader, column in zip(self._readers, zip(*rows, strict=True), strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _guarded(self, work: Callable[[], T]) -> T:
        import sqlalchemy.exc

        try:
            return work()
        except UnicodeDecodeError:
            raise WarehouseFailed(
                "A text in the warehouse is not valid UTF-8.",
                remedy="Leave its column out; an admin mends the data.",
            ) from None
        except ValueError:
            raise WarehouseFailed(
                "A column of the result holds values of several kinds.",
                remedy="Cast it to text.",
            ) from None
        except sqlalchemy.exc.SQLAlchemyError as error:
            if self._connection is None:
                raise WarehouseFailed(
                    "The warehouse cannot be reached.",
                    remedy="Try again in a while; an admin checks its URL and whether it runs.",
                ) from None
            if not isinstance(self._statement, Plan):
                raise WarehouseFailed(
                    f"The warehouse cannot be inspected: {type(error).__name__}."
                ) from None
            # Without its cause: drivers' texts may quote rows.
            raise explain_failure(error, self._limits.timeout_s) from None


def bindable(plan: Plan, dialect: Dialect) -> str:
    """The plan's SQL as ``sqlalchemy.text`` wants it: ``:name`` binds, other colons are escaped."""
    sql = plan.sql
    markers = {dialect.placeholder.format(name): name for name in plan.parameters}
    if not markers:
        plain = sql.replace("%%", "%") if dialect.percent else sql
        return plain.replace(":", "\\:")
    pattern = "|".join(re.escape(marker) for marker in sorted(markers, key=len, reverse=True))
    parts = re.split(f"({pattern})", sql)
    return "".join(
        f":{markers[part]}"
        if part in markers
        else (part.replace("%%", "%") if dialect.percent else part).replace(":", "\\:")
        for part in parts
    )


def _numbered(sql: str, values: Sequence[Any]) -> tuple[str, Mapping[str, Any]]:
    parts = sql.replace(":", "\\:").split("?")
    text = parts[0] + "".join(f":p{index}{part}" for index, part in enumerate(parts[1:]))
    return text, {f"p{index}": value for index, value in enumerate(values)}
