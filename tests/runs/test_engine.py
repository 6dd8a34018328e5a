from __future__ import annotations

import asyncio
import base64
import os
import pickle
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.runs import store
from saaf_autogen.settings import RunSettings
from tests.runs.house import ANN, Stores, ask, build, find_agent, living
from tests.runs.team import Team


async def test_a_run_goes_through_its_turns_and_ends_with_its_answer(
    stores: Stores, team: Team
) -> None:
    async with living(stores, team) as house:
        run = await house.service.create(ANN, ask("turns 3"))
        assert run.status == "queued"
        run = await house.service.wait(ANN, run.id, 10)
        assert (run.status, run.output, run.error) == ("completed", "answer to turns 3", None)
        assert run.usage == {"prompt_tokens": 30, "completion_tokens": 3}
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
    assert run.error["remedy"] == "Raise runs.timeout_s."


async def test_a_team_that_never_ends_fails_at_the_limit_of_turns(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team, RunSettings(max_turns=4)) as house:
        run = await house.service.create(ANN, ask("endless"))
        run = await house.service.wait(ANN, run.id, 5)
    assert (run.status, len(team.turns)) == ("failed", 4)
    assert run.error is not None
    assert run.error["reason"] == "max_turns"


async def test_no_more_runs_than_slots_execute_at_once_and_none_is_left(
    stores: Stores, team: Team
) -> None:
    async with living(stores, team, RunSettings(concurrency=3)) as house:
        runs = await asyncio.gather(
            *(house.service.create(ANN, ask("sleep 0.05")) for _ in range(12))
        )
        ended = [await house.service.wait(ANN, run.id, 20) for run in runs]
    assert {run.status for run in ended} == {"completed"}
    assert team.most_at_once == 3
    assert len(team.turns) == 12


async def test_the_sweeper_starts_what_a_crash_left_between_commit_and_start(
    stores: Stores, team: Team
) -> None:
    async with living(stores, team) as house:
        new = store.NewRun(ask("hello"), ANN.key, ANN, find_agent("flights"))
        run, _ = await house.database.run(store.create, new, datetime.now(UTC))
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
        "run.completed",
    ]


async def test_a_graceful_close_lets_runs_at_work_finish(sqlite: Stores, team: Team) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 0.3"))
        await team.until(lambda: bool(team.turns))
        await house.engine.close(grace_s=5)
        assert (await house.service.get(ANN, run.id)).status == "completed"


async def test_a_second_engine_in_the_process_is_refused_and_harms_nothing(
    sqlite: Stores, team: Team, tmp_path: Path
) -> None:
    apart = Stores(sqlite.database, f"sqlite:///{tmp_path / 'other.sqlite'}")
    async with living(sqlite, team) as house:
        second = build(apart, team)
        with pytest.raises(ConfigurationError, match="allows one"):
            await second.engine.launch()
        run = await house.service.create(ANN, ask("hello"))
        assert (await house.service.wait(ANN, run.id, 5)).status == "completed"
        second.database.close()
        await second.egress.aclose()


async def test_a_second_engine_on_the_same_store_is_refused(stores: Stores, team: Team) -> None:
    async with living(stores, team):
        second = build(stores, team)
        with pytest.raises(ConfigurationError, match="Another process"):
            await second.engine.launch()
        second.database.close()
        await second.egress.aclose()


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
        assert (await house.service.cancel(ANN, run.id)).status == "running"
    async with living(sqlite, team) as house:
        assert (await house.service.wait(ANN, run.id, 10)).status == "cancelled"
    assert len(team.turns) == 1


async def test_a_run_that_kills_its_host_again_and_again_is_given_up(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 30"))
        await team.until(lambda: bool(team.turns))
    tamper(sqlite, "UPDATE workflow_status SET recovery_attempts = 11")
    async with living(sqlite, team) as house:
        ended = await house.service.wait(ANN, run.id, 10)
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "unavailable"
    assert len(team.turns) == 1


async def test_a_run_is_taken_up_again_when_the_engines_own_store_was_lost(
    sqlite: Stores, team: Team
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 0.4"))
        await team.until(lambda: bool(team.turns))
    tamper(sqlite, "DELETE FROM workflow_status")
    async with living(sqlite, team) as house:
        assert (await house.service.wait(ANN, run.id, 10)).status == "completed"


def tamper(stores: Stores, sql: str, **values: str) -> None:
    engine = create_engine(stores.engine)
    with engine.begin() as connection:
        assert connection.execute(text(sql), values).rowcount == 1
    engine.dispose()


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


async def test_a_pickle_that_was_slipped_into_the_engines_store_is_not_opened(
    sqlite: Stores, team: Team, tmp_path: Path
) -> None:
    async with living(sqlite, team) as house:
        run = await house.service.create(ANN, ask("sleep 30"))
        await team.until(lambda: bool(team.turns))
    target = tmp_path / "owned"
    bomb = base64.b64encode(pickle.dumps(Bomb(target))).decode()
    tamper(sqlite, "UPDATE workflow_input SET inputs = :bomb", bomb=bomb)
    tamper(sqlite, "UPDATE workflow_status SET serialization = 'py_pickle'")
    async with living(sqlite, team) as house:
        ended = await house.service.wait(ANN, run.id, 10)
    assert not target.exists()
    assert ended.status == "failed"
