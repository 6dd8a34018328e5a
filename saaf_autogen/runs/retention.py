"""Ended runs and settled effects are deleted after a time; what somebody may yet need is kept."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from saaf_autogen.actions.tables import EffectRow
from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.runs.model import TERMINAL
from saaf_autogen.runs.tables import (
    CallbackRow,
    InputRequestRow,
    JournalRow,
    RunEventRow,
    RunRow,
    TurnRow,
    UsageRow,
    WorkerRow,
)

__all__ = ["BATCH", "PruneCounts", "Pruner", "prunable", "prune"]

_logger = logging.getLogger(__name__)
BATCH = 200
_EVENTS = 20_000
"""About so many events go in one transaction at most, however long the runs."""

_RUN_ID = 36
"""Characters of a run's id, with which the holder of an effect begins."""

_CHILDREN: tuple[tuple[str, Any], ...] = (
    ("events", RunEventRow),
    ("callbacks", CallbackRow),
    ("turns", TurnRow),
    ("journal", JournalRow),
    ("questions", InputRequestRow),
)


@dataclass
class PruneCounts:
    """How many rows were deleted, or would be.

    Attributes:
        tenants: runs and effects by tenant.
        more: whether there is more to delete than fitted into the batch.
    """

    runs: int = 0
    events: int = 0
    callbacks: int = 0
    turns: int = 0
    journal: int = 0
    questions: int = 0
    effects: int = 0
    workers: int = 0
    usage: int = 0
    tenants: Counter[str] = field(default_factory=Counter)
    more: bool = False

    def add(self, other: PruneCounts) -> None:
        """Add what another batch deleted; ``more`` is that of the other."""
        for each in fields(self):
            if each.name == "more":
                self.more = other.more
            elif each.name == "tenants":
                self.tenants.update(other.tenants)
            else:
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def rows(self) -> dict[str, int]:
        """The rows by kind, without the kinds of which there were none."""
        names = [each.name for each in fields(self) if each.name not in ("tenants", "more")]
        return {name: getattr(self, name) for name in names if getattr(self, name)}


def prune(
    session: Session,
    older_than: timedelta,
    now: datetime,
    batch: int = BATCH,
    *,
    usage_older_than: timedelta | None = None,
) -> PruneCounts:
    """Delete one batch of what ended before ``now - older_than``; again while there is ``more``.

    With a run go its events, delivered callbacks, turns, journal and questions; a run whose
    callback is still to be sent stays. Effects stay while a run that has not ended made them, or
    an open question is about them. Usage stays unless ``usage_older_than`` says otherwise.

    Args:
        session: a transaction; short, as SQLite has one writer.
        older_than: what ended longer ago than this goes.
        now: the time.
        batch: the most runs, and the most effects, that are deleted.
        usage_older_than: the same for usage; None: it is kept.
    """
    before = now - older_than
    counts = PruneCounts()
    _prune_runs(session, before, batch, counts)
    _prune_effects(session, before, batch, counts)
    counts.workers = _delete(session, WorkerRow, _gone(before))
    if usage_older_than is not None:
        counts.usage = _delete(session, UsageRow, UsageRow.at < now - usage_older_than)
    return counts


def prunable(
    session: Session,
    older_than: timedelta,
    now: datetime,
    *,
    usage_older_than: timedelta | None = None,
) -> PruneCounts:
    """What ``prune`` would delete in all."""
    before = now - older_than
    counts = PruneCounts()
    ended = select(RunRow.id).where(*_ended(before))
    counts.runs = _count(session, RunRow, *_ended(before))
    for name, table in _CHILDREN:
        setattr(counts, name, _count(session, table, table.run_id.in_(ended)))
    counts.effects = _count(session, EffectRow, *_settled(before))
    counts.workers = _count(session, WorkerRow, _gone(before))
    if usage_older_than is not None:
        counts.usage = _count(session, UsageRow, UsageRow.at < now - usage_older_than)
    return counts


class Pruner:
    """Prunes in batches, each with its audit entry in the same transaction.

    Synchronous: call it in a thread.

    Args:
        database: the store.
        audit: where it is recorded, by tenant.
        clock: the time.
        who: the subject that the audit names.
        batch: rows a transaction.
    """

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        clock: Clock,
        *,
        who: str = "system",
        batch: int = BATCH,
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._who = who
        self._batch = batch

    def prune(
        self,
        older_than: timedelta,
        *,
        usage_older_than: timedelta | None = None,
        progress: Callable[[PruneCounts], bool | None] = lambda _: None,
    ) -> PruneCounts:
        """Delete everything that is old enough.

        Args:
            older_than: what ended longer ago than this goes.
            usage_older_than: the same for usage; None: it is kept.
            progress: told of all counts so far after each batch; ends the work by saying False.
        """
        total = PruneCounts(more=True)
        while total.more:
            with self._database.transaction() as session:
                now = self._clock.now()
                done = prune(
                    session, older_than, now, self._batch, usage_older_than=usage_older_than
                )
                self._record(session, done, now, now - older_than)
            total.add(done)
            if progress(total) is False:
                break
        if total.rows():
            _logger.info("pruned %s", ", ".join(f"{n} {kind}" for kind, n in total.rows().items()))
        return total

    def prunable(
        self, older_than: timedelta, *, usage_older_than: timedelta | None = None
    ) -> PruneCounts:
        """What ``prune`` would delete."""
        with self._database.transaction(read=True) as session:
            return prunable(
                session, older_than, self._clock.now(), usage_older_than=usage_older_than
            )

    def _record(self, session: Session, done: PruneCounts, now: datetime, before: datetime) -> None:
        tenants = set(done.tenants)
        if done.workers or done.usage:
            tenants.add(DEFAULT_TENANT)
        for tenant in sorted(tenants):
            details: dict[str, Any] = {
                "before": before.isoformat(),
                "of_tenant": done.tenants[tenant],
            }
            if tenant == DEFAULT_TENANT:
                details |= {name: getattr(done, name) for name in ("workers", "usage")}
            self._audit.append(
                session,
                AuditRecord.by(
                    Principal(issuer="local", tenant=tenant, subject=self._who, kind="user"),
                    action="runs.prune",
                    door="system",
                    at=now,
                    reason="They ended longer ago than runs are kept.",
                    kind="change",
                    details=details,
                ),
            )


def _prune_runs(session: Session, before: datetime, batch: int, counts: PruneCounts) -> None:
    found = session.execute(
        select(RunRow.id, RunRow.tenant, RunRow.last_event)
        .where(*_ended(before))
        .order_by(RunRow.id)
        .limit(batch)
        # Two workers may prune at once, and an owner may be looking at one of them.
        .with_for_update(skip_locked=True)
    ).all()
    taken: list[tuple[str, str]] = []
    events = 0
    for id_, tenant, last_event in found:
        events += last_event
        if taken and events > _EVENTS:
            break
        taken.append((id_, tenant))
    ids = [id_ for id_, _ in taken]
    if ids:
        for name, table in _CHILDREN:
            setattr(counts, name, _delete(session, table, table.run_id.in_(ids)))
        counts.runs = _delete(session, RunRow, RunRow.id.in_(ids))
        counts.tenants.update(tenant for _, tenant in taken)
    counts.more = len(found) == batch or len(taken) < len(found)


def _prune_effects(session: Session, before: datetime, batch: int, counts: PruneCounts) -> None:
    identity = (EffectRow.tenant, EffectRow.owner, EffectRow.key)
    found = session.execute(select(*identity).where(*_settled(before)).limit(batch)).all()
    if found:
        keys: Iterable[tuple[Any, ...]] = [tuple(row) for row in found]
        # Asked again: a question may have come meanwhile.
        counts.effects = _delete(session, EffectRow, tuple_(*identity).in_(keys), *_settled(before))
        counts.tenants.update(row[0] for row in found)
    counts.more = counts.more or len(found) == batch


def _ended(before: datetime) -> list[ColumnElement[bool]]:
    waiting = exists().where(CallbackRow.run_id == RunRow.id, CallbackRow.state == "pending")
    return [
        # Ids begin with the time of the run's creation: the old ones are found without a search.
        RunRow.id < f"run_{int(before.timestamp() * 1000):012x}",
        RunRow.status.in_(sorted(TERMINAL)),
        RunRow.finished_at < before,
        ~waiting,
    ]


def _settled(before: datetime) -> list[ColumnElement[bool]]:
    made_by_open = exists().where(
        RunRow.id == func.substr(EffectRow.holder, 1, _RUN_ID),
        RunRow.status.not_in(sorted(TERMINAL)),
    )
    asked_about = exists().where(
        InputRequestRow.kind == "outcome_unknown",
        InputRequestRow.state == "open",
        InputRequestRow.tenant == EffectRow.tenant,
        InputRequestRow.data["first_call_id"].as_string() == EffectRow.call_id,
    )
    return [
        # Those that a crash cut off have no end; nobody can have them in flight past their lease.
        EffectRow.started_at < before,
        func.coalesce(EffectRow.finished_at, EffectRow.lease_until) < before,
        or_(EffectRow.holder.is_(None), ~made_by_open),
        or_(EffectRow.state == "done", ~asked_about),
    ]


def _gone(before: datetime) -> ColumnElement[bool]:
    holds = exists().where(RunRow.worker == WorkerRow.id, RunRow.status == "running")
    return and_(WorkerRow.state == "gone", WorkerRow.leased_until < before, ~holds)


def _delete(session: Session, table: Any, *conditions: ColumnElement[bool]) -> int:
    statement = delete(table).where(*conditions).execution_options(synchronize_session=False)
    result: Any = session.execute(statement)
    return int(result.rowcount)


def _count(session: Session, table: Any, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
