from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from saaf_autogen.actions.effects import EffectStore
from saaf_autogen.actions.spec import ActionOutcome
from saaf_autogen.audit.tables import AuditEntryRow
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.errors import (
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    InsufficientScope,
    InvalidArguments,
    NotFound,
)
from saaf_autogen.runs import AnswerRequest, Run
from saaf_autogen.runs.answers import expire_questions, refuse_agents
from saaf_autogen.runs.tables import InputRequestRow, JournalRow
from saaf_autogen.settings import RunSettings
from saaf_autogen.testing import ManualClock
from tests.runs.asking import FACTS, AskingTeam, effect_key
from tests.runs.house import ANN, House, Stores, ask, living

BOB = ANN.model_copy(update={"subject": "client:bob"})
YES = AnswerRequest(text="Yes.")


@pytest.fixture
def asking() -> AskingTeam:
    return AskingTeam()


async def waiting(house: House, task: str = "input", who: Principal = ANN) -> Run:
    """A run that has come to its question."""
    run = await house.service.create(who, ask(task))
    return await until(house, run.id, "input_required", who)


async def until(house: House, run_id: str, status: str, who: Principal = ANN) -> Run:
    async with asyncio.timeout(20):
        while True:
            run = await house.service.get(who, run_id)
            if run.status == status:
                return run
            assert not run.ended, run
            await asyncio.sleep(0.02)


def id_of(run: Run) -> str:
    assert run.question is not None
    return run.question.id


async def said(house: House, run: Run, answer: AnswerRequest = YES, **more: Any) -> Run:
    return await house.service.answer(ANN, run.id, id_of(run), answer, **more)


async def rows(house: House, kind: Any) -> list[Any]:
    def look(session: Session) -> list[Any]:
        return list(session.scalars(select(kind)))

    return await house.database.read(look)


async def audited(house: House) -> list[dict[str, Any]]:
    """The entries of answers."""
    entries = [json.loads(row.body) for row in await rows(house, AuditEntryRow)]
    return [entry for entry in entries if entry["action"] == "runs.answer"]


async def test_a_run_that_asks_frees_its_worker_and_says_what_it_waits_for(
    sqlite: Stores, asking: AskingTeam
) -> None:
    async with living(sqlite, asking, RunSettings(concurrency=1)) as house:
        first, second = await waiting(house), await waiting(house)
        for run in (first, second):
            question = run.question
            assert question is not None
            assert (question.kind, question.source, question.prompt, question.state) == (
                *("input", "proxy", "Question 0?"),
                "open",
            )
            assert question.expires_at is not None
            assert question.expires_at - question.asked_at == timedelta(days=30)
            (event,) = [
                each
                for each in await house.service.events(ANN, run.id)
                if each.type == "run.input_required"
            ]
            assert event.data == question.model_dump(mode="json")
        listed = await house.service.list(ANN, status="input_required")
        assert [run.question for run in listed.data] == [second.question, first.question]


async def test_the_answer_is_what_the_turn_hears_and_no_model_is_asked_again(
    stores: Stores, asking: AskingTeam
) -> None:
    async with living(stores, asking) as house:
        run = await waiting(house)
        answered = await said(house, run)
        assert answered.question is None
        ended = await house.service.wait(ANN, run.id, 20)
        assert (ended.status, ended.output) == ("completed", "Yes.")
        assert asking.asked_models == 1
        types = [event.type for event in await house.service.events(ANN, run.id)]
        assert types == [
            *("run.queued", "run.running", "run.input_required"),
            *("run.queued", "run.running", "run.completed"),
        ]
        page = await house.service.questions(ANN, run.id)
        (question,) = page.data
        assert (question.state, question.answered_by) == ("answered", ANN.key)
        (record,) = await audited(house)
        assert (record["run_id"], record["decision"], record["outcome"]) == (
            *(run.id, "allowed"),
            "ok",
        )
        assert question.id in record["reason"]


async def test_a_run_that_asks_twice_hears_each_answer_at_its_place(
    sqlite: Stores, asking: AskingTeam
) -> None:
    async with living(sqlite, asking) as house:
        run = await waiting(house, "twice")
        first = id_of(run)
        await said(house, run, AnswerRequest(text="One"))
        run = await until(house, run.id, "input_required")
        assert id_of(run) != first
        with pytest.raises(Conflict, match="answered by"):
            await house.service.answer(ANN, run.id, first, YES)
        await said(house, run, AnswerRequest(text="Two"))
        assert (await house.service.wait(ANN, run.id, 20)).output == "One and Two"
        assert asking.asked_models == 1
        newest, oldest = (
            await house.service.questions(ANN, run.id, limit=1),
            await house.service.questions(ANN, run.id, cursor=id_of(run)),
        )
        assert [each.id for each in newest.data] == [newest.next_cursor] == [id_of(run)]
        assert [each.id for each in oldest.data] == [first]
        assert oldest.next_cursor is None


async def test_the_answer_to_a_handoff_is_what_the_next_turn_gets(
    stores: Stores, asking: AskingTeam
) -> None:
    async with living(stores, asking) as house:
        run = await waiting(house, "handoff")
        await said(house, run, AnswerRequest(text="Go on"))
        ended = await house.service.wait(ANN, run.id, 20)
        assert ended.output == "turn 1 heard Go on"
        assert await rows(house, JournalRow) == []


async def test_an_answer_comes_after_days_and_after_a_restart(
    stores: Stores, asking: AskingTeam
) -> None:
    clock = ManualClock()
    async with living(stores, asking, clock=clock) as house:
        run = await waiting(house)
    clock.advance(12 * 86_400)
    async with living(stores, asking, clock=clock) as house:
        assert (await house.service.get(ANN, run.id)).status == "input_required"
        await said(house, run)
        ended = await house.service.wait(ANN, run.id, 20)
        assert (ended.status, ended.output, asking.asked_models) == ("completed", "Yes.", 1)


async def test_an_answer_is_taken_where_no_worker_is_and_waits_for_one(
    sqlite: Stores, asking: AskingTeam
) -> None:
    async with living(sqlite, asking) as house:
        run = await waiting(house)
    async with living(sqlite, asking, launch=False) as house:
        assert (await said(house, run)).status == "queued"
    async with living(sqlite, asking) as house:
        assert (await house.service.wait(ANN, run.id, 20)).output == "Yes."


async def test_of_two_answers_at_once_one_counts_and_the_other_is_told_who_and_when(
    stores: Stores, asking: AskingTeam
) -> None:
    async with living(stores, asking, launch=False) as apart:
        async with living(stores, asking) as house:
            run = await waiting(house)
        answers = await asyncio.gather(
            *(said(apart, run, AnswerRequest(text=f"Answer {n}")) for n in range(6)),
            return_exceptions=True,
        )
        taken = [each for each in answers if isinstance(each, Run)]
        refused = [each for each in answers if isinstance(each, Conflict)]
        assert (len(taken), len(refused)) == (1, 5)
        (question,) = (await apart.service.questions(ANN, run.id)).data
        assert question.answered_at is not None
        for error in refused:
            assert error.extra == {
                "answered_by": ANN.key,
                "answered_at": question.answered_at.isoformat(timespec="seconds"),
            }
        (entry,) = [each for each in await rows(apart, JournalRow) if ":input:" in each.place]
        (asked,) = await rows(apart, InputRequestRow)
        assert entry.data == {"text": asked.answer["text"]}


async def test_the_same_answer_with_the_same_key_gives_the_run_again(
    stores: Stores, asking: AskingTeam
) -> None:
    async with living(stores, asking) as house:
        run = await waiting(house)
        answers = await asyncio.gather(*(said(house, run, idempotency_key="k") for _ in range(5)))
        assert {each.id for each in answers} == {run.id}
        await house.service.wait(ANN, run.id, 20)
        assert (await said(house, run, idempotency_key="k")).status == "completed"
        with pytest.raises(IdempotencyMismatch):
            await said(house, run, AnswerRequest(text="No."), idempotency_key="k")
        with pytest.raises(Conflict, match="answered by"):
            await said(house, run, idempotency_key="other")


async def test_runs_of_others_do_not_exist_and_cannot_be_answered(
    sqlite: Stores, asking: AskingTeam
) -> None:
    async with living(sqlite, asking) as house:
        run, other = await waiting(house), await waiting(house)
        acme = ANN.model_copy(update={"tenant": "acme"})
        told = set()
        for who in (BOB, acme):
            for run_id in (run.id, "run_none"):
                with pytest.raises(NotFound) as caught:
                    await house.service.answer(who, run_id, id_of(run), YES)
                told.add(str(caught.value))
                with pytest.raises(NotFound) as caught:
                    await house.service.questions(who, run_id)
                told.add(str(caught.value))
        assert told == {"There is no such run."}
        for question_id in (id_of(other), "inp_none", "inp_\x00\ud800"):
            with pytest.raises(NotFound, match="no such question"):
                await house.service.answer(ANN, run.id, question_id, YES)
        assert (await house.service.get(ANN, run.id)).question == run.question


async def test_answering_needs_its_scope_and_no_agent_does_it(
    sqlite: Stores, asking: AskingTeam
) -> None:
    async with living(sqlite, asking) as house:
        run = await waiting(house)
        narrow = ANN.model_copy(update={"scopes": ANN.scopes - {"runs:input"}})
        with pytest.raises(InsufficientScope, match="runs:input"):
            await house.service.answer(narrow, run.id, id_of(run), YES)
        agent = ANN.model_copy(update={"actors": (Actor(subject="agent:flights"),)})
        with pytest.raises(Forbidden):
            await house.service.answer(agent, run.id, id_of(run), YES)
        # Whatever scopes an agent may use.
        with pytest.raises(Forbidden, match="agent cannot answer"):
            refuse_agents(agent)
        portal = ANN.model_copy(update={"actors": (Actor(subject="client:portal"),)})
        await house.service.answer(portal, run.id, id_of(run), YES)
        assert (await house.service.wait(ANN, run.id, 20)).output == "Yes."


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("input", AnswerRequest(resolution="retry")),
        ("handoff", AnswerRequest(resolution="done", value=1)),
        ("outcome_unknown", YES),
    ],
)
async def test_an_answer_of_another_kind_is_refused_and_the_question_stays(
    sqlite: Stores, asking: AskingTeam, task: str, answer: AnswerRequest
) -> None:
    async with living(sqlite, asking) as house:
        run = await waiting(house, task)
        with pytest.raises(InvalidArguments, match="answered with"):
            await said(house, run, answer)
        assert (await house.service.get(ANN, run.id)).question == run.question


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "x" * 200_001},
        {"text": "x", "resolution": "done"},
        {"text": "x", "value": 1},
        {"resolution": "maybe"},
        {"resolution": "retry", "value": None},
        {"resolution": "done", "value": "x" * 65_535},
        {"text": "x", "question": "y"},
    ],
)
def test_an_answer_holds_what_it_may_and_nothing_else(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AnswerRequest.model_validate(body)


async def cut_off(house: House) -> EffectStore:
    """The write that the run asks about, as its dead worker left it."""
    effects = EffectStore(house.database, ManualClock(), lease_s=60)
    await effects.reserve(effect_key(), "call_1", holder="run#1")
    with pytest.raises(Conflict):
        await effects.look_up(effect_key(), "run#2")
    return effects


@pytest.mark.parametrize(
    ("answer", "journal", "outcome"),
    [
        (
            AnswerRequest(resolution="done", value={"paid": 5}),
            {"resolution": "done", "value": {"paid": 5}},
            ActionOutcome({"paid": 5}, None, "call_1"),
        ),
        (AnswerRequest(resolution="retry"), {"resolution": "retry", "value": None}, None),
        (AnswerRequest(resolution="failed"), {"resolution": "failed", "value": None}, None),
    ],
    ids=["done", "retry", "failed"],
)
async def test_what_became_of_a_write_settles_its_effect_and_is_what_the_turn_hears(
    stores: Stores,
    asking: AskingTeam,
    answer: AnswerRequest,
    journal: dict[str, Any],
    outcome: ActionOutcome | None,
) -> None:
    async with living(stores, asking) as house:
        effects = await cut_off(house)
        run = await waiting(house, "outcome_unknown")
        assert run.question is not None
        assert run.question.data == FACTS
        await said(house, run, answer)
        assert await effects.look_up(effect_key(), "run#2") == outcome
        assert (await house.service.wait(ANN, run.id, 20)).output == str(journal)
        (record,) = await audited(house)
        assert record["reason"].endswith(f": {answer.resolution}")


async def test_a_write_that_came_back_meanwhile_is_believed_more_than_the_human(
    stores: Stores, asking: AskingTeam
) -> None:
    async with living(stores, asking) as house:
        effects = await cut_off(house)
        run = await waiting(house, "outcome_unknown")
        await effects.finish(effect_key(), ActionOutcome({"paid": 6}, None, "call_1"))
        with pytest.raises(Conflict, match="took effect"):
            await said(house, run, AnswerRequest(resolution="failed"))
        assert (await house.service.get(ANN, run.id)).question == run.question
        await said(house, run, AnswerRequest(resolution="retry"))
        ended = await house.service.wait(ANN, run.id, 20)
        assert ended.output == str({"resolution": "done", "value": {"paid": 6}})


async def test_a_question_that_nobody_answers_ends_its_run_in_time(
    stores: Stores, asking: AskingTeam
) -> None:
    clock = ManualClock()
    async with living(stores, asking, RunSettings(input_days=2), clock=clock) as house:
        run, later = await waiting(house), await waiting(house)
        await said(house, later)
        await house.service.wait(ANN, later.id, 20)
        clock.advance(2 * 86_400 - 1)
        assert await house.database.run(expire_questions, clock.now()) == []
        clock.advance(2)
        ended = await asyncio.gather(
            *(house.database.run(expire_questions, clock.now()) for _ in range(4))
        )
        assert sorted(ended) == [[], [], [], [run.id]]
        run = await house.service.get(ANN, run.id)
        assert run.status == "timed_out"
        assert run.error is not None
        assert run.error["reason"] == "input_expired"
        (question,) = (await house.service.questions(ANN, run.id)).data
        assert question.state == "expired"
        with pytest.raises(Conflict, match="expired"):
            await house.service.answer(ANN, run.id, question.id, YES)


async def test_a_run_that_waits_is_cancelled_at_once_and_its_question_withdrawn(
    sqlite: Stores, asking: AskingTeam
) -> None:
    async with living(sqlite, asking) as house:
        run = await waiting(house)
        assert (await house.service.cancel(ANN, run.id)).status == "cancelled"
        (question,) = (await house.service.questions(ANN, run.id)).data
        assert question.state == "withdrawn"
        with pytest.raises(Conflict, match="withdrawn"):
            await house.service.answer(ANN, run.id, question.id, YES)


async def test_an_answer_and_a_cancellation_at_once_leave_one_of_them(
    stores: Stores, asking: AskingTeam
) -> None:
    async with living(stores, asking, launch=False) as apart:
        async with living(stores, asking) as house:
            runs = [await waiting(house) for _ in range(4)]
        for run in runs:
            answered, _ = await asyncio.gather(
                said(apart, run), apart.service.cancel(ANN, run.id), return_exceptions=True
            )
            (question,) = (await apart.service.questions(ANN, run.id)).data
            assert question.state == ("answered" if isinstance(answered, Run) else "withdrawn")
            assert (await apart.service.get(ANN, run.id)).status == "cancelled"


async def test_waiting_for_the_end_goes_on_while_the_run_waits(
    sqlite: Stores, asking: AskingTeam
) -> None:
    async with living(sqlite, asking) as house:
        run = await waiting(house)
        end = asyncio.create_task(house.service.wait(ANN, run.id, 20))
        await asyncio.sleep(0.2)
        await said(house, run)
        assert (await end).output == "Yes."


async def test_every_question_carries_the_tenant_of_its_run(
    sqlite: Stores, asking: AskingTeam
) -> None:
    acme = ANN.model_copy(update={"tenant": "acme"})
    async with living(sqlite, asking) as house:
        run = await waiting(house, who=acme)
        await house.service.answer(acme, run.id, id_of(run), YES)
        await house.service.wait(acme, run.id, 20)
        assert {row.tenant for row in await rows(house, InputRequestRow)} == {"acme"}
