"""DuckDB in a process of its own: what ``python -m saaf_autogen.sql.duckdb.child`` runs.

The host starts it with sockets: one to control it, and one for each query at a time. It holds no
secret, writes no file, and ends with its host.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import resource
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saaf_autogen.errors import ConfigurationError, SaafError, WarehouseFailed
from saaf_autogen.sql.duckdb.connection import DuckDBSource, connect
from saaf_autogen.sql.duckdb.frames import (
    BATCH,
    END,
    ERROR,
    INTERRUPT,
    READY,
    SCHEMA,
    receive,
    send,
)
from saaf_autogen.sql.duckdb.reading import DuckDBReading

if TYPE_CHECKING:
    import duckdb

__all__ = ["main"]

# Beyond DuckDB's own limit: stacks, allocators' reserves, and Arrow's copy of a batch.
_HEADROOM = 768 * 2**20
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(r"([\d.]+)\s*([KMGT]iB|B|bytes)")


class Serving:
    """The queries at work, by channel."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._current: dict[int, tuple[int, DuckDBReading]] = {}
        self._lock = threading.Lock()

    def serve(self, channel: int, line: socket.socket) -> None:
        """Answer the queries of one channel, one after the other, until the host is gone."""
        while True:
            try:
                _, payload = receive(line)
            except (EOFError, OSError):
                return
            # From the host, which is trusted; the host itself never unpickles what comes back.
            number, statement, options = pickle.loads(payload)  # noqa: S301
            reading = DuckDBReading(self._connection, statement, **options)
            with self._lock:
                self._current[channel] = (number, reading)
            try:
                self._answer(line, reading)
            except OSError:
                return
            finally:
                with self._lock:
                    self._current.pop(channel, None)
                reading.close()

    def interrupt(self, channel: int, number: int) -> None:
        """Interrupt a query, if it is still at work."""
        with self._lock:
            current, reading = self._current.get(channel, (-1, None))
            if reading is not None and current == number:
                reading.interrupt()

    def _answer(self, line: socket.socket, reading: DuckDBReading) -> None:
        try:
            schema = reading.open()
            send(line, SCHEMA, memoryview(schema.serialize()))
            while (batch := reading.next()) is not None:
                send(line, BATCH, memoryview(batch.serialize()))
        except SaafError as error:
            send(line, ERROR, _problem(error))
        except OSError:
            raise
        # A boundary: a query must not end the process, nor its words leave it.
        except Exception:
            send(line, ERROR, _problem(WarehouseFailed("The warehouse failed to run the query.")))
        else:
            send(line, END)


def main(arguments: list[str]) -> None:
    """Serve until the host is gone.

    Args:
        arguments: descriptors of the sockets, that of control first.
    """
    control, *lines = [socket.socket(fileno=int(number)) for number in arguments]
    _, payload = receive(control)
    source: DuckDBSource = pickle.loads(payload)  # noqa: S301 - from the host
    try:
        connection, catalog = connect(source)
    except ConfigurationError as error:
        send(control, ERROR, _problem(error))
        return
    _confine(connection)
    serving = Serving(connection)
    for channel, line in enumerate(lines):
        threading.Thread(target=serving.serve, args=(channel, line), daemon=True).start()
    send(control, READY, json.dumps({"catalog": catalog}).encode())
    while True:
        try:
            kind, payload = receive(control)
        except (EOFError, OSError):
            # Nobody is left to answer: at once, whatever a query is doing.
            os._exit(0)
        if kind == INTERRUPT:
            channel, number = json.loads(payload)
            serving.interrupt(channel, number)


def _confine(connection: duckdb.DuckDBPyConnection) -> None:
    """So much memory and no more; no file is ever written, also where paths are allowed."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    row = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    match = _SIZE.fullmatch(str(row[0])) if row else None
    if match is None or not statm.exists():
        return
    held = int(statm.read_text().split()[0]) * resource.getpagesize()
    limit = int(float(match.group(1)) * _UNITS.get(match.group(2), 1))
    most = held + limit + _HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _problem(error: SaafError) -> bytes:
    extra: dict[str, Any] = error.problem()
    return json.dumps(extra).encode()


if __name__ == "__main__":
    main(sys.argv[1:])
