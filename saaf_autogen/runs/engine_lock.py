"""A lock that one engine holds per store, and that its process's death opens."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from saaf_autogen.errors import ConfigurationError

__all__ = ["EngineLock"]

_ADVISORY_KEY = 0x5AAF_0001
_TRIES = 4
_PAUSE_S = 0.25
_CONNECT_S = 5


class EngineLock:
    """Held from launch to close: a second engine would continue the runs of the first.

    On SQLite it is an exclusive lock on a file beside the store, on PostgreSQL an advisory lock.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._file: sqlite3.Connection | None = None
        self._session: Connection | None = None
        # A look by ``keep`` in its thread may still be under way when the engine closes.
        self._mutex = threading.Lock()
        self._wanted = False

    async def acquire(self) -> None:
        """Take it; raises ``ConfigurationError`` when another process keeps it."""
        for _ in range(_TRIES):
            if await asyncio.to_thread(self._try):
                self._wanted = True
                return
            # A predecessor that was just killed may not be gone yet.
            await asyncio.sleep(_PAUSE_S)
        raise ConfigurationError(
            "Another process executes the runs of this store.",
            remedy="Stop it, start runs over its REST API, or use a state folder of your own.",
        )

    def keep(self) -> bool:
        """Take it again if it went with its connection; False when another process has it now."""
        with self._mutex:
            if not self._wanted or self._url.get_backend_name() == "sqlite":
                return True
            if self._session:
                try:
                    self._session.execute(text("SELECT 1"))
                    return True
                except DBAPIError:
                    self._close()
            return self._try_advisory()

    def release(self) -> None:
        """Give it back."""
        with self._mutex:
            self._wanted = False
            self._close()

    def _close(self) -> None:
        if self._file:
            self._file.close()
        if self._session:
            self._session.close()
            self._session.engine.dispose()
        self._file = self._session = None

    def _try(self) -> bool:
        if self._url.get_backend_name() == "sqlite":
            return self._try_file(Path(f"{self._url.database}.lock"))
        return self._try_advisory()

    def _try_file(self, path: Path) -> bool:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            connection.close()
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return False
        self._file = connection
        return True

    def _try_advisory(self) -> bool:
        url = self._url.set(drivername="postgresql+psycopg")
        connection = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": _CONNECT_S},
        ).connect()
        if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_KEY}):
            self._session = connection
            return True
        connection.close()
        return False
