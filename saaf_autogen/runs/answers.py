"""Answers to the questions of runs, and what becomes of those that nobody answers.

Each function works within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from saaf_autogen.actions.effects import EffectKey
from saaf_autogen.actions.spec import ActionOutcome
from saaf_autogen.auth.principal import Principal
from saaf_autogen.crypto import digest
from saaf_autogen.errors import (
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    InvalidArguments,
    NotFound,
    TimedOut,
)
from saaf_autogen.runs import event_log, store
from saaf_autogen.runs.inputs import AnswerRequest, Resolution
from saaf_autogen.runs.tables import InputRequestRow, JournalRow, RunRow
from saaf_autogen.runs.text import canonical, clean_json, clean_text

__all__ = ["ResolveEffect", "answer", "expire_questions", "refuse_agents"]

ResolveEffect = Callable[[Session, EffectKey, Resolution, Any], ActionOutcome | None]
"""As ``EffectStore.resolve``."""

_AGENT = "agent:"
_EXPIRED_AT_ONCE = 100


def refuse_agents(principal: Principal) -> None:
    """A human is asked: no agent answers on anybody's behalf. Raises ``Forbidden``."""
    if any(actor.subject.startswith(_AGENT) for actor in principal.actors):
        raise Forbidden(
            "An agent cannot answer what a run asks of a human.",
            remedy="Let the human answer, with a token of their own.",
        )


def answer(
    session: Session,
    principal: Principal,
    run_id: str,
    question_id: str,
    request: AnswerRequest,
    now: datetime,
    *,
    resolve: ResolveEffect | None = None,
    idempotency_key: str | None = None,
) -> bool:
    """Take an answer: the run goes on from where it asked. False: it had been taken before.

    Args:
        session: the caller's transaction.
        principal: who answers.
        run_id: of their run.
        question_id: what it waits for.
        request: the answer.
        now: the time that is written down.
        resolve: settles the effect of a write whose outcome was unknown; None where no effects
            are kept.
        idempotency_key: with the same key, the same answer may come again.

    Raises:
        NotFound: the run is not the caller's, or has no such question.
        InvalidArguments: the answer is of another kind than the question.
        IdempotencyMismatch: the key came before, with another answer.
        Conflict: it was answered or closed before, or the write came back with a success.
    """
    row = store.owned(session, principal, run_id, lock=True)
    asked = session.get(InputRequestRow, clean_text(question_id), with_for_update=True)
    if asked is None or asked.run_id != row.id:
        raise NotFound("The run has no such question.")
    sent = clean_json(request.model_dump(mode="json", exclude_unset=True))
    mark = digest(canonical([asked.id, sent]))
    key = digest(idempotency_key) if idempotency_key else None
    if key and _came_before(session, row, key, mark):
        return False
    _require_open(asked, row)
    said = _taken(session, row, asked, request, resolve)
    asked.state = "answered"
    asked.answer = {**said, "key": key, "mark": mark}
    asked.answered_by, asked.answered_at = principal.key, now
    _go_on(session, row, asked, said, now)
    return True


def expire_questions(session: Session, now: datetime, *, callback_delay_s: float = 0) -> list[str]:
    """End the runs whose question nobody answered in time; their ids.

    ``callback_delay_s`` are the seconds to wait before a callback's first try.
    """
    overdue = (
        select(InputRequestRow.run_id)
        .where(InputRequestRow.state == "open", InputRequestRow.expires_at <= now)
        # One order for all: two that look at once wait for each other and never in a circle.
        .order_by(InputRequestRow.run_id)
        .limit(_EXPIRED_AT_ONCE)
    )
    ended = []
    for run_id in session.scalars(overdue).all():
        row = session.get(RunRow, run_id, with_for_update=True)
        asked = session.scalars(
            select(InputRequestRow)
            .where(
                InputRequestRow.run_id == run_id,
                InputRequestRow.state == "open",
                InputRequestRow.expires_at <= now,
            )
            .with_for_update()
        ).first()
        if row is None or asked is None:
            continue
        asked.state, asked.answered_at = "expired", now
        if row.status != "input_required":
            continue
        error = TimedOut(
            f"Nobody answered {asked.source or 'the run'} within the time that it waits.",
            remedy="Start it again, or raise runs.input_days in saaf.yaml.",
            extra={"reason": "input_expired", "question_id": asked.id},
        )
        session.flush()
        if store.finish(
            session, run_id, "timed_out", now, error=error.problem(), delay_s=callback_delay_s
        ):
            ended.append(run_id)
    return ended


def _came_before(session: Session, row: RunRow, key: str, mark: str) -> bool:
    """Whether this very answer was taken under this key."""
    answered = session.scalars(
        select(InputRequestRow.answer).where(
            InputRequestRow.run_id == row.id, InputRequestRow.state == "answered"
        )
    )
    for each in answered:
        if each is not None and each.get("key") == key:
            if each.get("mark") != mark:
                raise IdempotencyMismatch(
                    "This Idempotency-Key was used before, for another answer.",
                    remedy="Use a new key for a new answer.",
                )
            return True
    return False


def _require_open(asked: InputRequestRow, row: RunRow) -> None:
    if asked.state == "open" and row.status == "input_required":
        return
    at = asked.answered_at.isoformat(timespec="seconds") if asked.answered_at else "before"
    if asked.state == "answered":
        raise Conflict(
            f"It was answered by {asked.answered_by} at {at}.",
            remedy="Read the run: it went on with that answer.",
            extra={"answered_by": asked.answered_by, "answered_at": at},
        )
    raise Conflict(
        f"It is not answered any more: it was {asked.state} at {at}."
        if asked.state != "open"
        else f"The run does not wait for it: it is {row.status}.",
        remedy="Read the run; its question, if it has one, is in `question`.",
    )


def _taken(
    session: Session,
    row: RunRow,
    asked: InputRequestRow,
    request: AnswerRequest,
    resolve: ResolveEffect | None,
) -> dict[str, Any]:
    """The answer as the journal remembers it."""
    if asked.kind != "outcome_unknown":
        if request.text is None:
            raise InvalidArguments(
                f"A question of the kind {asked.kind} is answered with a text.",
                remedy="Send text.",
            )
        return {"text": clean_text(request.text)}
    if request.resolution is None:
        raise InvalidArguments(
            "What became of a write is not answered with a text.",
            remedy="Send resolution: done, retry or failed.",
        )
    return _settled(session, row, asked, request.resolution, request.value, resolve)


def _settled(
    session: Session,
    row: RunRow,
    asked: InputRequestRow,
    resolution: Resolution,
    value: Any,
    resolve: ResolveEffect | None,
) -> dict[str, Any]:
    if resolve is None:
        return {"resolution": resolution, "value": value}
    facts = asked.data
    key = EffectKey.of(
        Principal.model_validate(row.principal),
        facts["idempotency_key"],
        action=facts["action"],
        arguments=facts.get("arguments", {}),
        effect="write",
    )
    outcome = resolve(session, key, resolution, value)
    if outcome is not None:
        # Its own outcome, if it came back meanwhile, whatever was said.
        return {"resolution": "done", "value": clean_json(outcome.value)}
    return {"resolution": resolution, "value": None}


def _go_on(
    session: Session, row: RunRow, asked: InputRequestRow, said: dict[str, Any], now: datetime
) -> None:
    if asked.kind != "handoff":
        session.merge(
            JournalRow(
                run_id=row.id,
                place=asked.place,
                turn=asked.turn,
                tenant=row.tenant,
                digest=digest(asked.prompt),
                data=said,
                at=now,
            )
        )
    row.status = "queued"
    told = {"agent_id": row.agent_id, "question_id": asked.id}
    event_log.append_new(session, row, "run.queued", f"run.queued:{asked.id}", told, now)
