"""DuckDB as a warehouse: embedded, read-only, its configuration locked."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from saaf_autogen.errors import ConfigurationError, TimedOut, WarehouseFailed
from saaf_autogen.sql.duckdb_check import cross_check
from saaf_autogen.sql.duckdb_errors import explain_failure
from saaf_autogen.sql.duckdb_size import weighed
from saaf_autogen.sql.guard import DUCKDB, Dialect, PhysicalTable, Plan
from saaf_autogen.sql.values import jsonable
from saaf_autogen.sql.warehouse import Column, QueryLimits, Rows, TableSchema

if TYPE_CHECKING:
    import duckdb

__all__ = ["DuckDBWarehouse"]

_FETCH_ROWS = 128
_INTERRUPT_EVERY_S = 0.02
# The name of an ENUM type lists its labels, those of hidden rows among them.
_ENUM = re.compile(r"ENUM\((?:'(?:[^']|'')*'(?:,\s*)?)*\)")
_CONFIGURATION: Mapping[str, str] = {
    "access_mode": "read_only",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    # Nothing of a query is spilled to disk: past the memory limit it fails.
    "temp_directory": "",
}


@dataclass(eq=False)
class _Job:
    """One query on its thread; ``stop`` may come before, during or after it."""

    plan: Plan
    limits: QueryLimits
    stopped: threading.Event = field(default_factory=threading.Event)
    _cursor: duckdb.DuckDBPyConnection | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> None:
        """Interrupt the query; safe whatever its thread is doing."""
        self.stopped.set()
        with self._lock:
            if self._cursor is not None:
                self._cursor.interrupt()

    @contextmanager
    def on(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that can be interrupted until it is closed."""
        self._cursor = cursor
        try:
            yield cursor
        finally:
            with self._lock:
                self._cursor = None
            cursor.close()


class DuckDBWarehouse:
    """A DuckDB file. Use ``open``.

    Queries run on threads, each on a cursor of its own. One process opens one file under one
    configuration: DuckDB refuses a second one.
    """

    def __init__(
        self, name: str, connection: duckdb.DuckDBPyConnection, catalog: str, concurrency: int
    ) -> None:
        self._name = name
        self._connection = connection
        self._catalog = catalog
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix=f"warehouse-{name}")
        self._jobs: dict[_Job, Future[Rows]] = {}
        self._closed = False

    @classmethod
    def open(
        cls, name: str, path: Path, *, memory_limit: str = "1GB", concurrency: int = 4
    ) -> DuckDBWarehouse:
        """Open a file read-only and lock the engine down.

        Args:
            name: the name under which the deployment knows it.
            path: the DuckDB file.
            memory_limit: of the engine as a whole, such as ``1GB``.
            concurrency: queries that run at the same time; further ones wait.

        Raises:
            ConfigurationError: the file is missing or cannot be opened so.
        """
        import duckdb

        if not path.is_file():
            raise ConfigurationError(
                f"The warehouse {name} has no file at {path}.",
                remedy="Build the sample, or mend `path` of the warehouse.",
            )
        settings = {**_CONFIGURATION, "memory_limit": memory_limit}
        try:
            connection = duckdb.connect(str(path), config=dict(settings))
            row = connection.execute(
                "SELECT current_database(), current_setting('lock_configuration')"
            ).fetchone()
            catalog, locked = row or ("", False)
            if not locked:
                connection.execute("SET GLOBAL TimeZone = 'UTC'")
                connection.execute("SET GLOBAL lock_configuration = true")
        except duckdb.Error as error:
            raise ConfigurationError(
                f"The warehouse {name} cannot be opened read-only: {type(error).__name__}.",
                remedy="Close other programs that write to the file, and check `memory_limit`; "
                "one process opens a file under one configuration.",
            ) from error
        return cls(name, connection, catalog, concurrency)

    @property
    def name(self) -> str:
        """The name under which the deployment knows it."""
        return self._name

    @property
    def dialect(self) -> Dialect:
        """DuckDB's."""
        return DUCKDB

    @property
    def catalog(self) -> str:
        """DuckDB's name of the file: its stem."""
        return self._catalog

    async def execute(self, plan: Plan, *, limits: QueryLimits) -> Rows:
        """Run a plan on a thread; see ``Warehouse.execute``."""
        if self._closed:
            raise WarehouseFailed("The warehouse is closed.", remedy="Start the host again.")
        job = _Job(plan, limits)
        running = self._pool.submit(self._run, job)
        self._jobs[job] = running
        running.add_done_callback(lambda _: self._jobs.pop(job, None))
        waiting = asyncio.wrap_future(running)
        try:
            done, _ = await asyncio.wait({waiting}, timeout=limits.timeout_s)
        except asyncio.CancelledError:
            self._drain(job, running, waiting)
            raise
        if not done:
            self._drain(job, running, waiting)
            raise TimedOut(
                f"The query took longer than {limits.timeout_s:g} s and was interrupted.",
                remedy="Filter earlier, aggregate, or select fewer columns.",
            )
        if waiting.cancelled():
            raise WarehouseFailed("The warehouse was closed.", remedy="Start the host again.")
        return waiting.result()

    async def schemas(self) -> tuple[TableSchema, ...]:
        """Every table and view, in the order of their names."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._schemas)

    async def close(self) -> None:
        """Interrupt running queries and close the file."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(
            *(asyncio.to_thread(_interrupt, *pair) for pair in list(self._jobs.items()))
        )
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._connection.close()

    def _drain(self, job: _Job, running: Future[Rows], waiting: asyncio.Future[Rows]) -> None:
        # On a thread of its own: the caller's event loop may end before the query does.
        waiting.cancel()
        threading.Thread(target=_interrupt, args=(job, running), daemon=True).start()

    def _run(self, job: _Job) -> Rows:
        import duckdb

        try:
            with job.on(self._connection.cursor()) as cursor:
                if job.stopped.is_set():
                    raise WarehouseFailed("The query was stopped before it started.")
                cross_check(cursor, job.plan)
                return _fetch(cursor, job)
        except (duckdb.Error, RuntimeError, ValueError, OverflowError) as error:
            # Without its cause: DuckDB's text, and so a log of it, may quote rows.
            raise explain_failure(error, job.plan) from None

    def _schemas(self) -> tuple[TableSchema, ...]:
        cursor = self._connection.cursor()
        try:
            rows = cursor.execute(
                "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
                "WHERE database_name = $catalog AND NOT internal "
                "ORDER BY schema_name, table_name, column_index",
                {"catalog": self._catalog},
            ).fetchall()
        finally:
            cursor.close()
        tables: dict[PhysicalTable, list[Column]] = {}
        for schema, table, column, data_type in rows:
            key = PhysicalTable(self._catalog, schema, table)
            tables.setdefault(key, []).append(Column(column, data_type))
        return tuple(TableSchema(table, tuple(columns)) for table, columns in tables.items())


def _interrupt(job: _Job, running: Future[Rows]) -> None:
    """Interrupt until the thread is free: DuckDB forgets an interrupt before its query."""
    while not running.cancel() and not running.done():
        job.stop()
        wait({running}, timeout=_INTERRUPT_EVERY_S)


def _fetch(cursor: duckdb.DuckDBPyConnection, job: _Job) -> Rows:
    """Run the plan: first its columns are described, then its rows are weighed and fetched."""
    parameters = dict(job.plan.parameters)
    empty = f"SELECT * FROM ({job.plan.sql}) AS q LIMIT 0"  # noqa: S608 - the guard's own SQL
    described = cursor.execute(empty, parameters).description or ()
    columns = [(str(name), kind) for name, kind, *_ in described]
    cursor.execute(weighed(job.plan.sql, columns, job.limits.max_bytes), parameters)
    return _collect(cursor, job)


def _collect(cursor: duckdb.DuckDBPyConnection, job: _Job) -> Rows:
    """Rows up to the limits. DuckDB streams: what is not fetched is not computed."""
    limits = job.limits
    columns = tuple(
        Column(str(item[0]), _ENUM.sub("ENUM", str(item[1]))) for item in cursor.description or ()
    )
    rows: list[list[object]] = []
    size = 0
    most = min(job.plan.max_rows, limits.max_rows)
    while not job.stopped.is_set():
        chunk = cursor.fetchmany(_FETCH_ROWS)
        if not chunk:
            return Rows(columns, rows, None)
        for raw in chunk:
            if len(rows) == most:
                return Rows(columns, rows, f"Cut after {most} rows: there are more.")
            row = [jsonable(value) for value in raw]
            size += len(json.dumps(row, ensure_ascii=False).encode(errors="replace")) + 2
            if size > limits.max_bytes:
                return Rows(
                    columns,
                    rows,
                    f"Cut after {len(rows)} rows, at {limits.max_bytes} bytes: there are more.",
                )
            rows.append(row)
    raise WarehouseFailed("The query was stopped.")
