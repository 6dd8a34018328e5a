from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from saaf_autogen.auth.administration.versions import Expected, tag_of
from saaf_autogen.errors import (
    Conflict,
    InsufficientScope,
    InvalidArguments,
    NotFound,
    PreconditionFailed,
)
from saaf_autogen.runs.schedules import MAX_SCHEDULES
from tests.runs.schedules.office import MONDAY, OWNER, Office

BOB = OWNER.model_copy(update={"subject": "client:bob", "client_id": "bob"})
ELSEWHERE = OWNER.model_copy(update={"tenant": "other"})


async def test_what_was_said_is_shown_with_the_times_to_come(office: Office) -> None:
    made = await office.make(
        "30 7 * * mon", zone="Asia/Kathmandu", name="Weekly", run={"metadata": {"a": 1}}
    )
    assert made.next_times[0].isoformat() == "2026-11-30T07:30:00+05:45"
    assert len(made.next_times) == 5
    assert (made.name, made.overlap, made.enabled, made.version) == ("Weekly", "skip", True, 1)
    assert made.run.metadata == {"a": 1}
    seen = await office.schedules.get(OWNER, made.id)
    assert seen == made


async def test_schedules_of_others_are_not_found(office: Office) -> None:
    made = await office.make()
    for stranger in (BOB, ELSEWHERE):
        for asked in (
            office.schedules.get(stranger, made.id),
            office.schedules.change(stranger, made.id, {"name": "x"}),
            office.schedules.pause(stranger, made.id),
            office.schedules.resume(stranger, made.id),
            office.schedules.trigger(stranger, made.id),
            office.schedules.remove(stranger, made.id),
        ):
            with pytest.raises(NotFound):
                await asked
        assert (await office.schedules.list(stranger)).data == []
    assert (await office.schedules.get(OWNER, made.id)) == made


@pytest.mark.parametrize("name", ["none", "sch_" + "0" * 32, "sch_\x00", "sch_" + "0" * 99])
async def test_an_id_of_nothing_is_not_found(office: Office, name: str) -> None:
    with pytest.raises(NotFound):
        await office.schedules.get(OWNER, name)


async def test_pages_go_on_where_the_one_before_ended(office: Office) -> None:
    made = []
    for _ in range(5):
        office.clock.advance(1)
        made.append((await office.make()).id)
    first = await office.schedules.list(OWNER, limit=3)
    rest = await office.schedules.list(OWNER, limit=3, cursor=first.next_cursor)
    assert [each.id for each in first.data + rest.data] == made
    assert rest.next_cursor is None
    with pytest.raises(InvalidArguments):
        await office.schedules.list(OWNER, cursor="made up")


async def test_a_merge_patch_changes_what_it_names(office: Office) -> None:
    made = await office.make("0 7 * * *", run={"metadata": {"a": 1, "b": 2}})
    office.clock.advance(60)
    patch: dict[str, Any] = {"run": {"input": "bye", "metadata": {"a": None}}, "overlap": "allow"}
    changed = await office.schedules.change(OWNER, made.id, patch)
    assert changed.run.input == "bye"
    assert changed.run.metadata == {"b": 2}
    assert (changed.cron, changed.overlap, changed.version) == ("0 7 * * *", "allow", 2)
    assert changed.updated_at == made.created_at + timedelta(seconds=60)
    # Its time of 07:00 has come, and is still to be kept.
    assert await office.ticker.tick() == 1


async def test_another_expression_counts_from_now_on(office: Office) -> None:
    made = await office.make("0 7 * * *")
    office.clock.advance(120)
    changed = await office.schedules.change(OWNER, made.id, {"cron": "0 8 * * *"})
    assert await office.ticker.tick() == 0
    assert changed.next_times[0] == MONDAY.replace(hour=8, minute=0, second=0)


async def test_a_change_of_what_was_seen_before_fails(office: Office) -> None:
    made = await office.make("* * * * *")
    seen = Expected(frozenset({tag_of(made)}))
    assert await office.after(minutes=1) == 1
    changed = await office.schedules.change(OWNER, made.id, {"name": "one"}, seen)
    assert changed.last_run_id, "a run that was made meanwhile is no change"
    with pytest.raises(PreconditionFailed):
        await office.schedules.change(OWNER, made.id, {"name": "two"}, seen)
    with pytest.raises(PreconditionFailed):
        await office.schedules.remove(OWNER, made.id, seen)


async def test_changes_at_once_are_made_one_after_the_other_or_refused(office: Office) -> None:
    made = await office.make()
    patches: list[dict[str, Any]] = [{"name": "x"}, {"overlap": "allow"}, {"zone": "Asia/Tokyo"}]
    outcomes = await asyncio.gather(
        *(office.schedules.change(OWNER, made.id, patch) for patch in patches),
        return_exceptions=True,
    )
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert all(isinstance(each, Conflict) for each in refused)
    seen = await office.schedules.get(OWNER, made.id)
    assert seen.version == 1 + len(patches) - len(refused)


async def test_a_removed_schedule_leaves_its_runs(office: Office) -> None:
    made = await office.make("* * * * *")
    await office.after(minutes=1)
    await office.schedules.remove(OWNER, made.id)
    with pytest.raises(NotFound):
        await office.schedules.get(OWNER, made.id)
    assert len(office.rows(made.id)) == 1
    page = await office.runs.list(OWNER, schedule_id=made.id)
    assert [run.schedule_id for run in page.data] == [made.id]


async def test_a_run_can_be_made_now_paused_or_not(office: Office) -> None:
    made = await office.make(enabled=False)
    run = await office.schedules.trigger(OWNER, made.id, idempotency_key="k")
    again = await office.schedules.trigger(OWNER, made.id, idempotency_key="k")
    assert run.id == again.id
    assert run.schedule_id == made.id
    assert len(office.rows(made.id)) == 1
    other = await office.schedules.trigger(OWNER, made.id)
    seen = await office.schedules.get(OWNER, made.id)
    assert (seen.last_run_id, seen.last_at) == (other.id, office.clock.now())


async def test_a_run_made_now_has_the_callers_rights_alone(office: Office) -> None:
    made = await office.make()
    narrow = OWNER.model_copy(update={"scopes": OWNER.scopes - {"a"}})
    await office.schedules.trigger(narrow, made.id)
    (run,) = office.rows(made.id)
    assert run.principal["scopes"] == []


async def test_runs_have_the_rights_of_whoever_changed_the_schedule_last(office: Office) -> None:
    made = await office.make("* * * * *", overlap="allow")
    narrow = OWNER.model_copy(update={"scopes": OWNER.scopes - {"a"}})
    await office.after(minutes=1)
    await office.schedules.change(narrow, made.id, {"run": {"input": "more"}})
    await office.after(minutes=1)
    assert [row.principal["scopes"] for row in office.rows(made.id)] == [["a"], []]


@pytest.mark.parametrize("missing", ["schedules:manage", "agents:run"])
async def test_schedules_need_their_scopes(desk: Office, missing: str) -> None:
    made = await desk.make()
    who = OWNER.model_copy(update={"scopes": OWNER.scopes - {missing}})
    body = {"cron": "0 7 * * *", "run": {"agent_id": "flights", "input": "x"}}
    for asked in (
        desk.schedules.create(who, body),
        desk.schedules.change(who, made.id, {"name": "x"}),
        desk.schedules.trigger(who, made.id),
    ):
        with pytest.raises(InsufficientScope) as caught:
            await asked
        assert caught.value.missing == (missing,)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"cron": "0 7 * * 9"}, "day-of-week"),
        ({"zone": "Mars/Olympus"}, "time zone"),
        ({"run": {"agent_id": "flights"}}, "run.input"),
        ({"run": {"agent_id": "flights", "input": "x", "after_seconds": 5}}, "after_seconds"),
        ({"overlap": "replace"}, "overlap"),
        ({"colour": "red"}, "colour"),
        ({"run": {"agent_id": "flights", "input": "x", "webhook": {"url": "http://x"}}}, "refused"),
    ],
)
async def test_what_could_not_run_is_refused_when_it_is_said(
    desk: Office, body: dict[str, Any], told: str
) -> None:
    good = {"cron": "0 7 * * *", "run": {"agent_id": "flights", "input": "x"}}
    with pytest.raises(InvalidArguments) as caught:
        await desk.schedules.create(OWNER, {**good, **body})
    assert told in json.dumps([caught.value.detail, caught.value.extra])


@pytest.mark.parametrize(
    "patch",
    [
        {"cron": "0 7 30 2 *"},
        {"cron": None},
        {"zone": "Berlin"},
        {"run": {"input": None}},
        {"run": None},
        {"run": {"webhook": {"url": "ftp://x"}}},
        {"next_times": []},
    ],
)
async def test_a_change_to_what_could_not_run_is_refused(
    desk: Office, patch: dict[str, Any]
) -> None:
    made = await desk.make()
    with pytest.raises(InvalidArguments):
        await desk.schedules.change(OWNER, made.id, patch)
    assert await desk.schedules.get(OWNER, made.id) == made


async def test_a_schedule_of_an_unknown_agent_or_with_a_priority_of_others_is_refused(
    desk: Office,
) -> None:
    with pytest.raises(NotFound):
        await desk.make(run={"agent_id": "trains"})
    with pytest.raises(InsufficientScope) as caught:
        await desk.make(run={"priority": 5})
    assert caught.value.missing == ("runs:prioritize",)


async def test_nobody_has_more_schedules_than_the_limit_however_fast_they_ask(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saaf_autogen.runs.schedules.service.MAX_SCHEDULES", 3)
    outcomes = await asyncio.gather(*(office.make() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in outcomes) == 5
    assert len((await office.schedules.list(OWNER)).data) == 3
    assert MAX_SCHEDULES == 100


async def test_changes_are_told_to_the_audit_without_what_agents_are_asked(office: Office) -> None:
    made = await office.make("0 7 * * *", run={"input": "the secret question"})
    await office.schedules.change(OWNER, made.id, {"cron": "0 8 * * *", "run": {"input": "other"}})
    await office.schedules.pause(OWNER, made.id)
    await office.schedules.trigger(OWNER, made.id)
    await office.schedules.remove(OWNER, made.id)
    with pytest.raises(NotFound):
        await office.schedules.remove(OWNER, made.id)
    (created,) = await office.told("schedules.create")
    (changed,) = await office.told("schedules.change")
    (triggered,) = await office.told("schedules.trigger")
    assert json.loads(changed.body)["changes"]["cron"] == {"from": "0 7 * * *", "to": "0 8 * * *"}
    assert triggered.run_id == office.rows(made.id)[0].id
    removed = await office.told("schedules.remove")
    assert [each.decision for each in removed] == ["allowed", "denied"]
    for entry in (created, changed, removed[0]):
        assert f"schedule://{made.id}" in entry.resources
        assert "secret question" not in entry.body
        assert entry.kind == "change"


async def test_times_of_an_expression_that_comes_every_few_decades_are_shown(desk: Office) -> None:
    made = await desk.make("0 0 * 2 MON#5")
    assert made.next_times[0] == datetime(2044, 2, 29, tzinfo=UTC)
