"""Runs in the store; each function works within the caller's transaction."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from saaf_autogen.auth.principal import Principal
from saaf_autogen.crypto import digest
from saaf_autogen.errors import Conflict, IdempotencyMismatch, InvalidArguments, NotFound
from saaf_autogen.journal import Fenced
from saaf_autogen.runs import claims, event_log, history, outbox, questions
from saaf_autogen.runs.claims import ClaimRules
from saaf_autogen.runs.hold import Hold, require_hold
from saaf_autogen.runs.limits import RunLimits
from saaf_autogen.runs.model import (
    TERMINAL,
    Agent,
    Budget,
    EndStatus,
    Run,
    RunPage,
    RunRequest,
    RunStatus,
    RunWork,
    Webhook,
)
from saaf_autogen.runs.tables import RunRow
from saaf_autogen.runs.text import canonical, clean_json, clean_text
from saaf_autogen.runs.usage import RunUsage, usage_rows, used_in_all

__all__ = [
    "NewRun",
    "cancel_requested",
    "cancelled_orphans",
    "create",
    "create_many",
    "finish",
    "finish_row",
    "get",
    "give_back",
    "has_ended",
    "held_by",
    "keyed",
    "list_runs",
    "load",
    "owned",
    "request_cancel",
]

_ID = re.compile(r"run_[0-9a-f]{32}")
_MAX_PAGE = 100


@dataclass(frozen=True)
class NewRun:
    """Everything that a run is made of.

    ``principal`` is the snapshot that the run acts with, ``owner`` the key of the caller.
    """

    request: RunRequest
    owner: str
    principal: Principal
    agent: Agent
    limits: RunLimits
    idempotency_key: str | None = None
    release: str = ""
    schedule_id: str | None = None


def create(
    session: Session,
    new: NewRun,
    now: datetime,
    *,
    worker: str | None = None,
    rules: ClaimRules | None = None,
) -> tuple[Run, RunWork | None, bool]:
    """The run, its work if it was taken, and whether it is new: a known key gives the original.

    Args:
        session: the caller's transaction.
        new: what the run is made of.
        now: the time that is written down.
        worker: takes the run at once if nothing waits before it and ``rules`` admit it.
        rules: limits of what executes at once.

    Raises:
        IdempotencyMismatch: the key came before, with another body.
    """
    fingerprint = digest(canonical(clean_json(new.request.model_dump(mode="json"))))
    row = _row(new, fingerprint, now)
    hold, rules = None, rules or ClaimRules()
    if worker and not row.not_before and claims.admits(session, row, now, rules):
        hold = claims.take(row, worker, now)
    if new.idempotency_key:
        earlier = _earlier(session, row)
        if earlier is not None:
            return _view(session, earlier), None, False
    session.add(row)
    # The database wants the run before its events, and nobody else would see to it.
    session.flush()
    event_log.append_new(session, row, "run.queued", "run.queued", _queued(row), now)
    if hold:
        claims.tell(session, row, now)
    work = _work(session, row, hold, new.principal) if hold else None
    return _view(session, row), work, True


def _earlier(session: Session, row: RunRow) -> RunRow | None:
    """The run that came before with the same key; otherwise ``row`` is stored.

    Raises:
        IdempotencyMismatch: it came with another body.
    """
    try:
        # The unique constraint decides between two creates at once; the savepoint keeps the
        # transaction alive for the loser, who then reads the winner's row.
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        found = session.scalars(
            select(RunRow).where(
                RunRow.owner == row.owner, RunRow.idempotency_key == row.idempotency_key
            )
        ).one()
        if found.fingerprint != row.fingerprint:
            raise IdempotencyMismatch(
                "This Idempotency-Key was used before, for another body.",
                remedy="Use a new key for a new request.",
            ) from None
        return found
    return None


def create_many(
    session: Session, orders: Sequence[NewRun], fingerprint: str, now: datetime
) -> list[Run]:
    """New runs in their order, with one fingerprint; raises ``IntegrityError`` for a known key."""
    rows = [_row(new, fingerprint, now) for new in orders]
    for number, row in enumerate(rows):
        # Made within one millisecond, they still sort by their order.
        row.id = f"{row.id[:16]}{number:04x}{secrets.token_hex(8)}"
    session.add_all(rows)
    session.flush()
    for row in rows:
        event_log.append_new(session, row, "run.queued", "run.queued", _queued(row), now)
    session.flush()
    return [_view(session, row) for row in rows]


def keyed(session: Session, owner: str, keys: Sequence[str | None]) -> list[tuple[Run, str]]:
    """The runs that these idempotency keys made, in the keys' order, with their fingerprints."""
    query = select(RunRow).where(RunRow.owner == owner, RunRow.idempotency_key.in_(keys))
    found = {row.idempotency_key: row for row in session.scalars(query)}
    rows = [found[key] for key in keys if key in found]
    return [(_view(session, row), row.fingerprint) for row in rows]


def get(session: Session, principal: Principal, run_id: str) -> Run:
    """A run of this principal; raises ``NotFound`` for everyone else's."""
    return _view(session, owned(session, principal, run_id))


def has_ended(session: Session, principal: Principal, run_id: str) -> bool:
    """Whether a run of this principal is over; raises ``NotFound`` for everyone else's."""
    query = select(RunRow.owner, RunRow.tenant, RunRow.status)
    found = session.execute(query.where(RunRow.id == clean_text(run_id))).one_or_none()
    if found is None or (found.owner, found.tenant) != (principal.key, principal.tenant):
        raise NotFound("There is no such run.")
    return found.status in TERMINAL


def list_runs(
    session: Session,
    principal: Principal,
    *,
    status: RunStatus | None = None,
    agent_id: str | None = None,
    schedule_id: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> RunPage:
    """A page of this principal's runs, newest first."""
    if not 1 <= limit <= _MAX_PAGE:
        raise InvalidArguments(f"limit is {limit}.", remedy=f"Ask for 1 to {_MAX_PAGE} runs.")
    query = select(RunRow).where(RunRow.owner == principal.key, RunRow.tenant == principal.tenant)
    if status:
        query = query.where(RunRow.status == status)
    if agent_id:
        query = query.where(RunRow.agent_id == agent_id)
    if schedule_id:
        query = query.where(RunRow.schedule_id == clean_text(schedule_id))
    if cursor:
        if not _ID.fullmatch(cursor):
            raise InvalidArguments(
                "The cursor is not one that this API gave.",
                remedy="Pass next_cursor of the page before, or leave it out.",
            )
        query = query.where(RunRow.id < cursor)
    rows = session.scalars(query.order_by(RunRow.id.desc()).limit(limit + 1)).all()
    more = len(rows) > limit
    return RunPage(
        data=[_view(session, row) for row in rows[:limit]],
        next_cursor=rows[limit - 1].id if more else None,
    )


def load(session: Session, hold: Hold) -> RunWork:
    """What a worker needs of a run that it holds; raises ``Fenced`` when it does not."""
    row = require_hold(session, hold, whole=True)
    return _work(session, row, hold, Principal.model_validate(row.principal))


def _work(session: Session, row: RunRow, hold: Hold, principal: Principal) -> RunWork:
    return RunWork(
        hold=hold,
        tenant=row.tenant,
        agent_id=row.agent_id,
        input=row.input,
        definition=row.definition,
        principal=principal,
        limits=RunLimits.from_json(row.limits),
        usage=row.usage,
        turn=row.turn,
        state=history.state_of(session, row.id) if row.turn else None,
        answer=questions.answer_of_turn(session, row.id, row.turn) if row.turn else None,
        redone=row.epoch > 1,
        active_s=row.active_s,
        cancel_requested=row.cancel_requested_at is not None,
        calls_back=row.webhook_url is not None,
    )


def give_back(
    session: Session,
    hold: Hold,
    *,
    crashed: bool,
    active_s: float | None = None,
    usage: dict[str, Any] | None = None,
) -> int:
    """Let go of a run, for any worker to take up; how often its execution has broken down.

    ``active_s`` and ``usage`` are of its work up to now; without them, up to its last turn.
    """
    try:
        row = require_hold(session, hold)
    except Fenced:
        return 0
    row.worker = None
    row.crashes += crashed
    if active_s is not None:
        row.active_s = active_s
    if usage is not None:
        # The turn is counted anew when it is done again; until then, this is what is known.
        row.usage = {**row.usage, "unfinished": used_in_all(row.usage, usage)}
    return row.crashes


def held_by(session: Session, worker: str) -> list[Hold]:
    """The holds of a worker, as the store knows them."""
    query = select(RunRow.id, RunRow.epoch).where(
        RunRow.worker == worker, RunRow.status == "running"
    )
    return [Hold(id_, worker, epoch) for id_, epoch in session.execute(query)]


def finish(
    session: Session,
    run_id: str,
    status: EndStatus,
    now: datetime,
    *,
    output: str | None = None,
    error: dict[str, Any] | None = None,
    delay_s: float = 0,
) -> bool:
    """End a run that no worker holds; False if it had ended. As ``finish_row``."""
    row = session.get(RunRow, run_id, with_for_update=True)
    if row is None or row.status in TERMINAL:
        return False
    finish_row(session, row, status, now, output=output, error=error, delay_s=delay_s)
    return True


def finish_row(
    session: Session,
    row: RunRow,
    status: EndStatus,
    now: datetime,
    *,
    output: str | None = None,
    error: dict[str, Any] | None = None,
    delay_s: float = 0,
) -> None:
    """End a run whose row is locked: its state, last event, callback and usage at once.

    ``delay_s`` are the seconds to wait before the callback's first try.
    """
    if row.status == "input_required":
        questions.withdraw(
            session, row.id, "expired" if status == "timed_out" else "withdrawn", now
        )
    row.status = status
    row.worker = None
    row.finished_at = now
    row.output = None if output is None else clean_text(output)
    row.error = clean_json(error)
    data: dict[str, Any] = {
        "output": row.output,
        "error": row.error,
        "usage": RunUsage.of(row.usage).model_dump(mode="json"),
    }
    data = {name: value for name, value in data.items() if value}
    event_log.append_new(session, row, f"run.{status}", f"run.{status}", data, now)
    session.add_all(usage_rows(row, now))
    if row.webhook_url and row.client_id:
        outbox.add(session, row, now, delay_s)


def request_cancel(
    session: Session,
    principal: Principal,
    run_id: str,
    now: datetime,
    *,
    callback_delay_s: float = 0,
) -> Run:
    """Ask for a run's end; one that nobody works on yet ends at once.

    Raises:
        NotFound: it is not this principal's.
        Conflict: it ended otherwise.
    """
    row = owned(session, principal, run_id, lock=True)
    if row.status == "cancelled":
        return _view(session, row)
    if row.status in TERMINAL:
        raise Conflict(f"The run cannot be cancelled: it is {row.status}.")
    row.cancel_requested_at = row.cancel_requested_at or now
    if row.worker is None:
        finish_row(session, row, "cancelled", now, delay_s=callback_delay_s)
    return _view(session, row)


def cancel_requested(session: Session, ids: Collection[str]) -> list[str]:
    """Those of ``ids`` whose owner asked for their end."""
    query = select(RunRow.id).where(RunRow.id.in_(ids), RunRow.cancel_requested_at.is_not(None))
    return list(session.scalars(query))


def _row(new: NewRun, fingerprint: str, now: datetime) -> RunRow:
    return RunRow(
        # Ids sort by time, so that they serve as the cursor of pages.
        id=f"run_{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}",
        tenant=new.principal.tenant,
        owner=new.owner,
        agent_id=new.agent.id,
        status="queued",
        input=clean_text(new.request.input),
        meta=clean_json(new.request.metadata),
        principal=clean_json(new.principal.model_dump(mode="json")),
        definition=clean_json(new.agent.definition),
        limits=new.limits.as_json(),
        usage={},
        priority=new.request.priority,
        not_before=_later(now, new.request.after_seconds),
        release=new.release,
        schedule_id=new.schedule_id,
        webhook_url=new.request.webhook.url if new.request.webhook else None,
        client_id=new.principal.client_id,
        idempotency_key=new.idempotency_key,
        fingerprint=fingerprint,
        epoch=0,
        crashes=0,
        turn=0,
        active_s=0.0,
        last_event=0,
        created_at=now,
    )


def _queued(row: RunRow) -> dict[str, Any]:
    data: dict[str, Any] = {"agent_id": row.agent_id}
    if row.not_before:
        data["not_before"] = row.not_before.isoformat()
    if row.schedule_id:
        data["schedule_id"] = row.schedule_id
    return data


def cancelled_orphans(session: Session) -> list[str]:
    """Runs that nobody holds and whose owner asked for their end while somebody did."""
    query = select(RunRow.id).where(
        RunRow.status == "running",
        RunRow.worker.is_(None),
        RunRow.cancel_requested_at.is_not(None),
    )
    return list(session.scalars(query))


def _later(now: datetime, seconds: int) -> datetime | None:
    return now + timedelta(seconds=seconds) if seconds else None


def owned(session: Session, principal: Principal, run_id: str, *, lock: bool = False) -> RunRow:
    """The row of a run of this principal; raises ``NotFound`` for everyone else's."""
    row = session.get(RunRow, clean_text(run_id), with_for_update=lock or None)
    if row is None or row.owner != principal.key or row.tenant != principal.tenant:
        raise NotFound("There is no such run.")
    return row


def _view(session: Session, row: RunRow) -> Run:
    limits = RunLimits.from_json(row.limits)
    waits = row.status == "input_required"
    return Run.model_validate(
        {
            "id": row.id,
            "agent_id": row.agent_id,
            "thread_id": row.thread_id,
            "status": row.status,
            "input": row.input,
            "output": row.output,
            "error": row.error,
            "metadata": row.meta,
            "usage": RunUsage.of(row.usage),
            "timeout_s": limits.timeout_s,
            "budget": Budget(
                tokens=limits.tokens,
                usd=limits.usd,
                tool_calls=limits.tool_calls,
                turns=limits.turns,
            ),
            "webhook": Webhook(url=row.webhook_url) if row.webhook_url else None,
            "priority": row.priority,
            "not_before": row.not_before,
            "schedule_id": row.schedule_id,
            "release": row.release,
            "question": questions.open_question(session, row.id) if waits else None,
            "attempts": row.epoch,
            "created_at": row.created_at,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "cancel_requested_at": row.cancel_requested_at,
        }
    )
