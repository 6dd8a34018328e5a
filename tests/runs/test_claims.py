"""What a worker takes up: order, limits, and that nobody else takes the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from saaf_autogen.auth.principal import Principal
from saaf_autogen.db import Base, Database
from saaf_autogen.journal import Fenced
from saaf_autogen.runs import RunRow, claims, store, workers
from saaf_autogen.runs.claims import ClaimRules
from saaf_autogen.runs.hold import Hold, require_hold
from saaf_autogen.settings import AtOnceSettings
from tests.runs.house import ANN, LIMITS, Stores, ask, find_agent

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(stores: Stores) -> Iterator[Database]:
    database = Database(stores.database)
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


async def queued(
    database: Database, who: Principal = ANN, at: int = 0, release: str = "", **request: Any
) -> str:
    asked = ask("hello").model_copy(update=request)
    agent = find_agent("flights")
    new = store.NewRun(asked, who.key, who, agent, LIMITS, release=release)
    run, _, _ = await database.run(store.create, new, NOW + timedelta(seconds=at))
    return run.id


async def claim(database: Database, limit: int = 9, **rules: Any) -> list[Hold]:
    now = NOW + timedelta(minutes=1)
    return await database.run(claims.claim, "wrk_1", now, ClaimRules(**rules), limit=limit)


async def test_the_urgent_go_first_then_the_oldest_and_what_was_cut_off_before_all(
    database: Database,
) -> None:
    cut_off = await queued(database, priority=-10)
    await claim(database)
    await database.run(workers.free_orphans)
    old, young = await queued(database, at=1), await queued(database, at=2)
    urgent = await queued(database, at=3, priority=5)
    idle = await queued(database, at=0, priority=-1)
    holds = [await claim(database, 1) for _ in range(6)]
    order = [hold.run_id for taken in holds for hold in taken]
    assert order == [cut_off, urgent, old, young, idle]


async def test_a_run_is_left_alone_until_its_time(database: Database) -> None:
    await queued(database, after_seconds=61)
    assert await claim(database) == []
    due = await queued(database, after_seconds=59)
    assert [hold.run_id for hold in await claim(database)] == [due]


async def test_workers_that_claim_at_once_take_each_run_once(database: Database) -> None:
    ids = [await queued(database) for _ in range(12)]
    taken = await asyncio.gather(*(claim(database, 5) for _ in range(6)))
    assert sorted(hold.run_id for holds in taken for hold in holds) == sorted(ids)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"at_once": AtOnceSettings(principal=2)}, 4),
        ({"at_once": AtOnceSettings(tenant=3)}, 3),
        ({"at_once": AtOnceSettings(agent=1)}, 1),
        ({"agents": {"flights": 2}}, 2),
        ({"agents": {"flights": 5}, "at_once": AtOnceSettings(agent=3)}, 3),
        ({}, 8),
    ],
)
async def test_limits_hold_over_all_workers(
    database: Database, rules: dict[str, Any], expected: int
) -> None:
    bob = ANN.model_copy(update={"subject": "client:bob"})
    for who in (ANN, bob):
        for _ in range(4):
            await queued(database, who)
    taken = await asyncio.gather(*(claim(database, 4, **rules) for _ in range(4)))
    assert sum(len(holds) for holds in taken) == expected
    assert await claim(database, **rules) == []


async def test_one_owners_flood_does_not_keep_others_waiting(database: Database) -> None:
    for _ in range(30):
        await queued(database)
    bob = ANN.model_copy(update={"subject": "client:bob"})
    last = await queued(database, bob, at=5)
    holds = await claim(database, 8, at_once=AtOnceSettings(principal=2))
    assert last in [hold.run_id for hold in holds]
    assert len(holds) == 3


async def test_a_new_run_begins_at_once_unless_something_waits_before_it(
    database: Database,
) -> None:
    async def create() -> Hold | None:
        new = store.NewRun(ask("hello"), ANN.key, ANN, find_agent("flights"), LIMITS)
        _, work, _ = await database.run(store.create, new, NOW, worker="wrk_1", rules=ClaimRules())
        return work.hold if work else None

    assert await create() is not None
    await queued(database)
    assert await create() is None


async def test_a_pinned_worker_takes_the_runs_of_its_release_alone(database: Database) -> None:
    await queued(database, release="2")
    mine = await queued(database, release="1")
    assert [hold.run_id for hold in await claim(database, release="1")] == [mine]


async def test_whoever_lost_a_run_can_write_nothing_to_it(database: Database) -> None:
    await queued(database)
    (hold,) = await claim(database)
    await database.run(require_hold, hold)
    assert await database.run(workers.free_orphans) == [(hold.run_id, 1)]
    with pytest.raises(Fenced):
        await database.run(require_hold, hold)
    (next_hold,) = await claim(database)
    assert next_hold.epoch == hold.epoch + 1
    with pytest.raises(Fenced):
        await database.run(require_hold, hold)
    await database.run(require_hold, next_hold)


async def test_a_silent_worker_is_given_up_and_a_living_one_is_not(database: Database) -> None:
    for name, lease_s in (("wrk_silent", -1.0), ("wrk_lives", 30.0)):
        worker = workers.NewWorker(name, "host", 1, "", 4)
        await database.run(workers.register, worker, lease_s)
    assert await database.run(workers.mark_gone) == ["wrk_silent"]
    assert not await database.run(workers.beat, "wrk_silent", 30)
    assert await database.run(workers.beat, "wrk_lives", 30)
    assert await database.run(workers.mark_gone, ["wrk_lives"]) == ["wrk_lives"]


async def test_a_run_between_two_workers_is_cancelled_at_once(database: Database) -> None:
    run_id = await queued(database)
    await claim(database)
    await database.run(workers.free_orphans)
    run = await database.run(store.request_cancel, ANN, run_id, NOW)
    assert run.status == "cancelled"
    with database.transaction() as session:
        assert session.get_one(RunRow, run_id).worker is None


async def test_a_run_whose_cancellation_came_while_somebody_held_it_is_found(
    database: Database,
) -> None:
    run_id = await queued(database)
    await claim(database)
    run = await database.run(store.request_cancel, ANN, run_id, NOW)
    assert run.status == "running"
    assert await database.read(store.cancelled_orphans) == []
    await database.run(workers.free_orphans)
    assert await database.read(store.cancelled_orphans) == [run_id]
