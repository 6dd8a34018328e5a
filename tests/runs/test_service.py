from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from saaf_autogen.errors import InvalidArguments, NotFound, TimedOut
from saaf_autogen.runs import RunEvent, RunRequest
from saaf_autogen.settings import RunSettings
from tests.runs.house import ANN, House, Stores, ask, living
from tests.runs.team import Team


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


async def follow(house: House, run_id: str, after: int = 0) -> list[RunEvent]:
    return [event async for event in house.service.stream(ANN, run_id, after=after)]


async def test_a_stream_begins_with_the_past_and_ends_with_the_run(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 0.2"))
        live, late = await asyncio.gather(follow(house, run.id), follow(house, run.id, 2))
        past = await follow(house, run.id)
        assert [event.id for event in live] == [1, 2, 3, 4]
        assert live[-1].type == "run.completed"
        assert (past, late) == (live, live[2:])
        assert await follow(house, run.id, live[-1].id) == []
        for beyond in (99, 10**30):
            assert await follow(house, run.id, beyond) == []
        assert await follow(house, run.id, -5) == live


async def test_who_left_a_stream_and_comes_back_misses_nothing_and_cancels_nothing(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("turns 4"))
        first: list[RunEvent] = []
        stream = house.service.stream(ANN, run.id)
        async for event in stream:
            first.append(event)
            if len(first) == 2:
                break
        rest = await follow(house, run.id, first[-1].id)
        assert [event.id for event in first + rest] == list(range(1, 8))
        assert rest[-1].type == "run.completed"


async def test_a_stream_sees_what_another_process_writes(sqlite: Stores, team: Team) -> None:
    async with living(sqlite, team) as house, living(sqlite, team, launch=False) as apart:
        run = await house.service.create(ANN, ask("sleep 0.2"))
        events = [event async for event in apart.service.stream(ANN, run.id)]
        assert events[-1].type == "run.completed"


async def test_runs_of_others_cannot_be_read_streamed_waited_for_or_cancelled(
    sqlite: Stores, team: Team
) -> None:
    bob = ANN.model_copy(update={"subject": "client:bob"})
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("hello"))
        service = house.service
        with pytest.raises(NotFound):
            await service.get(bob, run.id)
        with pytest.raises(NotFound):
            await service.events(bob, run.id)
        with pytest.raises(NotFound):
            await anext(service.stream(bob, run.id))
        with pytest.raises(NotFound):
            await service.wait(bob, run.id, 1)
        with pytest.raises(NotFound):
            await service.cancel(bob, run.id)
        assert (await service.list(bob)).data == []


async def test_waiting_ends_at_its_time_and_leaves_the_run_alone(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 0.4"))
        with pytest.raises(TimedOut):
            await house.service.wait(ANN, run.id, 0.1)
        assert (await house.service.wait(ANN, run.id, 5)).status == "completed"


async def test_creates_at_once_with_one_key_execute_one_run(stores: Stores, team: Team) -> None:
    async with living(stores, team) as house:
        runs = await asyncio.gather(
            *(house.service.create(ANN, ask("hello"), idempotency_key="k") for _ in range(20))
        )
        assert len({run.id for run in runs}) == 1
        ended = await house.service.wait(ANN, runs[0].id, 10)
        again = await house.service.create(ANN, ask("hello"), idempotency_key="k")
    assert (ended.status, again.id, len(team.turns)) == ("completed", ended.id, 1)


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_of_no_use_is_refused(sqlite: Stores, team: Team, key: str) -> None:
    async with living(sqlite, team, launch=False) as house:
        with pytest.raises(InvalidArguments):
            await house.service.create(ANN, ask("hello"), idempotency_key=key)


async def test_an_unknown_agent_is_not_found(sqlite: Stores, team: Team) -> None:
    async with living(sqlite, team, launch=False) as house:
        with pytest.raises(NotFound):
            await house.service.create(ANN, RunRequest(agent_id="other", input="x"))


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "https://localhost/", "https://u:p@example.com/", "file:///etc/passwd"],
)
async def test_a_webhook_that_egress_refuses_is_refused_at_registration(
    sqlite: Stores, team: Team, url: str
) -> None:
    async with living(sqlite, team, launch=False) as house:
        with pytest.raises(InvalidArguments):
            await house.service.create(ANN, ask("hello", url))
        assert (await house.service.list(ANN)).data == []


@pytest.mark.parametrize("client", [None, "bob"])
async def test_a_webhook_needs_a_client_with_a_secret(
    sqlite: Stores, team: Team, client: str | None
) -> None:
    caller = ANN.model_copy(update={"client_id": client})
    async with living(sqlite, team, launch=False) as house:
        with pytest.raises(InvalidArguments, match="webhook secret"):
            await house.service.create(caller, ask("hello", "http://127.0.0.1:9/"))


async def test_a_run_waits_as_queued_where_no_engine_works(sqlite: Stores, team: Team) -> None:
    async with living(sqlite, team, RunSettings(), launch=False) as house:
        run = await house.service.create(ANN, ask("hello"))
        assert (await house.service.get(ANN, run.id)).status == "queued"


@pytest.mark.parametrize(
    "body",
    [
        {"agent_id": "flights", "input": ""},
        {"agent_id": "", "input": "x"},
        {"agent_id": "flights", "input": "x", "principal": {}},
        {"agent_id": "flights", "input": "x", "webhook": {"url": "https://a", "secret": "s"}},
        {"agent_id": "flights", "input": "x", "metadata": {"a": "b" * 16_000}},
        {"agent_id": "flights", "input": "x", "metadata": {"a": nested(4_000)}},
        {"agent_id": "flights", "input": "x" * 200_001},
    ],
)
def test_a_request_holds_what_it_may_and_nothing_else(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RunRequest.model_validate(body)
