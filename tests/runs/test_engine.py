from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from saaf_autogen.runs import RunRow, store
from saaf_autogen.runs.limits import RunLimits
from saaf_autogen.settings import RunSettings
from tests.runs.house import ANN, Stores, ask, build, find_agent, living
from tests.runs.team import Team


async def test_a_run_goes_through_its_turns_and_ends_with_its_answer(
    stores: Stores, team: Team
) -> None:
    async with living(stores, team) as house:
        run = await house.service.create(ANN, ask("turns 3"))
        assert run.status == "running"
        run = await house.service.wait(ANN, run.id, 10)
        assert (run.status, run.output, run.error) == ("completed", "answer to turns 3", None)
        assert (run.usage.prompt_tokens, run.usage.completion_tokens) == (30, 3)
        assert run.attempts == 1
        events = await house.service.events(ANN, run.id)
    assert [event.type for event in events] == [
        "run.queued",
        "run.running",
        "message.completed",
        "message.completed",
        "message.completed",
        "run.completed",
    ]
    assert [event.id for event in events] == [1, 2, 3, 4, 5, 6]
    assert [turn.task for turn in team.turns] == ["turns 3", None, None]
    assert team.turns[2].state == {"task": "turns 3", "history": ["turns 0", "turns 1"]}


async def test_a_turn_acts_as_the_caller_through_the_agent_with_the_scopes_of_both(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("hello"))
        await house.service.wait(ANN, run.id, 10)
    (turn,) = team.turns
    assert turn.principal.actors[0].subject == "agent:flights"
    assert turn.principal.scopes == {"a"}
    assert turn.principal.key == ANN.key
    assert turn.definition == {"provider": "x", "config": {}}


async def test_a_turn_that_is_refused_fails_the_run_with_its_problem_document(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("refused"))
        run = await house.service.wait(ANN, run.id, 10)
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["code"], run.error["remedy"]) == ("model_failed", "Try later.")
    assert len(team.turns) == 1


async def test_the_text_of_a_foreign_error_is_neither_shown_nor_logged(
    sqlite: Stores, team: Team, caplog: pytest.LogCaptureFixture
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("bug"))
        run = await house.service.wait(ANN, run.id, 10)
        events = await house.service.events(ANN, run.id)
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["code"] == "internal"
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text + run.model_dump_json() + str(events)


async def test_text_that_no_store_takes_is_cleaned(stores: Stores, team: Team) -> None:
    async with living(stores, team) as house:
        run = await house.service.create(ANN, ask("dirty \x00"))
        run = await house.service.wait(ANN, run.id, 10)
        events = await house.service.events(ANN, run.id)
    assert (run.status, run.output) == ("completed", "a\ufffdb\ufffdc")
    assert events[3].data == {"x": "a\ufffdb\ufffdc", "y": None}


async def test_a_cancelled_run_stops_within_a_second_in_the_middle_of_a_turn(
    stores: Stores, team: Team
) -> None:
    async with living(stores, team) as house:
        run = await house.service.create(ANN, ask("sleep 30"))
        await team.until(lambda: bool(team.turns))
        begun = time.monotonic()
        await house.service.cancel(ANN, run.id)
        run = await house.service.wait(ANN, run.id, 5)
        assert time.monotonic() - begun < 1
        assert (run.status, team.cancelled, team.at_once) == ("cancelled", 1, 0)
        again = await house.service.cancel(ANN, run.id)
        assert again.status == "cancelled"
        events = await house.service.events(ANN, run.id)
    assert [event.type for event in events].count("run.cancelled") == 1
    assert events[-1].type == "run.cancelled"


async def test_a_turn_that_swallows_its_cancellation_does_not_hold_up_the_end(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("stubborn 1"))
        await team.until(lambda: bool(team.turns))
        begun = time.monotonic()
        await house.service.cancel(ANN, run.id)
        run = await house.service.wait(ANN, run.id, 5)
        assert time.monotonic() - begun < 1
        assert run.status == "cancelled"
        await team.until(lambda: not team.at_once)
        assert (await house.service.events(ANN, run.id))[-1].type == "run.cancelled"


async def test_a_cancellation_that_another_process_wrote_is_seen(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 30"))
        await team.until(lambda: bool(team.turns))
        other = build(sqlite, team)
        begun = time.monotonic()
        await other.service.cancel(ANN, run.id)
        assert (await house.service.wait(ANN, run.id, 5)).status == "cancelled"
        assert time.monotonic() - begun < 1
        other.database.close()
        await other.egress.aclose()


async def test_a_run_that_waits_for_a_slot_is_cancelled_at_once(sqlite: Stores, team: Team) -> None:
    async with living(sqlite, team, RunSettings(concurrency=1)) as house:
        await house.service.create(ANN, ask("sleep 30"))
        waiting = await house.service.create(ANN, ask("hello"))
        assert (await house.service.cancel(ANN, waiting.id)).status == "cancelled"
        assert all(turn.run != waiting.id for turn in team.turns)


async def test_a_run_past_its_time_is_timed_out(sqlite: Stores, team: Team) -> None:
    async with living(sqlite, team, RunSettings(timeout_s=0.3)) as house:
        run = await house.service.create(ANN, ask("sleep 30"))
        run = await house.service.wait(ANN, run.id, 5)
    assert (run.status, team.cancelled) == ("timed_out", 1)
    assert run.error is not None
    assert run.error["reason"] == "timeout_s"


async def test_a_team_that_never_ends_fails_at_the_limit_of_turns(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team, RunSettings(max_turns=4)) as house:
        run = await house.service.create(ANN, ask("endless"))
        run = await house.service.wait(ANN, run.id, 5)
    assert (run.status, len(team.turns)) == ("failed", 4)
    assert run.error is not None
    assert run.error["reason"] == "turns"


async def test_no_more_runs_than_slots_execute_at_once_and_none_is_left(
    stores: Stores, team: Team
) -> None:
    async with living(stores, team, RunSettings(concurrency=3)) as house:
        runs = await asyncio.gather(
            *(house.service.create(ANN, ask("sleep 0.2")) for _ in range(12))
        )
        ended = [await house.service.wait(ANN, run.id, 20) for run in runs]
    assert {run.status for run in ended} == {"completed"}
    assert team.most_at_once == 3
    assert len(team.turns) == 12


async def test_the_sweeper_starts_what_a_crash_left_between_commit_and_start(
    stores: Stores, team: Team
) -> None:
    async with living(stores, team) as house:
        limits = RunLimits(timeout_s=10, turns=5)
        new = store.NewRun(ask("hello"), ANN.key, ANN, find_agent("flights"), limits)
        run, hold, _ = await house.database.run(store.create, new, datetime.now(UTC))
        assert (run.status, hold) == ("queued", None)
        assert (await house.service.wait(ANN, run.id, 5)).status == "completed"


async def test_a_closed_engine_leaves_its_runs_for_the_next_launch(
    stores: Stores, team: Team
) -> None:
    async with living(stores, team) as house:
        run = await house.service.create(ANN, ask("turns 2"))
        await house.service.wait(ANN, run.id, 5)
        slow = await house.service.create(ANN, ask("sleep 0.5"))
        await team.until(lambda: len(team.turns) == 3)
    async with living(stores, team) as house:
        assert (await house.service.get(ANN, slow.id)).status == "running"
        ended = await house.service.wait(ANN, slow.id, 10)
        events = await house.service.events(ANN, slow.id)
    assert (ended.status, ended.attempts) == ("completed", 2)
    assert [event.type for event in events] == [
        "run.queued",
        "run.running",
        "message.completed",
        "run.running",
        "run.completed",
    ]


async def test_a_graceful_close_lets_runs_at_work_finish(sqlite: Stores, team: Team) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 0.3"))
        await team.until(lambda: bool(team.turns))
        await house.engine.close(grace_s=5)
        assert (await house.service.get(ANN, run.id)).status == "completed"


async def test_two_workers_share_a_store_and_do_each_run_once(
    stores: Stores, team: Team, tmp_path: Path
) -> None:
    other = Team()
    settings = RunSettings(concurrency=2)
    async with living(stores, team, settings) as house, living(stores, other, settings):
        runs = await asyncio.gather(
            *(house.service.create(ANN, ask("sleep 0.2")) for _ in range(10))
        )
        ended = [await house.service.wait(ANN, run.id, 20) for run in runs]
    assert {(run.status, run.attempts) for run in ended} == {("completed", 1)}
    assert len(team.turns) + len(other.turns) == 10
    assert other.turns


async def test_the_loop_can_use_threads_after_the_engine_is_closed(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("hello"))
        await house.service.wait(ANN, run.id, 5)
    assert await asyncio.to_thread(lambda: 7) == 7


async def test_a_cancellation_recorded_while_the_host_was_down_holds_at_its_next_launch(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 30"))
        await team.until(lambda: bool(team.turns))
    async with living(sqlite, team, launch=False) as house:
        assert (await house.service.cancel(ANN, run.id)).status == "cancelled"
    async with living(sqlite, team) as house:
        assert (await house.service.wait(ANN, run.id, 10)).status == "cancelled"
    assert len(team.turns) == 1


async def test_a_run_on_which_worker_after_worker_dies_is_given_up(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team, launch=False) as house:
        run = await house.service.create(ANN, ask("sleep 30"))
        with house.database.transaction() as session:
            row = session.get_one(RunRow, run.id)
            row.status, row.worker, row.crashes = "running", "wrk_dead", 9
    async with living(sqlite, team) as house:
        ended = await house.service.wait(ANN, run.id, 10)
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "unavailable"
    assert not team.turns
