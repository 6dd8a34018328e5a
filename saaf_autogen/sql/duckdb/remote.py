"""One query on DuckDB in a process of its own."""

from __future__ import annotations

import itertools
import json
import pickle
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

from saaf_autogen.errors import SaafError, WarehouseFailed, error_from_problem
from saaf_autogen.sql.duckdb.frames import BATCH, END, REQUEST, SCHEMA, receive, send
from saaf_autogen.sql.duckdb.process import Channel, DuckDBProcess
from saaf_autogen.sql.guard import Plan

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RemoteReading"]

# What is on its way when a query is left is read away for so long; then the process is killed.
_DISCARD_S = 1.0


class RemoteReading:
    """See ``Reading``.

    A process that dies under a query is started again and asked once more, as long as nothing of
    the answer was handed on.

    Args:
        process: of the warehouse.
        statement: a plan of the guard, or the host's own SQL.
        options: further arguments of ``DuckDBReading``.
    """

    interrupt_every_s: ClassVar[float] = 0.02
    _numbers: ClassVar[itertools.count[int]] = itertools.count(1)

    def __init__(self, process: DuckDBProcess, statement: Plan | str, **options: Any) -> None:
        self._process = process
        self._request = (statement, options)
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._number = 0
        self._answered = True
        self._handed_on = False
        self._tries = 0
        self._stopped = False
        self._schema: Any = None

    def open(self) -> pa.Schema:
        """Ask; the first answer is the schema."""
        import pyarrow as pa

        while True:
            self._ask()
            try:
                kind, payload = self._receive()
            except (EOFError, OSError):
                self._lost()
                continue
            if kind != SCHEMA:
                raise self._failure(payload)
            self._schema = pa.ipc.read_schema(pa.py_buffer(payload))
            return self._schema

    def next(self) -> pa.RecordBatch | None:
        """The next batch as it comes."""
        import pyarrow as pa

        while True:
            try:
                kind, payload = self._receive()
            except (EOFError, OSError):
                self._lost()
                self.open()
                continue
            if kind == BATCH:
                self._handed_on = True
                return pa.ipc.read_record_batch(pa.py_buffer(payload), self._schema)
            self._answered = True
            if kind == END:
                return None
            raise self._failure(payload)

    def interrupt(self) -> None:
        """Interrupt the query, if it is there."""
        with self._lock:
            self._stopped = True
            channel = self._channel
        if channel is not None:
            channel.interrupt(self._number)

    def abandon(self) -> None:
        """Kill the process: it does not answer. What else is on it is asked once more."""
        with self._lock:
            channel = self._channel
        if channel is not None:
            channel.kill()

    def close(self) -> None:
        """Give the channel back; where the query still runs, stop it first."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is None:
            return
        if self._answered or self._discarded(channel):
            self._process.give(channel)
        else:
            channel.kill()

    def _ask(self) -> None:
        self._tries += 1
        channel = self._process.take()
        with self._lock:
            self._channel, self._number = channel, next(self._numbers)
            if self._stopped:
                raise WarehouseFailed("The query was stopped before it started.")
            self._answered = False
        statement, options = self._request
        try:
            send(channel.line, REQUEST, pickle.dumps((self._number, statement, options)))
        except OSError:
            # The end of the line is met when the answer is read.
            return

    def _receive(self) -> tuple[bytes, bytearray]:
        channel = self._channel
        if channel is None:
            raise WarehouseFailed("The query was stopped.")
        return receive(channel.line)

    def _lost(self) -> None:
        """The process is gone: raise, or return where the query may be asked again."""
        with self._lock:
            channel, self._channel = self._channel, None
            # Nothing is asked on the next one yet.
            self._answered = True
        if channel is not None:
            channel.kill()
        if self._stopped or self._handed_on or self._tries > 1:
            raise WarehouseFailed(
                "The warehouse's process ended while the query ran.",
                remedy="Try again; select fewer columns or rows if it needed too much memory.",
            )

    def _failure(self, payload: bytearray) -> SaafError:
        self._answered = True
        return error_from_problem(json.loads(payload))

    def _discarded(self, channel: Channel) -> bool:
        """Whether the rest of an answer could be read away in time."""
        deadline = time.monotonic() + _DISCARD_S
        try:
            while (left := deadline - time.monotonic()) > 0:
                channel.interrupt(self._number)
                channel.line.settimeout(left)
                kind, _ = receive(channel.line)
                if kind not in (SCHEMA, BATCH):
                    channel.line.settimeout(None)
                    return True
        except (EOFError, OSError):
            return False
        return False
