"""Questions of runs to humans in the store; each function works within the caller's transaction."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from saaf_autogen.errors import InvalidArguments
from saaf_autogen.journal import Answer, Question
from saaf_autogen.runs import event_log
from saaf_autogen.runs.inputs import QuestionPage, QuestionState, QuestionView
from saaf_autogen.runs.tables import InputRequestRow, RunRow
from saaf_autogen.runs.text import clean_json, clean_text

__all__ = [
    "answer_of_turn",
    "ask",
    "list_questions",
    "open_question",
    "open_questions",
    "view_of",
    "withdraw",
]

_ID = re.compile(r"inp_[0-9a-f]{32}")
_MAX_PAGE = 100
_MAX_PROMPT = 20_000
_MAX_SOURCE = 255


def ask(
    session: Session,
    row: RunRow,
    question: Question,
    now: datetime,
    expires_at: datetime | None,
) -> str:
    """Store what a run waits for, with its event; the question's id.

    The caller holds the run's lock and sets its state.
    """
    withdraw(session, row.id, "withdrawn", now)
    asked = InputRequestRow(
        # Ids sort by time, so that they serve as the cursor of pages.
        id=f"inp_{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}",
        tenant=row.tenant,
        run_id=row.id,
        turn=_turn_of(question, row),
        kind=question.kind,
        place=question.place,
        source=clean_text(question.source)[:_MAX_SOURCE],
        prompt=clean_text(question.prompt)[:_MAX_PROMPT],
        data=clean_json(question.data),
        state="open",
        asked_at=now,
        expires_at=expires_at,
    )
    session.add(asked)
    told = view_of(asked).model_dump(mode="json")
    kind = "run.input_required"
    event_log.append_new(session, row, kind, f"{kind}:{asked.id}", told, now)
    return asked.id


def open_question(session: Session, run_id: str) -> QuestionView | None:
    """What a run waits for, or None."""
    return open_questions(session, [run_id]).get(run_id)


def open_questions(session: Session, run_ids: Iterable[str]) -> dict[str, QuestionView]:
    """What each of these runs waits for, by the run's id."""
    query = select(InputRequestRow).where(
        InputRequestRow.run_id.in_(list(run_ids)), InputRequestRow.state == "open"
    )
    return {row.run_id: view_of(row) for row in session.scalars(query)}


def list_questions(
    session: Session, run_id: str, *, cursor: str | None = None, limit: int = 20
) -> QuestionPage:
    """A page of all that a run ever asked, newest first."""
    if not 1 <= limit <= _MAX_PAGE:
        raise InvalidArguments(f"limit is {limit}.", remedy=f"Ask for 1 to {_MAX_PAGE} questions.")
    query = select(InputRequestRow).where(InputRequestRow.run_id == run_id)
    if cursor:
        if not _ID.fullmatch(cursor):
            raise InvalidArguments(
                "The cursor is not one that this API gave.",
                remedy="Pass next_cursor of the page before, or leave it out.",
            )
        query = query.where(InputRequestRow.id < cursor)
    rows = session.scalars(query.order_by(InputRequestRow.id.desc()).limit(limit + 1)).all()
    more = len(rows) > limit
    return QuestionPage(
        data=[view_of(row) for row in rows[:limit]],
        next_cursor=rows[limit - 1].id if more else None,
    )


def answer_of_turn(session: Session, run_id: str, turn: int) -> Answer | None:
    """What a human said to the handoff that ended the turn before ``turn``."""
    row = session.scalars(
        select(InputRequestRow)
        .where(
            InputRequestRow.run_id == run_id,
            InputRequestRow.turn == turn - 1,
            InputRequestRow.kind == "handoff",
            InputRequestRow.state == "answered",
        )
        .order_by(InputRequestRow.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None or row.answer is None:
        return None
    question = Question("handoff", row.place, row.source, row.prompt, row.data)
    return Answer(question, str(row.answer["text"]))


def withdraw(session: Session, run_id: str, state: QuestionState, now: datetime) -> None:
    """Close what a run still asks: it ends, or asks for something else."""
    query = select(InputRequestRow).where(
        InputRequestRow.run_id == run_id, InputRequestRow.state == "open"
    )
    for row in session.scalars(query.with_for_update()):
        row.state, row.answered_at = state, now


def view_of(row: InputRequestRow) -> QuestionView:
    """A question as its run's owner sees it."""
    return QuestionView.model_validate(
        {
            "id": row.id,
            "run_id": row.run_id,
            "kind": row.kind,
            "source": row.source,
            "prompt": row.prompt,
            "data": row.data,
            "state": row.state,
            "asked_at": row.asked_at,
            "expires_at": row.expires_at,
            "answered_at": row.answered_at,
            "answered_by": row.answered_by,
        }
    )


def _turn_of(question: Question, row: RunRow) -> int:
    """The turn that asks: when a handoff is stored, the run has gone on to the next one."""
    number, _, _ = question.place.partition(":")
    return int(number) if number.isdecimal() else row.turn
