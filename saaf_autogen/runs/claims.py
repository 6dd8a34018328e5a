"""Which runs a worker takes up next: by priority, then by age, within the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, text
from sqlalchemy.orm import Session

from saaf_autogen.runs import event_log
from saaf_autogen.runs.hold import Hold
from saaf_autogen.runs.tables import RunRow
from saaf_autogen.settings import AtOnceSettings

__all__ = ["ClaimRules", "admits", "claim", "take", "tell"]

_ADVISORY_KEY = 0x5AAF_0003


@dataclass(frozen=True)
class ClaimRules:
    """What bounds the runs that execute at once, over all workers.

    Attributes:
        at_once: per agent, tenant and owner.
        agents: limits of single agents, by their ids.
        release: only runs of this release; None: of any.
    """

    at_once: AtOnceSettings = field(default_factory=AtOnceSettings)
    agents: Mapping[str, int] = field(default_factory=dict)
    release: str | None = None

    @property
    def bounded(self) -> bool:
        """Whether there is any limit."""
        every = (self.at_once.agent, self.at_once.tenant, self.at_once.principal)
        return bool(self.agents) or any(every)


def claim(
    session: Session, worker: str, now: datetime, rules: ClaimRules, *, limit: int
) -> list[Hold]:
    """Take up to ``limit`` runs that wait; those cut off by a dead worker come first."""
    if rules.bounded:
        _alone(session)
    holds: list[Hold] = []
    while len(holds) < limit:
        query = (
            select(RunRow)
            .where(_waits(now), *_allowed(session, rules))
            .order_by(RunRow.status.desc(), RunRow.priority.desc(), RunRow.id)
            # With limits, each one taken may close the door to the next.
            .limit(1 if rules.bounded else limit - len(holds))
            .with_for_update(skip_locked=True)
        )
        rows = list(session.scalars(query))
        for row in rows:
            holds.append(take(row, worker, now))
            tell(session, row, now)
        if not rows or not rules.bounded:
            break
    return holds


def admits(session: Session, row: RunRow, now: datetime, rules: ClaimRules) -> bool:
    """Whether a new run may begin at once: nothing waits before it, and no limit is reached."""
    if rules.release is not None and row.release != rules.release:
        return False
    if rules.bounded:
        _alone(session)
        if any(_full(session, column, limit, value) for column, limit, value in _of(row, rules)):
            return False
    waiting = select(RunRow.id).where(RunRow.id != row.id, _waits(now)).limit(1)
    return session.scalars(waiting).first() is None


def take(row: RunRow, worker: str, now: datetime) -> Hold:
    """Give a run to a worker; ``tell`` says so in its log."""
    row.status = "running"
    row.worker = worker
    row.epoch += 1
    row.started_at = row.started_at or now
    return Hold(row.id, worker, row.epoch)


def tell(session: Session, row: RunRow, now: datetime) -> None:
    """Add to a run's log that a worker has taken it."""
    event_log.append_new(
        session, row, "run.running", f"run.running:{row.epoch}", {"attempt": row.epoch}, now
    )


def _waits(now: datetime) -> ColumnElement[bool]:
    due = or_(RunRow.not_before.is_(None), RunRow.not_before <= now)
    return or_(
        and_(RunRow.status == "queued", due),
        and_(RunRow.status == "running", RunRow.worker.is_(None)),
    )


def _allowed(session: Session, rules: ClaimRules) -> list[ColumnElement[bool]]:
    """Conditions that leave out what has reached a limit."""
    conditions: list[ColumnElement[bool]] = []
    if rules.release is not None:
        conditions.append(RunRow.release == rules.release)
    for column, limit in (
        (RunRow.agent_id, rules.at_once.agent),
        (RunRow.tenant, rules.at_once.tenant),
        (RunRow.owner, rules.at_once.principal),
    ):
        special = rules.agents if column is RunRow.agent_id else {}
        full = _full_values(session, column, limit, special)
        if full:
            conditions.append(column.not_in(full))
    return conditions


def _full_values(
    session: Session, column: Any, limit: int | None, special: Mapping[str, int]
) -> list[str]:
    if limit is None and not special:
        return []
    counts = session.execute(select(column, func.count()).where(_executes()).group_by(column)).all()
    full: list[str] = []
    for value, count in counts:
        bounds = [bound for bound in (limit, special.get(value)) if bound is not None]
        if bounds and count >= min(bounds):
            full.append(value)
    return full


def _of(row: RunRow, rules: ClaimRules) -> list[tuple[Any, int, str]]:
    limits = (
        (RunRow.agent_id, rules.at_once.agent, row.agent_id),
        (RunRow.agent_id, rules.agents.get(row.agent_id), row.agent_id),
        (RunRow.tenant, rules.at_once.tenant, row.tenant),
        (RunRow.owner, rules.at_once.principal, row.owner),
    )
    return [(column, limit, value) for column, limit, value in limits if limit is not None]


def _full(session: Session, column: Any, limit: int, value: str) -> bool:
    count = session.scalar(
        select(func.count()).select_from(RunRow).where(_executes(), column == value)
    )
    return (count or 0) >= limit


def _executes() -> ColumnElement[bool]:
    return and_(RunRow.status == "running", RunRow.worker.is_not(None))


def _alone(session: Session) -> None:
    """Two workers that count at once would both find room; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
