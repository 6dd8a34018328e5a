"""A worker that falls silent loses its runs, and writes and calls nothing more."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from saaf_autogen.db import Database
from saaf_autogen.journal import (
    CallKey,
    CallUsage,
    Entry,
    TurnEvent,
    TurnHost,
    TurnRequest,
    TurnResult,
)
from saaf_autogen.runs.presence import Presence
from saaf_autogen.settings import RunSettings
from tests.runs.house import ANN, House, Stores, ask, living

QUICK = RunSettings(lease_s=1, concurrency=4)


class Caller:
    """Each turn makes ten calls of a quarter second, each remembered; says who made which."""

    def __init__(self, name: str, made: list[tuple[str, str, int]]) -> None:
        self._name = name
        self._made = made
        self.begun = 0

    async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
        self.begun += 1
        for index in range(10):
            key = CallKey(request.run, request.turn, "team/a", index, 0)
            if host.journal.recall(key) is None:
                await host.permit("tool")
                await host.journal.settle()
                self._made.append((self._name, key.place, index))
                await asyncio.sleep(0.25)
                host.journal.record(key, Entry("d", {"content": index, "is_error": False}))
            host.used(CallUsage("tool", "team/a", "act"))
            await host.emit(TurnEvent("tool.result", f"a:{index}", {"index": index}))
        return TurnResult(state={"task": request.task}, finished=True, output="done")


def silence(house: House) -> None:
    """Have its lease's thread believe that its event loop hangs."""
    house.engine._lease._alive = lambda: False


async def test_a_silent_workers_run_is_taken_over_and_no_finished_call_is_made_again(
    stores: Stores, tmp_path: Path
) -> None:
    made: list[tuple[str, str, int]] = []
    first, second = Caller("first", made), Caller("second", made)
    # Elsewhere: its lock on a file does not tell.
    far = Stores(stores.database, str(tmp_path / "elsewhere"))
    async with living(stores, first, QUICK) as house, living(far, second, QUICK):
        run = await house.service.create(ANN, ask("hello"))
        while len(made) < 3:  # noqa: ASYNC110 - it changes in another thread
            await asyncio.sleep(0.02)
        fell_silent = time.monotonic()
        silence(house)
        while not second.begun:  # noqa: ASYNC110 - it changes in another thread
            await asyncio.sleep(0.02)
        assert time.monotonic() - fell_silent < 4
        ended = await house.service.wait(ANN, run.id, 15)
        events = await house.service.events(ANN, run.id)
        again = await house.service.create(ANN, ask("again"))
        assert (await house.service.wait(ANN, again.id, 15)).status == "completed"
    assert (ended.status, ended.attempts, ended.usage.tool_calls) == ("completed", 2, 10)
    calls = [index for _, place, index in made if place.startswith("0:tool")]
    of_run = calls[: len(calls) - 10]
    # Only the one in flight may have been made twice.
    assert sorted(set(of_run)) == list(range(10))
    assert len(of_run) <= 11
    results = [event.data["index"] for event in events if event.type == "tool.result"]
    assert results == list(range(10))
    assert [event.id for event in events] == list(range(1, len(events) + 1))


async def test_a_worker_whose_store_was_away_keeps_its_runs_when_nobody_took_them(
    sqlite: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, str, int]] = []
    caller = Caller("first", made)
    async with living(sqlite, caller, QUICK) as house:
        run = await house.service.create(ANN, ask("hello"))
        lease = house.engine._lease
        lease._alive = lambda: False
        # Nobody else looks, and it cannot reap itself either while it is late.
        monkeypatch.setattr(house.engine, "_reap", lambda session: None)
        await asyncio.sleep(1.5)
        assert lease.state == "late"
        count = len(made)
        await asyncio.sleep(0.6)
        assert len(made) <= count + 1
        lease._alive = lambda: True
        ended = await house.service.wait(ANN, run.id, 15)
    assert (ended.status, ended.attempts) == ("completed", 1)
    assert len(made) == 10


async def test_what_is_in_flight_at_a_planned_stop_is_finished_and_remembered(
    stores: Stores,
) -> None:
    made: list[tuple[str, str, int]] = []
    async with living(stores, Caller("first", made), QUICK) as house:
        run = await house.service.create(ANN, ask("hello"))
        while len(made) < 4:  # noqa: ASYNC110 - it changes in another thread
            await asyncio.sleep(0.02)
    async with living(stores, Caller("second", made), QUICK) as house:
        ended = await house.service.wait(ANN, run.id, 15)
        with house.database.transaction() as session:
            crashes = session.connection().exec_driver_sql("SELECT crashes FROM runs").scalar()
    assert (ended.status, crashes) == ("completed", 0)
    assert [index for _, _, index in made] == list(range(10))


async def test_a_dead_process_of_this_machine_is_told_by_its_lock(tmp_path: Path) -> None:
    here, there = Presence(tmp_path / "workers"), Presence(tmp_path / "workers")
    here.show("wrk_1")
    assert there.dead(["wrk_1", "wrk_unknown"]) == []
    handle = here._shown.pop("wrk_1")
    os.close(handle)  # as the system does when the process dies
    assert there.dead(["wrk_1", "wrk_unknown"]) == ["wrk_1"]
    there.forget(["wrk_1"])
    assert there.dead(["wrk_1"]) == []


async def test_a_long_run_writes_no_more_than_its_conversation(sqlite: Stores) -> None:
    class Talker:
        async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
            said = f"message {request.turn} " + "x" * 200
            await host.emit(TurnEvent("message.completed", "a:0", {"content": said}))
            before: Any = request.state or {"thread": []}
            state = {"thread": [*before["thread"], said]}
            return TurnResult(state=state, finished=request.turn == 199, output="done")

    settings = RunSettings(max_turns=500)
    async with living(sqlite, Talker(), settings) as house:
        run = await house.service.create(ANN, ask("hello"))
        assert (await house.service.wait(ANN, run.id, 60)).status == "completed"
        sizes = stored_bytes(house.database, "SELECT length(change) FROM run_turns ORDER BY turn")
        journal = stored_bytes(house.database, "SELECT length(data) FROM run_journal")
    assert len(sizes) == 200
    assert max(sizes) < 400
    assert journal == []


def stored_bytes(database: Database, sql: str) -> list[int]:
    with database.transaction() as session:
        return [row[0] for row in session.connection().exec_driver_sql(sql)]
