"""A process that stops within a transaction keeps its locks: others go on without waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from saaf_autogen.db import Database
from saaf_autogen.runs import RunRow, workers
from saaf_autogen.runs.tables import WorkerRow
from tests.runs.rows import add_run, add_worker


def two_orphans(session: Session) -> list[str]:
    add_worker(session, "wrk_dead")
    return [add_run(session, status="running", worker="wrk_dead") for _ in range(2)]


async def while_locked(
    postgres: Database, lock: Callable[[Session], object], work: Callable[[Session], object]
) -> object:
    """What ``work`` comes to while the locks of a paused process are held."""
    with postgres.transaction() as paused:
        lock(paused)
        async with asyncio.timeout(5):
            return await postgres.run(work)


async def test_runs_of_a_dead_worker_are_freed_around_one_that_is_locked(
    postgres: Database,
) -> None:
    locked, free = await postgres.run(two_orphans)

    def lock(session: Session) -> object:
        return session.get(RunRow, locked, with_for_update=True)

    assert await while_locked(postgres, lock, workers.free_orphans) == [(free, 1)]
    assert await postgres.run(workers.free_orphans) == [(locked, 1)]


async def test_silent_workers_are_given_up_around_one_that_is_locked(postgres: Database) -> None:
    def add(session: Session) -> None:
        for name in ("wrk_locked", "wrk_free"):
            add_worker(session, name, state="live")

    def lock(session: Session) -> object:
        return session.get(WorkerRow, "wrk_locked", with_for_update=True)

    await postgres.run(add)
    assert await while_locked(postgres, lock, workers.mark_gone) == ["wrk_free"]
    assert await postgres.run(workers.mark_gone) == ["wrk_locked"]


async def test_the_server_ends_a_transaction_in_which_nobody_does_anything(
    postgres: Database,
) -> None:
    """Sooner than the lease of a worker runs out, so that its runs are free by then."""

    def limit(session: Session) -> int:
        milliseconds = select(text("setting::int")).select_from(text("pg_settings"))
        named = milliseconds.where(text("name = 'idle_in_transaction_session_timeout'"))
        return int(session.execute(named).scalar_one())

    assert 0 < await postgres.run(limit) <= 9_000
