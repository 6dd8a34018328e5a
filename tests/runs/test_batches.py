from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from saaf_autogen.errors import Conflict, IdempotencyMismatch, InsufficientScope, InvalidArguments
from saaf_autogen.runs import RunRequest, RunRow
from saaf_autogen.runs.batches import MAX_BATCH
from tests.runs.house import ANN, Stores
from tests.runs.schedules.office import Office, open_office


def many(count: int, **more: Any) -> list[RunRequest]:
    return [
        RunRequest.model_validate({"agent_id": "flights", "input": f"question {number}", **more})
        for number in range(count)
    ]


def count(office: Office) -> int:
    with office.database.transaction(read=True) as session:
        return session.scalar(select(func.count()).select_from(RunRow)) or 0


@pytest.fixture
async def office(stores: Stores) -> AsyncIterator[Office]:
    async with open_office(stores.database) as opened:
        opened.database.migrate()
        yield opened


@pytest.fixture
async def desk(sqlite: Stores) -> AsyncIterator[Office]:
    async with open_office(sqlite.database) as opened:
        opened.database.migrate()
        yield opened


async def test_the_runs_come_in_the_order_of_their_requests(office: Office) -> None:
    runs = await office.runs.create_many(ANN, many(MAX_BATCH))
    assert [run.input for run in runs] == [f"question {number}" for number in range(MAX_BATCH)]
    assert sorted(run.id for run in runs) == [run.id for run in runs]
    assert {run.status for run in runs} == {"queued"}
    page = await office.runs.list(ANN, limit=2)
    assert [run.input for run in page.data] == ["question 99", "question 98"]
    events = await office.runs.events(ANN, runs[7].id)
    assert [event.type for event in events] == ["run.queued"]


async def test_the_key_of_a_batch_makes_it_once(office: Office) -> None:
    made = await asyncio.gather(
        *(office.runs.create_many(ANN, many(5), idempotency_key="k") for _ in range(4))
    )
    assert len({tuple(run.id for run in runs) for runs in made}) == 1
    assert count(office) == 5
    for other in (many(4), many(6), many(5, metadata={"a": 1})):
        with pytest.raises(IdempotencyMismatch):
            await office.runs.create_many(ANN, other, idempotency_key="k")
    with pytest.raises(IdempotencyMismatch):
        await office.runs.create(ANN, many(1)[0], idempotency_key="k")
    assert count(office) == 5


async def test_a_key_of_one_run_is_not_one_of_a_batch(office: Office) -> None:
    await office.runs.create(ANN, many(1)[0], idempotency_key="k")
    for requests in (many(1), many(3)):
        with pytest.raises(IdempotencyMismatch):
            await office.runs.create_many(ANN, requests, idempotency_key="k")
    assert count(office) == 1


async def test_keys_of_others_are_others(desk: Office) -> None:
    bob = ANN.model_copy(update={"subject": "client:bob"})
    mine = await desk.runs.create_many(ANN, many(2), idempotency_key="k")
    theirs = await desk.runs.create_many(bob, many(2), idempotency_key="k")
    assert not {run.id for run in mine} & {run.id for run in theirs}


async def test_a_batch_whose_runs_were_pruned_is_not_given_in_part(desk: Office) -> None:
    runs = await desk.runs.create_many(ANN, many(3), idempotency_key="k")
    with desk.database.transaction() as session:
        gone = update(RunRow).where(RunRow.id == runs[1].id).values(idempotency_key=None)
        session.execute(gone)
    with pytest.raises(Conflict):
        await desk.runs.create_many(ANN, many(3), idempotency_key="k")


async def test_one_fault_starts_none_and_every_fault_is_told_with_its_index(
    office: Office,
) -> None:
    requests: list[Any] = [
        {"agent_id": "flights", "input": "good"},
        {"agent_id": "trains", "input": "x"},
        {"agent_id": "flights", "inputs": "x"},
        {"agent_id": "flights", "input": "x", "priority": 3},
        {"agent_id": "flights", "input": "x", "budget": {"turns": 10_000}},
        {"agent_id": "flights", "input": "x", "webhook": {"url": "http://10.0.0.1/"}},
        {"agent_id": "flights", "input": "x", "webhook": {"url": "http://10.0.0.1/"}},
        7,
        {"agent_id": "trains", "input": "x", "webhook": {"url": "ftp://x"}},
    ]
    with pytest.raises(InvalidArguments) as caught:
        await office.runs.create_many(ANN, requests)
    errors = caught.value.extra["errors"]
    assert [each["index"] for each in errors] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    codes = {each["index"]: each["code"] for each in errors}
    assert (codes[1], codes[3], codes[4]) == (
        "not_found",
        "insufficient_scope",
        "invalid_arguments",
    )
    assert {fault["field"] for fault in errors[1]["faults"]} == {"input", "inputs"}
    assert errors[2]["missing_scopes"] == ["runs:prioritize"]
    assert "8 requests" in caught.value.detail
    assert count(office) == 0
    told = await office.told("runs.create")
    assert [each.decision for each in told] == ["denied"] * 9
    assert "agent://trains" in told[0].resources


async def test_each_run_is_told_to_the_audit(office: Office) -> None:
    runs = await office.runs.create_many(ANN, many(3))
    told = await office.told("runs.create")
    assert [(each.decision, each.run_id) for each in told] == [("allowed", run.id) for run in runs]


@pytest.mark.parametrize("size", [0, MAX_BATCH + 1])
async def test_a_batch_of_none_or_too_many_is_refused(desk: Office, size: int) -> None:
    with pytest.raises(InvalidArguments):
        await desk.runs.create_many(ANN, many(size))


async def test_a_batch_needs_the_scope_of_runs(desk: Office) -> None:
    nobody = ANN.model_copy(update={"scopes": frozenset({"runs:read"})})
    with pytest.raises(InsufficientScope):
        await desk.runs.create_many(nobody, many(2))


async def test_a_run_may_start_later_and_be_cancelled_before(office: Office) -> None:
    (later,) = await office.runs.create_many(ANN, many(1, after_seconds=90))
    single = await office.runs.create(ANN, many(1, after_seconds=30 * 86_400)[0])
    now = office.clock.now()
    assert later.not_before == now + timedelta(seconds=90)
    assert single.not_before == now + timedelta(days=30)
    (queued,) = await office.runs.events(ANN, later.id)
    assert queued.data["not_before"] == later.not_before.isoformat()
    assert (await office.runs.cancel(ANN, later.id)).status == "cancelled"


@pytest.mark.parametrize("seconds", [-1, 30 * 86_400 + 1, 1.5])
def test_a_start_in_the_past_or_too_far_away_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="after_seconds"):
        many(1, after_seconds=seconds)


async def test_a_priority_above_others_needs_its_scope(desk: Office) -> None:
    first = ANN.model_copy(update={"scopes": ANN.scopes | {"runs:prioritize"}})
    assert (await desk.runs.create(first, many(1, priority=10)[0])).priority == 10
    assert (await desk.runs.create(ANN, many(1, priority=-10)[0])).priority == -10
    with pytest.raises(InsufficientScope) as caught:
        await desk.runs.create(ANN, many(1, priority=1)[0])
    assert caught.value.missing == ("runs:prioritize",)
    told = await desk.told("runs.create")
    assert json.loads(told[-1].body)["decision"] == "denied"
