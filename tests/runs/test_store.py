from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from saaf_autogen.db import Base, Database
from saaf_autogen.errors import Conflict, IdempotencyMismatch, InvalidArguments, NotFound
from saaf_autogen.journal import Fenced
from saaf_autogen.runs import RunEventRow, RunRequest, RunRow, claims, event_log, outbox, store
from saaf_autogen.runs.claims import ClaimRules
from saaf_autogen.runs.hold import Hold
from saaf_autogen.runs.text import clean_json, fit_text
from tests.runs.house import ANN, LIMITS, Stores, ask, find_agent

RULES = ClaimRules()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOB = ANN.model_copy(update={"subject": "client:bob"})


@pytest.fixture
def database(stores: Stores) -> Iterator[Database]:
    database = Database(stores.database)
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def new(request: RunRequest | None = None, key: str | None = None, who: Any = ANN) -> store.NewRun:
    return store.NewRun(request or ask("hello"), who.key, who, find_agent("flights"), LIMITS, key)


async def made(database: Database, *args: Any, at: datetime = NOW) -> str:
    run, _, _ = await database.run(store.create, new(*args), at)
    return run.id


async def taken(database: Database) -> None:
    """Have a worker take whatever waits."""
    await database.run(claims.claim, "wrk_1", NOW, RULES, limit=9)


def append_event(session: Session, run_id: str, kind: str, key: str, data: dict[str, Any]) -> int:
    row = session.get_one(RunRow, run_id, with_for_update=True)
    return event_log.append(session, row, kind, key, data, NOW)


async def test_creates_at_once_with_one_key_give_one_run(database: Database) -> None:
    made = await asyncio.gather(*(database.run(store.create, new(key="k"), NOW) for _ in range(20)))
    assert len({run.id for run, _, _ in made}) == 1
    assert [created for _, _, created in made].count(True) == 1
    count = select(func.count()).select_from(RunEventRow)
    assert await database.read(lambda session: session.scalar(count)) == 1


async def test_a_key_belongs_to_one_body_and_one_owner(database: Database) -> None:
    first, _, _ = await database.run(store.create, new(key="k"), NOW)
    with pytest.raises(IdempotencyMismatch):
        await database.run(store.create, new(ask("other"), "k"), NOW)
    bobs, _, created = await database.run(store.create, new(ask("other"), "k", BOB), NOW)
    assert created
    assert bobs.id != first.id
    assert await made(database) != await made(database)


async def test_a_run_exists_for_its_owner_and_its_tenant_alone(database: Database) -> None:
    run_id = await made(database)
    assert (await database.read(store.get, ANN, run_id)).id == run_id
    others = [
        BOB,
        ANN.model_copy(update={"issuer": "https://other"}),
        ANN.model_copy(update={"tenant": "acme"}),
    ]
    for other in others:
        with pytest.raises(NotFound):
            await database.read(store.get, other, run_id)
        with pytest.raises(NotFound):
            await database.run(store.request_cancel, other, run_id, NOW)
        assert (await database.read(store.list_runs, other)).data == []
    with pytest.raises(NotFound):
        await database.read(store.get, ANN, "run_\x00\ud800")


async def test_pages_hold_each_run_once_newest_first(database: Database) -> None:
    ids = [await made(database, at=NOW + timedelta(seconds=i)) for i in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    for size in (2, 2, 1):
        page = await database.read(store.list_runs, ANN, limit=2, cursor=cursor)
        assert len(page.data) == size
        seen += [run.id for run in page.data]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == ids[::-1]
    with pytest.raises(InvalidArguments):
        await database.read(store.list_runs, ANN, limit=101)


async def test_runs_are_listed_by_status_and_agent(database: Database) -> None:
    running = await made(database)
    await taken(database)
    await made(database)
    page = await database.read(store.list_runs, ANN, status="running")
    assert [run.id for run in page.data] == [running]
    assert (await database.read(store.list_runs, ANN, agent_id="other")).data == []


async def test_a_replayed_event_is_there_once_and_a_different_one_beside_it(
    database: Database,
) -> None:
    run_id = await made(database)

    async def append(data: dict[str, Any], kind: str = "tool.call") -> int | None:
        return await database.run(append_event, run_id, kind, "0:a", data)

    first, again = await append({"x": 1, "y": 2}), await append({"y": 2, "x": 1})
    other, other_again = await append({"x": 3}), await append({"x": 3})
    assert (first, again, other, other_again) == (2, 2, 3, 3)
    events = await database.read(event_log.read_events, run_id, after=1)
    assert [event.data for event in events] == [{"x": 1, "y": 2}, {"x": 3}]


async def test_many_writers_of_a_log_leave_no_gap_and_no_double(database: Database) -> None:
    run_id = await made(database)
    await asyncio.gather(
        *(database.run(append_event, run_id, "message.delta", f"k{i % 10}", {}) for i in range(30))
    )
    events = await database.read(event_log.read_events, run_id)
    assert [event.id for event in events] == list(range(1, 12))


async def test_an_end_is_written_once_with_its_event_and_its_callback(database: Database) -> None:
    run_id = await made(database, ask("hello", "https://example.com/hook"))
    await taken(database)
    ends = await asyncio.gather(
        *(
            database.run(store.finish, run_id, status, NOW, output="x")
            for status in ("completed", "failed", "cancelled", "timed_out")
        )
    )
    assert ends.count(True) == 1
    events = await database.read(event_log.read_events, run_id)
    assert [event.last for event in events] == [False, False, True]
    assert len(await database.read(outbox.callbacks_of, run_id)) == 1
    with pytest.raises(Fenced):
        await database.run(store.load, Hold(run_id, "wrk_1", 1))


async def test_a_run_that_ended_otherwise_cannot_be_cancelled(database: Database) -> None:
    run_id = await made(database)
    await database.run(store.finish, run_id, "completed", NOW)
    with pytest.raises(Conflict, match="completed"):
        await database.run(store.request_cancel, ANN, run_id, NOW)


@pytest.mark.parametrize(
    "output",
    ["x" * 50_000, '"\\\n' * 20_000, "\u6771" * 30_000, "\U0001f6eb" * 30_000, "short", None],
)
async def test_a_callback_stays_under_20_kb_and_says_when_it_is_cut(
    database: Database, output: str | None
) -> None:
    run_id = await made(database, ask("hello", "https://example.com/hook"))
    error = {"code": "internal", "detail": "d" * 9_000, "title": "t", "status": 500, "type": "u"}
    await database.run(store.finish, run_id, "failed", NOW, output=output, error=error)
    (callback,) = await database.read(outbox.callbacks_of, run_id)
    assert len(callback.payload.encode()) <= outbox.MAX_PAYLOAD
    body = json.loads(callback.payload)
    assert body["type"] == "run.failed"
    assert body["data"]["id"] == run_id
    whole = body["data"]["output"] == output
    assert body["data"]["output_cut"] is not whole
    if not whole:
        assert output is not None
        assert output.startswith(body["data"]["output"])
        assert len(callback.payload.encode()) > outbox.MAX_PAYLOAD - 50


async def test_a_run_without_a_webhook_has_no_callback(database: Database) -> None:
    run_id = await made(database)
    await database.run(store.finish, run_id, "completed", NOW)
    assert await database.read(outbox.callbacks_of, run_id) == []


async def test_two_processes_never_claim_the_same_callback(database: Database) -> None:
    for i in range(8):
        run_id = await made(database, ask("hello", f"https://h{i}.example.com/"))
        await database.run(store.finish, run_id, "completed", NOW)
    ids = await database.read(outbox.candidates, NOW, busy={}, per_host=2, limit=32)
    assert len(ids) == 8
    claims = await asyncio.gather(*(database.run(outbox.claim, ids, NOW, 20) for _ in range(4)))
    claimed = [callback.id for claim in claims for callback in claim]
    assert sorted(claimed) == sorted(ids)
    later = NOW + timedelta(seconds=21)
    assert len(await database.run(outbox.claim, ids, later, 20)) == 8


async def test_no_host_gets_more_than_its_share_of_the_claims(database: Database) -> None:
    for host in ("noisy",) * 9 + ("calm",):
        run_id = await made(database, ask("hello", f"https://{host}.example.com/"))
        await database.run(store.finish, run_id, "completed", NOW)
    busy = {"noisy.example.com": 1}
    ids = await database.read(outbox.candidates, NOW, busy=busy, per_host=2, limit=32)
    assert len(ids) == 2
    busy = {"noisy.example.com": 2}
    assert len(await database.read(outbox.candidates, NOW, busy=busy, per_host=2, limit=32)) == 1


async def test_every_row_carries_its_tenant(database: Database) -> None:
    acme = ANN.model_copy(update={"tenant": "acme"})
    run_id = await made(database, ask("hello", "https://example.com/"), None, acme)
    await database.run(store.finish, run_id, "completed", NOW)
    (callback,) = await database.read(outbox.callbacks_of, run_id)
    tenants = await database.read(
        lambda session: [
            *session.scalars(select(RunRow.tenant)),
            *session.scalars(select(RunEventRow.tenant)),
        ]
    )
    assert {callback.tenant, *tenants} == {"acme"}


def test_json_is_cleaned_in_depth() -> None:
    dirty = {"a\x00": [float("inf"), {"b": "\udc80"}, (1, None, True)], "c": {1: NOW}}
    assert clean_json(dirty) == {
        "a\ufffd": [None, {"b": "\ufffd"}, [1, None, True]],
        "c": {"1": str(NOW)},
    }


def test_text_is_fitted_to_the_size_of_its_json() -> None:
    assert fit_text("abc", 5) == "abc"
    assert fit_text("abc", 4) == "ab"
    assert fit_text("\n\n", 5) == "\n"
    assert fit_text("abc", -3) == ""
