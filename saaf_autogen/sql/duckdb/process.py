"""The host's side of DuckDB in a process of its own: started, asked, killed, started again."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import weakref
from typing import Any

from saaf_autogen.errors import ConfigurationError, WarehouseFailed
from saaf_autogen.sql.duckdb.connection import DuckDBSource
from saaf_autogen.sql.duckdb.frames import INTERRUPT, READY, REQUEST, receive, send

__all__ = ["Channel", "DuckDBProcess"]

_log = logging.getLogger(__name__)
_START_S = 60.0
_END_S = 5.0
# What a Python needs to start; nothing else of the host's environment, which holds secrets.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


class Channel:
    """One query's line to the process; in use by one reading at a time.

    Attributes:
        line: requests go out and answers come in.
    """

    def __init__(self, child: _Child, index: int, line: socket.socket) -> None:
        self.child = child
        self.line = line
        self._index = index

    def interrupt(self, number: int) -> None:
        """Interrupt the query of that number, if it is still at work."""
        self.child.tell(INTERRUPT, json.dumps([self._index, number]).encode())

    def kill(self) -> None:
        """End the process, and with it every query that is on it."""
        self.child.kill()


class DuckDBProcess:
    """The process of one warehouse.

    Args:
        source: what it opens.
        channels: queries at the same time.

    Attributes:
        catalog: DuckDB's name of what is open.

    Raises:
        ConfigurationError: a file is missing or cannot be opened so.
    """

    def __init__(self, source: DuckDBSource, channels: int) -> None:
        self._source = source
        self._channels = channels
        self._lock = threading.Lock()
        self._closed = False
        self._child = _Child(source, channels)
        self.catalog = self._child.catalog
        self._finalizer = weakref.finalize(self, _Child.kill, self._child)

    def take(self) -> Channel:
        """A free channel; a process that ended is started again first.

        Raises:
            WarehouseFailed: it cannot be started again.
        """
        with self._lock:
            if self._closed:
                raise WarehouseFailed("The warehouse is closed.", remedy="Start the host again.")
            if not self._child.alive:
                self._restart()
            return self._child.free.pop()

    def give(self, channel: Channel) -> None:
        """Take back a channel on which no answer is left."""
        with self._lock:
            channel.child.free.append(channel)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
            self._finalizer()

    def _restart(self) -> None:
        _log.warning("the process of warehouse %s ended; starting it again", self._source.name)
        self._child.kill()
        try:
            self._child = _Child(self._source, self._channels)
        except ConfigurationError as error:
            raise WarehouseFailed(
                f"The warehouse {self._source.name} cannot be opened.", remedy=error.remedy
            ) from None
        self._finalizer.detach()
        self._finalizer = weakref.finalize(self, _Child.kill, self._child)


class _Child:
    """One generation of the process."""

    def __init__(self, source: DuckDBSource, channels: int) -> None:
        pairs = [socket.socketpair() for _ in range(channels + 1)]
        theirs = [pair[1] for pair in pairs]
        self._control, *lines = [pair[0] for pair in pairs]
        self.free = [Channel(self, index, line) for index, line in enumerate(lines)]
        self._lines = lines
        self._telling = threading.Lock()
        self._ending = threading.Lock()
        self._ended = False
        numbers = [line.fileno() for line in theirs]
        # -P: the folder that the host was started in is none to import from.
        command = [sys.executable, "-P", "-m", "saaf_autogen.sql.duckdb.child"]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, *map(str, numbers)],
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Of a crash, DuckDB may quote rows.
            stderr=subprocess.DEVNULL,
            env={
                **{name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                # Each arena of glibc's reserves address space, which is what is bounded.
                "MALLOC_ARENA_MAX": "2",
            },
            # A Ctrl-C is for the host, which lets queries end first.
            start_new_session=True,
        )
        for line in theirs:
            line.close()
        self.catalog = self._greet(source)

    @property
    def alive(self) -> bool:
        """Whether it was not ended, neither by us nor by itself."""
        return not self._ended and self._process.poll() is None

    def tell(self, kind: bytes, payload: bytes) -> None:
        """Send a message of control; a process that is gone needs none."""
        with self._telling:
            try:
                send(self._control, kind, payload)
            except OSError:
                return

    def kill(self) -> None:
        """End it, once; whoever waits for an answer learns it by the end of the line."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
        self._process.kill()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            _log.error("process %d does not end", self._process.pid)
        for line in (self._control, *self._lines):
            # The other side may have closed first.
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _greet(self, source: DuckDBSource) -> str:
        """Tell what to open, and wait until it is."""
        self._control.settimeout(_START_S)
        try:
            send(self._control, REQUEST, pickle.dumps(source))
            kind, payload = receive(self._control)
        except (EOFError, OSError):
            self.kill()
            raise ConfigurationError(
                f"The process of the warehouse {source.name} does not start.",
                remedy="Is there enough memory? `isolation: thread` runs DuckDB in the host.",
            ) from None
        answer: dict[str, Any] = json.loads(payload)
        if kind != READY:
            self.kill()
            raise ConfigurationError(answer["detail"], remedy=answer.get("remedy"))
        self._control.settimeout(None)
        return str(answer["catalog"])
