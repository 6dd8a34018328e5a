"""Schedules in the store; each function works within the caller's transaction."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, not_, select, text
from sqlalchemy.orm import Session

from saaf_autogen.auth.administration.pages import Page, after_of, page_of
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import InvalidArguments, NotFound
from saaf_autogen.runs.model import TERMINAL
from saaf_autogen.runs.schedules.cron import following, preview
from saaf_autogen.runs.schedules.model import Schedule, ScheduleTerms
from saaf_autogen.runs.tables import RunRow, ScheduleRow
from saaf_autogen.runs.text import clean_json, clean_text

__all__ = [
    "MAX_PAGE",
    "Candidate",
    "candidates",
    "count_of",
    "list_schedules",
    "new_row",
    "open_run",
    "owned",
    "begin",
    "put_terms",
    "switch",
    "take",
    "terms_of",
    "view_of",
]

MAX_PAGE = 100
_ID = re.compile(r"sch_[0-9a-f]{32}")


@dataclass(frozen=True)
class Candidate:
    """A schedule whose time has come, as it was when it was looked at."""

    id: str
    version: int
    next_at: datetime
    principal: dict[str, Any]
    request: dict[str, Any]


def new_row(principal: Principal, terms: ScheduleTerms, now: datetime) -> ScheduleRow:
    """A row for a new schedule of a principal; not added yet."""
    row = ScheduleRow(
        # Ids sort by time, so that they serve as the cursor of pages.
        id=f"sch_{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}",
        tenant=principal.tenant,
        owner=principal.key,
        version=1,
        refusals=0,
        created_at=now,
    )
    put_terms(row, principal, terms, now)
    return row


def put_terms(row: ScheduleRow, principal: Principal, terms: ScheduleTerms, now: datetime) -> None:
    """Make a row what its owner says, with the rights that the owner has in saying it."""
    when = (row.cron, row.zone, row.enabled) if row.cron else None
    row.principal = clean_json(principal.model_dump(mode="json"))
    row.name = clean_text(terms.name)
    row.cron, row.zone = terms.cron, terms.zone
    row.request = clean_json(terms.run.model_dump(mode="json"))
    row.overlap = terms.overlap
    row.enabled = terms.enabled
    row.updated_at = now
    row.refusals = 0
    if when != (row.cron, row.zone, row.enabled):
        begin(row, now)


def begin(row: ScheduleRow, now: datetime) -> None:
    """Count times from now on; of one that is paused, none."""
    row.refusals = 0
    row.last_error = None
    row.next_at = next(following(row.cron, row.zone, now), None) if row.enabled else None


def switch(row: ScheduleRow, enabled: bool, now: datetime) -> None:
    """Pause a schedule, or let its times from now on count again."""
    row.enabled = enabled
    row.version += 1
    row.updated_at = now
    begin(row, now)


def owned(
    session: Session, principal: Principal, schedule_id: str, *, lock: bool = False
) -> ScheduleRow:
    """A schedule of this principal; raises ``NotFound`` for everyone else's."""
    known = None
    if _ID.fullmatch(schedule_id):
        known = session.get(ScheduleRow, schedule_id, with_for_update=lock or None)
    if known is None or known.owner != principal.key or known.tenant != principal.tenant:
        raise NotFound("There is no such schedule.")
    return known


def list_schedules(
    session: Session, principal: Principal, now: datetime, *, cursor: str | None, limit: int
) -> Page[Schedule]:
    """A page of this principal's schedules, oldest first."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidArguments(f"limit is {limit}.", remedy=f"Ask for 1 to {MAX_PAGE} schedules.")
    query = (
        select(ScheduleRow)
        .where(
            ScheduleRow.owner == principal.key,
            ScheduleRow.tenant == principal.tenant,
            ScheduleRow.id > after_of(cursor),
        )
        .order_by(ScheduleRow.id)
        .limit(limit + 1)
    )
    rows: Sequence[ScheduleRow] = session.scalars(query).all()
    return page_of(rows, limit, key=lambda row: row.id, show=lambda row: view_of(row, now))


def count_of(session: Session, owner: str) -> int:
    """How many an owner has; nobody else adds one for that owner until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        name = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": name})
    query = select(func.count()).select_from(ScheduleRow).where(ScheduleRow.owner == owner)
    return session.scalar(query) or 0


def candidates(
    session: Session, now: datetime, *, limit: int, skip: Collection[str] = ()
) -> list[Candidate]:
    """Those whose time has come, the longest due first, without those that wait in their queue."""
    waits = and_(ScheduleRow.overlap == "queue", exists().where(_is_open(ScheduleRow.id)))
    query = select(ScheduleRow).where(
        ScheduleRow.enabled.is_(True), ScheduleRow.next_at <= now, not_(waits)
    )
    if skip:
        query = query.where(ScheduleRow.id.not_in(skip))
    rows = session.scalars(query.order_by(ScheduleRow.next_at, ScheduleRow.id).limit(limit))
    return [
        Candidate(row.id, row.version, row.next_at, row.principal, row.request)
        for row in rows
        if row.next_at is not None
    ]


def take(session: Session, seen: Candidate) -> ScheduleRow | None:
    """The candidate's row, locked; None if it is another one by now or another host works on it."""
    query = (
        select(ScheduleRow)
        .where(
            ScheduleRow.id == seen.id,
            ScheduleRow.version == seen.version,
            ScheduleRow.next_at == seen.next_at,
            ScheduleRow.enabled.is_(True),
        )
        .with_for_update(skip_locked=True)
    )
    return session.scalars(query).one_or_none()


def open_run(session: Session, schedule_id: str) -> str | None:
    """The id of a run of the schedule that has not ended."""
    query = select(RunRow.id).where(_is_open(schedule_id)).order_by(RunRow.id.desc()).limit(1)
    return session.scalars(query).first()


def terms_of(row: ScheduleRow) -> ScheduleTerms:
    """What the owner says of it."""
    return ScheduleTerms.model_validate(
        {
            "name": row.name,
            "cron": row.cron,
            "zone": row.zone,
            "run": row.request,
            "overlap": row.overlap,
            "enabled": row.enabled,
        }
    )


def view_of(row: ScheduleRow, now: datetime) -> Schedule:
    """The schedule as its owner sees it."""
    return Schedule.model_validate(
        {
            **terms_of(row).model_dump(),
            "id": row.id,
            "version": row.version,
            "next_times": _next_times(row, now),
            "last_at": row.last_at,
            "last_run_id": row.last_run_id,
            "last_error": row.last_error,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
    )


def _next_times(row: ScheduleRow, now: datetime) -> list[datetime]:
    if not row.enabled or row.next_at is None:
        return []
    # Times are whole minutes. From the one that is stored, the answer stays the same for long.
    ahead = row.next_at > now
    after = row.next_at - timedelta(minutes=1) if ahead else now.replace(second=0, microsecond=0)
    return list(_previewed(row.cron, row.zone, after))


@lru_cache(maxsize=4096)
def _previewed(cron: str, zone: str, after: datetime) -> tuple[datetime, ...]:
    return tuple(preview(cron, zone, after))


def _is_open(schedule_id: Any) -> ColumnElement[bool]:
    return and_(RunRow.schedule_id == schedule_id, RunRow.status.not_in(sorted(TERMINAL)))
