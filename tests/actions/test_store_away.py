"""The store is away while a run's agents call: the calls wait, and nothing is told or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from saaf_autogen.actions.effects import EffectKey, EffectStore
from saaf_autogen.actions.tables import EffectRow
from saaf_autogen.db import Database
from saaf_autogen.errors import AuditUnavailable
from saaf_autogen.project import Project
from tests.actions.test_held_calls import WHO, begun, held, rows, taken
from tests.actions.test_held_calls import clock as clock
from tests.actions.test_held_calls import project as project

WAITS_S = 0.5


@contextmanager
def refusing(database: Database) -> Iterator[None]:
    """SQLite itself refuses every write meanwhile, as it does when its disk is full."""

    def refuse(connection: Any, *_: Any) -> None:
        connection.execute("PRAGMA query_only=ON")

    def allow(connection: Any, *_: Any) -> None:
        connection.execute("PRAGMA query_only=OFF")

    event.listen(database.engine, "checkout", refuse)
    try:
        yield
    finally:
        event.remove(database.engine, "checkout", refuse)
        event.listen(database.engine, "checkout", allow)


async def test_a_runs_call_waits_for_the_store_and_is_made_once(project: Project) -> None:
    (await held(project).call("till.proceed", {}))
    with refusing(project.database):
        call = held(project).call("till.pay", {"amount": 5}, idempotency_key="k")
        task = asyncio.create_task(call)
        await asyncio.sleep(WAITS_S)
        assert not task.done()
        assert await taken(project) == []
    async with asyncio.timeout(10):
        await task
    assert await taken(project) == [5]
    assert [row.state for row in await rows(project, EffectRow)] == ["done"]


async def test_what_a_runs_call_did_is_recorded_once_the_store_is_there(project: Project) -> None:
    task = await begun(project, "till.pay")
    with refusing(project.database):
        (await held(project).call("till.proceed", {}))
        await asyncio.sleep(WAITS_S)
        assert not task.done()
    async with asyncio.timeout(10):
        outcome = await task
    assert outcome.value == str(outcome.value)
    assert await taken(project) == [5]
    assert [row.state for row in await rows(project, EffectRow)] == ["done"]


async def test_a_waiting_call_can_be_cancelled(project: Project) -> None:
    with refusing(project.database):
        call = held(project).call("till.pay", {"amount": 5}, idempotency_key="k")
        task = asyncio.create_task(call)
        await asyncio.sleep(WAITS_S)
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        assert task.cancelled()
    assert await taken(project) == []


async def test_whoever_calls_for_himself_is_told_at_once(project: Project) -> None:
    with refusing(project.database), pytest.raises((OperationalError, AuditUnavailable)):
        await held(project, None).call("till.pay", {"amount": 5}, idempotency_key="k")
    assert await taken(project) == []


@pytest.fixture
async def effects(postgres: Database, project: Project) -> EffectStore:
    return EffectStore(postgres, project.clock, lease_s=60)


async def test_a_mark_whose_commit_was_lost_is_taken_back(
    effects: EffectStore, postgres: Database
) -> None:
    """The server ends the connection right after the commit: nobody knows whether it was made."""
    key = EffectKey.of(WHO, "k", action="till.pay", arguments={"amount": 5}, effect="write")

    lost: list[Any] = []

    def die(connection: Any) -> None:
        if not lost:
            lost.append(connection.connection.driver_connection)
            lost[0].commit()
            lost[0].close()

    event.listen(postgres.engine, "commit", die)
    with pytest.raises(OperationalError):
        await effects.reserve(key, "call_1", holder="run_1#1")
    assert await effects.look_up(key, "run_1#1") is None
    await effects.reserve(key, "call_2", holder="run_1#1")
