"""The store falters at the worst moment: nothing is stuck, and nothing is asked in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from saaf_autogen.db import Database
from saaf_autogen.journal import (
    CallKey,
    CallUsage,
    Entry,
    Question,
    TurnHost,
    TurnRequest,
    TurnResult,
)
from saaf_autogen.runs import Notifier, RunService, claims, store
from saaf_autogen.runs.inputs import AnswerRequest
from saaf_autogen.runs.presence import Presence
from saaf_autogen.runs.tables import RunRow, UsageRow
from saaf_autogen.settings import RunSettings
from tests.runs.house import ANN, House, Stores, ask, living
from tests.runs.team import Team

QUICK = RunSettings(lease_s=1, concurrency=1)


class Faltering:
    """The next transaction that ``chosen`` matches is answered with the loss of the connection.

    ``done``: it is made, and its answer lost; otherwise it is not made.
    """

    def __init__(
        self, database: Database, chosen: Callable[[Any, tuple[Any, ...]], bool], *, done: bool
    ) -> None:
        self._run = database.run
        self._chosen = chosen
        self._done = done
        self.times = 0
        database.run = self.run  # type: ignore[method-assign]  # the store as it falters

    async def run(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        if self.times or not self._chosen(work, args):
            return await self._run(work, *args, **kwargs)
        self.times += 1
        if self._done:
            await self._run(work, *args, **kwargs)
        raise OperationalError("COMMIT", {}, Exception("the connection is gone"))


def ends_a_run(work: Any, args: tuple[Any, ...]) -> bool:
    return getattr(work, "__name__", "") == "_write" and args[-1].__name__ == "save"


async def is_free_again(house: House) -> None:
    async with asyncio.timeout(5):
        while house.engine._taken:  # noqa: ASYNC110 - it changes in another thread
            await asyncio.sleep(0.02)


async def test_a_cancellation_that_the_store_cannot_take_at_once_is_stored_when_it_can(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team, QUICK) as house:
        run = await house.service.create(ANN, ask("sleep 30"))
        await team.until(lambda: len(team.turns) == 1)
        falters = Faltering(house.database, ends_a_run, done=False)
        await house.service.cancel(ANN, run.id)
        assert (await house.service.wait(ANN, run.id, 5)).status == "cancelled"
        assert falters.times == 1
        await is_free_again(house)


async def test_a_worker_that_lost_its_lease_while_it_stored_an_end_has_its_slot_back(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team, QUICK) as house:
        falters = Faltering(house.database, ends_a_run, done=False)
        run = await house.service.create(ANN, ask("turns 1"))
        await team.until(lambda: falters.times == 1)
        (control,) = house.engine._controls.values()
        house.engine._tell(lambda: control.stop("fenced"))
        assert (await house.service.wait(ANN, run.id, 5)).status == "completed"
        await is_free_again(house)


@pytest.mark.parametrize("taken_by", [claims.claim, RunService._create])
async def test_a_run_whose_taking_was_stored_but_never_answered_is_taken_up_all_the_same(
    sqlite: Stores, team: Team, taken_by: Any
) -> None:
    def chosen(work: Any, args: tuple[Any, ...]) -> bool:
        return getattr(work, "__func__", work) is taken_by

    async with living(sqlite, team, QUICK, launch=False) as house:
        falters = Faltering(house.database, chosen, done=True)
        if taken_by is claims.claim:
            await house.service.create(ANN, ask("turns 1"))
            await house.engine.launch()
        else:
            await house.engine.launch()
            with pytest.raises(SQLAlchemyError):
                await house.service.create(ANN, ask("turns 1"))
        await team.until(lambda: falters.times == 1)
        (run,) = (await house.service.list(ANN)).data
        ended = await house.service.wait(ANN, run.id, 8)
        await is_free_again(house)
    assert (ended.status, ended.attempts) == ("completed", 2)


async def test_a_cancellation_that_came_before_a_question_ends_the_run(sqlite: Stores) -> None:
    """The owner's word is stored, and the worker has not seen it when the team asks."""

    class Asker:
        house: House

        async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
            await host.permit("model")
            host.used(CallUsage("model", "team/a", "default", 7, 1))
            with self.house.database.transaction() as session:
                now = self.house.engine._clock.now()
                store.request_cancel(session, ANN, request.run, now)
            question = Question("input", "0:input:team/a:0:0", "a", "Go on?")
            return TurnResult(state=None, finished=False, question=question)

    asker = Asker()
    async with living(sqlite, asker, QUICK) as house:
        asker.house = house
        run = await house.service.create(ANN, ask("x"))
        ended = await house.service.wait(ANN, run.id, 5)
    assert (ended.status, ended.usage.prompt_tokens) == ("cancelled", 7)


async def test_a_run_that_is_begun_while_its_worker_stops_is_free_for_others(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team, RunSettings(lease_s=9)) as house:
        worker = house.engine.reserve()
        assert worker
        run, work, _ = await house.database.run(
            store.create,
            await house.service.prepare(ANN, ask("sleep 30")),
            house.engine._clock.now(),
            worker=worker,
        )
        assert work
        await house.engine.drain()
        house.engine.begin(work)
        async with asyncio.timeout(3):
            while house.engine._controls or house.engine._taken:  # noqa: ASYNC110 - elsewhere
                await asyncio.sleep(0.02)
        with house.database.transaction() as session:
            held = session.scalars(select(RunRow.worker)).one()
        assert (held, team.turns) == (None, [])
        assert (await house.service.get(ANN, run.id)).status == "running"


async def test_a_worker_that_cannot_register_leaves_no_lock_behind(
    sqlite: Stores, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("away"))

    monkeypatch.setattr("saaf_autogen.runs.workers.register", refuse)
    shown: list[Presence] = []
    async with living(sqlite, team, QUICK, launch=False) as house:
        shown.append(house.engine._presence)
        with pytest.raises(OperationalError):
            await house.engine.launch()
    assert shown[0]._shown == {}


async def test_what_a_turn_used_before_its_question_is_not_forgotten_when_it_is_cut_off_later(
    sqlite: Stores,
) -> None:
    class Asker:
        begun = 0

        async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
            self.begun += 1
            if self.begun == 2:
                await asyncio.sleep(30)
            await host.permit("model")
            host.used(CallUsage("model", "team/a", "default", 7, 1))
            question = Question("input", "0:input:team/a:0:0", "a", "Go on?")
            return TurnResult(state=None, finished=False, question=question)

    asker = Asker()
    async with living(sqlite, asker, QUICK) as house:
        run = await house.service.create(ANN, ask("x"))
        asked = None
        while asked is None:
            await asyncio.sleep(0.02)
            asked = (await house.service.get(ANN, run.id)).question
        await house.service.answer(ANN, run.id, asked.id, AnswerRequest(text="yes"))
        while asker.begun < 2:  # noqa: ASYNC110 - it changes in another thread
            await asyncio.sleep(0.02)
        await house.service.cancel(ANN, run.id)
        ended = await house.service.wait(ANN, run.id, 5)
        with house.database.transaction() as session:
            metered = session.scalars(select(UsageRow.prompt_tokens)).all()
    assert (ended.status, ended.usage.prompt_tokens, metered) == ("cancelled", 7, [7])


async def test_workers_that_die_count_only_for_the_turn_that_does_not_get_done(
    sqlite: Stores, team: Team
) -> None:
    def die(session: Session) -> None:
        for row in session.scalars(select(RunRow)):
            row.worker, row.crashes = None, row.crashes + 1

    async with living(sqlite, team, RunSettings(max_crashes=2)) as house:
        run = await house.service.create(ANN, ask("slow 4"))
        for turn in (1, 3):
            while len(team.turns) <= turn:  # noqa: ASYNC110 - it changes in another thread
                await asyncio.sleep(0.02)
            await house.database.run(die)
        ended = await house.service.wait(ANN, run.id, 10)
        with house.database.transaction() as session:
            crashes = session.scalars(select(RunRow.crashes)).one()
    assert (ended.status, crashes) == ("completed", 0)


def test_a_listener_whose_loop_has_closed_harms_nobody() -> None:
    notifier = Notifier()

    async def leave() -> Any:
        listening = notifier.listen("run_1")
        listening.__enter__()
        return listening

    abandoned = asyncio.run(leave())
    notifier.notify("run_1")
    abandoned.__exit__(None, None, None)


async def test_a_fault_of_the_host_is_logged_without_what_was_written(
    sqlite: Stores, team: Team, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise IntegrityError("INSERT", {"change": "hunter2"}, Exception("row contains hunter2"))

    monkeypatch.setattr("saaf_autogen.runs.history.add_turn", refuse)
    async with living(sqlite, team, RunSettings(max_crashes=2)) as house:
        run = await house.service.create(ANN, ask("turns 1"))
        assert (await house.service.wait(ANN, run.id, 10)).status == "failed"
    assert "failed in the host: IntegrityError at" in caplog.text
    assert "hunter2" not in caplog.text


async def test_an_error_of_the_store_holds_no_parameters(stores: Stores, team: Team) -> None:
    async with living(stores, team, launch=False) as house:
        with pytest.raises(DBAPIError) as refused, house.database.transaction() as session:
            session.execute(text("SELECT :said FROM nothing"), {"said": "hunter2"})
    assert "hunter2" not in str(refused.value)


async def test_time_at_work_counts_over_all_the_hosts_that_stop_in_good_order(
    stores: Stores,
) -> None:
    class Sleeper:
        async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
            await asyncio.sleep(60)
            raise AssertionError(f"{host} waited for it")

    settings = RunSettings(timeout_s=1.5)
    async with living(stores, Sleeper(), settings) as house:
        run = await house.service.create(ANN, ask("x"))
        await asyncio.sleep(1)
    async with living(stores, Sleeper(), settings) as house:
        assert (await house.service.wait(ANN, run.id, 1.2)).status == "timed_out"


async def test_calls_deep_within_teams_of_long_names_are_remembered(stores: Stores) -> None:
    class Deep:
        async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
            for agent in ("c" * 300, "d" * 300):
                key = CallKey(request.run, request.turn, f"team/{'b' * 300}/{agent}", 0, 0)
                assert host.journal.recall(key) is None
                host.journal.record(key, Entry("d", {"content": agent, "is_error": False}))
            await host.journal.settle()
            return TurnResult(state={}, finished=True, output="done")

    async with living(stores, Deep(), QUICK) as house:
        run = await house.service.create(ANN, ask("x"))
        assert (await house.service.wait(ANN, run.id, 5)).status == "completed"


async def test_what_an_unfinished_turn_used_is_metered_when_its_run_is_cancelled_between_hosts(
    stores: Stores,
) -> None:
    class Sleeper:
        async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
            await host.permit("model")
            host.used(CallUsage("model", "team/a", "default", 7, 1))
            await asyncio.sleep(60)
            raise AssertionError("nobody waits for it")

    async with living(stores, Sleeper()) as house:
        run = await house.service.create(ANN, ask("x"))
        await asyncio.sleep(0.5)
    async with living(stores, Sleeper(), launch=False) as house:
        ended = await house.service.cancel(ANN, run.id)
        with house.database.transaction() as session:
            metered = session.scalars(select(UsageRow.prompt_tokens)).all()
    assert (ended.status, ended.usage.prompt_tokens, metered) == ("cancelled", 7, [7])
