"""Runs in the store; each function works within the caller's transaction."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from saaf_autogen.auth.principal import Principal
from saaf_autogen.crypto import digest
from saaf_autogen.errors import Conflict, IdempotencyMismatch, InvalidArguments, NotFound
from saaf_autogen.runs import event_log, outbox
from saaf_autogen.runs.model import (
    TERMINAL,
    Agent,
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

__all__ = [
    "NewRun",
    "begin",
    "cancel_requested",
    "create",
    "finish",
    "get",
    "list_runs",
    "request_cancel",
    "run_ids",
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
    idempotency_key: str | None = None


def create(session: Session, new: NewRun, now: datetime) -> tuple[Run, bool]:
    """The run, and whether it is new: the same key and body give the original again.

    Raises:
        IdempotencyMismatch: the key came before, with another body.
    """
    fingerprint = digest(canonical(clean_json(new.request.model_dump(mode="json"))))
    row = _row(new, fingerprint, now)
    try:
        # The unique constraint decides between two creates at once; the savepoint keeps the
        # transaction alive for the loser, who then reads the winner's row.
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        found = session.scalars(
            select(RunRow).where(
                RunRow.owner == new.owner, RunRow.idempotency_key == new.idempotency_key
            )
        ).one()
        if found.fingerprint != fingerprint:
            raise IdempotencyMismatch(
                "This Idempotency-Key was used before, for another body.",
                remedy="Use a new key for a new request.",
            ) from None
        return _view(found), False
    event_log.append(session, row, "run.queued", "run.queued", {"agent_id": row.agent_id}, now)
    return _view(row), True


def get(session: Session, principal: Principal, run_id: str) -> Run:
    """A run of this principal; raises ``NotFound`` for everyone else's."""
    return _view(_owned(session, principal, run_id))


def list_runs(
    session: Session,
    principal: Principal,
    *,
    status: RunStatus | None = None,
    agent_id: str | None = None,
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
        data=[_view(row) for row in rows[:limit]], next_cursor=rows[limit - 1].id if more else None
    )


def begin(session: Session, run_id: str, now: datetime) -> RunWork | None:
    """Mark a run as running and count the attempt; None when it has ended or never was."""
    row = session.get(RunRow, run_id, with_for_update=True)
    if row is None or row.status in TERMINAL:
        return None
    row.status = "running"
    row.started_at = row.started_at or now
    row.attempts += 1
    event_log.append(session, row, "run.running", "run.running", {}, now)
    return RunWork(
        id=row.id,
        agent_id=row.agent_id,
        input=row.input,
        definition=row.definition,
        principal=Principal.model_validate(row.principal),
        cancel_requested=row.cancel_requested_at is not None,
        attempt=row.attempts,
    )


def finish(
    session: Session,
    run_id: str,
    status: EndStatus,
    now: datetime,
    *,
    output: str | None = None,
    error: dict[str, Any] | None = None,
    usage: dict[str, int] | None = None,
    callback_delay_s: float = 0,
) -> bool:
    """End a run: its state, its last event and its callback at once; False if it had ended.

    ``callback_delay_s`` are the seconds to wait before the callback's first try.
    """
    row = session.get(RunRow, run_id, with_for_update=True)
    if row is None or row.status in TERMINAL:
        return False
    row.status = status
    row.finished_at = now
    row.output = None if output is None else clean_text(output)
    row.error = clean_json(error)
    row.usage = clean_json(usage or {})
    data: dict[str, Any] = {"output": row.output, "error": row.error, "usage": row.usage}
    data = {name: value for name, value in data.items() if value}
    event_log.append(session, row, f"run.{status}", f"run.{status}", data, now)
    if row.webhook_url and row.client_id:
        outbox.add(session, row, now, callback_delay_s)
    return True


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
    row = _owned(session, principal, run_id, lock=True)
    if row.status in TERMINAL - {"cancelled"}:
        raise Conflict(f"The run cannot be cancelled: it is {row.status}.")
    row.cancel_requested_at = row.cancel_requested_at or now
    if row.status == "queued":
        finish(session, run_id, "cancelled", now, callback_delay_s=callback_delay_s)
    return _view(row)


def cancel_requested(session: Session, ids: Collection[str]) -> list[str]:
    """Those of ``ids`` whose owner asked for their end."""
    query = select(RunRow.id).where(RunRow.id.in_(ids), RunRow.cancel_requested_at.is_not(None))
    return list(session.scalars(query))


def run_ids(
    session: Session, status: RunStatus, *, limit: int, skip: Collection[str] = ()
) -> list[str]:
    """The oldest runs in a state, without those of ``skip``."""
    query = select(RunRow.id).where(RunRow.status == status)
    if skip:
        query = query.where(RunRow.id.not_in(skip))
    return list(session.scalars(query.order_by(RunRow.id).limit(limit)))


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
        usage={},
        webhook_url=new.request.webhook.url if new.request.webhook else None,
        client_id=new.principal.client_id,
        idempotency_key=new.idempotency_key,
        fingerprint=fingerprint,
        attempts=0,
        last_event=0,
        created_at=now,
    )


def _owned(session: Session, principal: Principal, run_id: str, *, lock: bool = False) -> RunRow:
    row = session.get(RunRow, clean_text(run_id), with_for_update=lock or None)
    if row is None or row.owner != principal.key or row.tenant != principal.tenant:
        raise NotFound("There is no such run.")
    return row


def _view(row: RunRow) -> Run:
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
            "usage": row.usage,
            "webhook": Webhook(url=row.webhook_url) if row.webhook_url else None,
            "attempts": row.attempts,
            "created_at": row.created_at,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "cancel_requested_at": row.cancel_requested_at,
        }
    )
