from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from saaf_autogen.runs.schedules import MAX_REFUSALS
from tests.runs.schedules.office import MONDAY, OWNER, Office

SEVEN = MONDAY.replace(minute=0, second=0) + timedelta(hours=1)
DAY = timedelta(days=1)


async def test_a_run_is_made_at_its_time_and_at_no_other(office: Office) -> None:
    made = await office.make("0 7 * * *", zone="UTC")
    assert await office.at(SEVEN - timedelta(seconds=1)) == 0
    assert await office.at(SEVEN) == 1
    assert await office.after(seconds=1) == 0
    assert await office.after(hours=23) == 0
    assert await office.at(SEVEN + DAY) == 0, "the run before it has not ended"
    office.end_runs()
    assert await office.at(SEVEN + 2 * DAY) == 1
    first, second = office.rows(made.id)
    assert first.owner == OWNER.key
    assert first.input == "hello"
    assert (first.created_at, second.created_at) == (SEVEN, SEVEN + 2 * DAY)
    assert first.idempotency_key == f"schedule:{made.id}:{SEVEN.isoformat()}"
    seen = await office.schedules.get(OWNER, made.id)
    assert (seen.last_at, seen.last_run_id, seen.last_error) == (SEVEN + 2 * DAY, second.id, None)
    assert seen.next_times[0] == SEVEN + 3 * DAY


async def test_a_time_is_read_by_the_clock_of_its_zone(office: Office) -> None:
    made = await office.make("0 7 * * *", zone="Europe/Berlin", overlap="allow")
    assert made.next_times[0].isoformat() == "2026-11-24T07:00:00+01:00"
    assert await office.at(SEVEN) == 0
    assert await office.at(SEVEN + timedelta(hours=23)) == 1


async def test_tickers_of_many_processes_make_one_run(office: Office) -> None:
    schedules = [await office.make("0 7 * * *") for _ in range(5)]
    office.clock.advance(60)
    made = await asyncio.gather(*(office.another().tick() for _ in range(6)))
    assert sum(made) == len(schedules)
    for each in schedules:
        assert len(office.rows(each.id)) == 1


async def test_a_crash_in_between_neither_loses_a_time_nor_makes_it_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await office.make("0 7 * * *")
    append = office.audit.append
    failing = [True]

    def dies(*given: object) -> None:
        if failing.pop() if failing else False:
            raise OperationalError("INSERT", {}, Exception("the store is gone"))
        append(*given)  # type: ignore[arg-type]  # as they come

    monkeypatch.setattr(office.audit, "append", dies)
    with pytest.raises(OperationalError):
        await office.at(SEVEN)
    assert office.rows(made.id) == []
    assert await office.after(seconds=1) == 1
    assert await office.after(seconds=1) == 0
    assert len(office.rows(made.id)) == 1


async def test_a_run_that_its_key_made_before_is_not_made_again(office: Office) -> None:
    made = await office.make("0 7 * * *", overlap="allow")
    await office.at(SEVEN)
    # As a store that was brought back from before the schedule moved on.
    office.set(made.id, next_at=SEVEN)
    await office.after(seconds=1)
    assert len(office.rows(made.id)) == 1


async def test_of_the_times_of_an_outage_the_latest_is_made_up_for(office: Office) -> None:
    made = await office.make("*/10 * * * *", overlap="allow")
    assert await office.at(SEVEN + timedelta(hours=5, minutes=3)) == 1
    (run,) = office.rows(made.id)
    assert run.idempotency_key == f"schedule:{made.id}:{(SEVEN + timedelta(hours=5)).isoformat()}"
    assert await office.after(minutes=7) == 1


async def test_a_time_of_more_than_a_day_ago_is_told_as_missed(office: Office) -> None:
    made = await office.make("0 7 * * 1")
    assert await office.at(SEVEN + timedelta(days=1, minutes=1)) == 0
    seen = await office.schedules.get(OWNER, made.id)
    assert "2026-11-23 07:00 UTC was missed" in str(seen.last_error)
    assert seen.next_times[0] == SEVEN + timedelta(days=7)


async def test_skip_leaves_out_the_times_of_a_run_that_has_not_ended(office: Office) -> None:
    made = await office.make("* * * * *", overlap="skip")
    assert await office.at(SEVEN) == 1
    assert await office.after(minutes=1) == 0
    (run,) = office.rows(made.id)
    seen = await office.schedules.get(OWNER, made.id)
    assert (
        seen.last_error == f"The run of 2026-11-23 07:01 UTC was skipped: {run.id} has not ended."
    )
    office.end_runs()
    assert await office.after(seconds=59) == 0
    assert await office.after(seconds=1) == 1


async def test_queue_keeps_one_waiting_until_the_run_before_has_ended(office: Office) -> None:
    made = await office.make("* * * * *", overlap="queue")
    assert await office.at(SEVEN) == 1
    assert await office.after(minutes=1) == 0
    assert await office.after(minutes=2, seconds=30) == 0
    office.end_runs()
    assert await office.after(seconds=1) == 1
    assert await office.after(seconds=1) == 0
    latest = SEVEN + timedelta(minutes=3)
    assert office.rows(made.id)[1].idempotency_key == f"schedule:{made.id}:{latest.isoformat()}"


async def test_allow_makes_runs_side_by_side(office: Office) -> None:
    made = await office.make("* * * * *", overlap="allow")
    assert await office.at(SEVEN) == 1
    assert await office.after(minutes=1) == 1
    assert len(office.rows(made.id)) == 2


async def test_a_paused_schedule_makes_nothing_and_a_resumed_one_makes_up_for_nothing(
    office: Office,
) -> None:
    made = await office.make("* * * * *")
    paused = await office.schedules.pause(OWNER, made.id)
    assert (paused.enabled, paused.next_times) == (False, [])
    assert await office.at(SEVEN + timedelta(minutes=10)) == 0
    await office.schedules.resume(OWNER, made.id)
    assert await office.after(seconds=1) == 0
    assert await office.after(seconds=59) == 1


async def test_a_lost_right_makes_no_run_and_pauses_after_a_few_times(office: Office) -> None:
    made = await office.make("* * * * *")
    narrow = OWNER.model_copy(update={"scopes": frozenset({"schedules:manage"})})
    office.set(made.id, principal=narrow.model_dump(mode="json"))
    for number in range(MAX_REFUSALS):
        assert await office.at(SEVEN + timedelta(minutes=number)) == 0
        seen = await office.schedules.get(OWNER, made.id)
        assert "agents:run" in str(seen.last_error)
        assert seen.enabled == (number < MAX_REFUSALS - 1)
    assert office.rows(made.id) == []
    assert await office.after(minutes=1) == 0
    told = await office.told("schedules.fire")
    assert [each.decision for each in told] == ["denied"] * MAX_REFUSALS
    assert f"schedule://{made.id}" in told[0].resources
    (paused,) = await office.told("schedules.pause")
    assert paused.kind == "change"


async def test_a_run_in_between_makes_the_refusals_begin_anew(desk: Office) -> None:
    made = await desk.make("* * * * *", overlap="allow")
    for number in range(2 * MAX_REFUSALS):
        desk.agents.symmetric_difference_update({"flights"} if number % 3 == 2 else set())
        await desk.at(SEVEN + timedelta(minutes=number))
    assert (await desk.schedules.get(OWNER, made.id)).enabled


async def test_an_agent_that_is_gone_is_told_and_comes_back(desk: Office) -> None:
    made = await desk.make("* * * * *")
    desk.agents.clear()
    assert await desk.at(SEVEN) == 0
    seen = await desk.schedules.get(OWNER, made.id)
    assert "no such agent" in str(seen.last_error)
    desk.agents.add("flights")
    assert await desk.after(minutes=1) == 1
    assert (await desk.schedules.get(OWNER, made.id)).last_error is None


async def test_each_run_is_told_to_the_audit_with_its_schedule(office: Office) -> None:
    made = await office.make("* * * * *")
    await office.at(SEVEN)
    (entry,) = await office.told("schedules.fire")
    (run,) = office.rows(made.id)
    assert (entry.decision, entry.run_id, entry.subject) == ("allowed", run.id, OWNER.subject)
    assert "2026-11-23 07:00 UTC" in entry.body


async def test_a_schedule_that_cannot_be_read_does_not_hold_up_the_others(desk: Office) -> None:
    broken, old = await desk.make("* * * * *"), await desk.make("* * * * *")
    good = await desk.make("* * * * *")
    desk.set(broken.id, principal={"nobody": True})
    desk.set(old.id, request={"agent_id": "flights", "input": "x", "gone_field": 1})
    assert await desk.at(SEVEN) == 1
    assert desk.rows(broken.id) == desk.rows(old.id) == []
    assert len(desk.rows(good.id)) == 1


async def test_more_than_a_page_of_schedules_is_due_at_once(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saaf_autogen.runs.schedules.ticker._AT_ONCE", 3)
    for _ in range(8):
        await desk.make("0 7 * * *")
    assert await desk.at(SEVEN) == 8


async def test_it_looks_by_itself_until_it_is_closed(desk: Office) -> None:
    made = await desk.make("0 7 * * *", overlap="allow")
    await desk.ticker.launch()
    desk.clock.advance(60)
    await desk.until_made(made.id)
    await desk.ticker.close()
    desk.clock.advance(86_400)
    await asyncio.sleep(0.05)
    assert len(desk.rows(made.id)) == 1


async def test_it_outlives_a_store_that_is_away(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await desk.make("0 7 * * *")
    look, away = desk.database.read, [True]

    async def read(*given: object, **named: object) -> object:
        if away[0]:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return await look(*given, **named)  # type: ignore[arg-type]  # as they come

    monkeypatch.setattr(desk.database, "read", read)
    await desk.ticker.launch()
    desk.clock.advance(60)
    await asyncio.sleep(0.05)
    assert desk.rows(made.id) == []
    away[0] = False
    await desk.until_made(made.id)
