"""Callbacks that wait to be sent: added with a run's end, claimed under a lease, settled."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from saaf_autogen.runs.tables import CallbackRow, RunRow
from saaf_autogen.runs.text import fit_text

__all__ = [
    "MAX_PAYLOAD",
    "Callback",
    "add",
    "callbacks_of",
    "candidates",
    "claim",
    "envelope",
    "settle",
]

MAX_PAYLOAD = 20_000
_CANDIDATES = 200


@dataclass(frozen=True)
class Callback:
    """A callback; ``attempts`` counts the tries that were begun."""

    id: str
    tenant: str
    run_id: str
    client_id: str
    url: str
    host: str
    payload: str
    state: str
    attempts: int
    next_at: datetime
    last_status: int | None
    last_error: str | None


def add(session: Session, run: RunRow, now: datetime, delay_s: float) -> None:
    """Put the callback of a run that has just ended into the outbox."""
    session.add(
        CallbackRow(
            id=f"msg_{secrets.token_hex(16)}",
            tenant=run.tenant,
            run_id=run.id,
            client_id=run.client_id,
            url=run.webhook_url,
            host=urlsplit(run.webhook_url or "").netloc.lower()[:300],
            payload=envelope(run, now),
            state="pending",
            attempts=0,
            next_at=now + timedelta(seconds=delay_s),
            created_at=now,
        )
    )


def envelope(run: RunRow, now: datetime) -> str:
    """The body of a callback (Standard Webhooks), at most ``MAX_PAYLOAD`` bytes.

    An output that does not fit is cut and ``output_cut`` says so; the whole is in the run.
    """
    data: dict[str, Any] = {
        "id": run.id,
        "agent_id": run.agent_id,
        "status": run.status,
        "output": None,
        "output_cut": False,
        "created_at": run.created_at.isoformat(),
        "finished_at": now.isoformat(),
    }
    if run.error:
        short = {name: run.error.get(name) for name in ("type", "title", "status", "code")}
        data["error"] = short | {"detail": fit_text(str(run.error.get("detail", "")), 2_000)}
    body = {"type": f"run.{run.status}", "timestamp": now.isoformat(), "data": data}
    if run.output is not None:
        # The null that stands for the output takes 4 bytes, the final "true" saves one.
        room = MAX_PAYLOAD - len(_json(body).encode()) + 4
        data["output"] = fit_text(run.output, room)
        data["output_cut"] = data["output"] != run.output
    return _json(body)


def candidates(
    session: Session, now: datetime, *, busy: Mapping[str, int], per_host: int, limit: int
) -> list[str]:
    """Ids of due callbacks, at most ``per_host`` at once for one host, counting the ``busy``."""
    rank = func.row_number().over(
        partition_by=CallbackRow.host, order_by=(CallbackRow.next_at, CallbackRow.id)
    )
    query = select(CallbackRow.id, CallbackRow.host, rank.label("rank")).where(_due(now))
    full = [host for host, count in busy.items() if count >= per_host]
    if full:
        query = query.where(CallbackRow.host.not_in(full))
    ranked = query.subquery()
    found = session.execute(
        select(ranked.c.id, ranked.c.host).where(ranked.c.rank <= per_host).limit(_CANDIDATES)
    ).all()
    taken = Counter(busy)
    chosen: list[str] = []
    for id_, host in found:
        if taken[host] < per_host and len(chosen) < limit:
            taken[host] += 1
            chosen.append(id_)
    return chosen


def claim(session: Session, ids: list[str], now: datetime, lease_s: float) -> list[Callback]:
    """Take callbacks for ``lease_s`` seconds; those that another process took are left out."""
    # Two processes that update at once: the second waits, sees the lease and gets nothing.
    rows = session.scalars(
        update(CallbackRow)
        .where(CallbackRow.id.in_(ids), _due(now))
        .values(leased_until=now + timedelta(seconds=lease_s), attempts=CallbackRow.attempts + 1)
        .returning(CallbackRow)
        .execution_options(synchronize_session=False)
    )
    return [_view(row) for row in rows]


def settle(
    session: Session,
    callback_id: str,
    now: datetime,
    *,
    state: str,
    status: int | None,
    error: str | None,
    next_at: datetime | None = None,
) -> None:
    """Write down how a try went; ``next_at`` is the next one's time while it is pending."""
    session.execute(
        update(CallbackRow)
        .where(CallbackRow.id == callback_id, CallbackRow.state == "pending")
        .values(
            state=state,
            last_status=status,
            last_error=error,
            leased_until=None,
            next_at=next_at or now,
            finished_at=None if state == "pending" else now,
        )
    )


def callbacks_of(session: Session, run_id: str) -> list[Callback]:
    """The callbacks of a run."""
    return [
        _view(row)
        for row in session.scalars(select(CallbackRow).where(CallbackRow.run_id == run_id))
    ]


def _due(now: datetime) -> ColumnElement[bool]:
    free = or_(CallbackRow.leased_until.is_(None), CallbackRow.leased_until <= now)
    return (CallbackRow.state == "pending") & (CallbackRow.next_at <= now) & free


def _view(row: CallbackRow) -> Callback:
    return Callback(
        id=row.id,
        tenant=row.tenant,
        run_id=row.run_id,
        client_id=row.client_id,
        url=row.url,
        host=row.host,
        payload=row.payload,
        state=row.state,
        attempts=row.attempts,
        next_at=row.next_at,
        last_status=row.last_status,
        last_error=row.last_error,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
