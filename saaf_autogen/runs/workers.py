"""Workers as the store knows them: registered, alive by their lease, or gone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from saaf_autogen.runs.tables import RunRow, WorkerRow

__all__ = [
    "LIVE",
    "NewWorker",
    "beat",
    "free_orphans",
    "leave",
    "live_ids",
    "mark_gone",
    "register",
    "store_time",
]

LIVE = ("live", "draining")


@dataclass(frozen=True)
class NewWorker:
    """What a worker says of itself."""

    id: str
    host: str
    pid: int
    release: str
    slots: int


def register(session: Session, worker: NewWorker, lease_s: float) -> None:
    """Add a worker that is alive for ``lease_s`` seconds."""
    now = store_time(session)
    session.add(
        WorkerRow(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            release=worker.release,
            slots=worker.slots,
            state="live",
            started_at=now,
            beat_at=now,
            leased_until=now + timedelta(seconds=lease_s),
        )
    )


def beat(session: Session, worker_id: str, lease_s: float, *, draining: bool = False) -> bool:
    """Renew a lease; False when the worker was given up meanwhile."""
    now = store_time(session)
    done = session.execute(
        update(WorkerRow)
        .where(WorkerRow.id == worker_id, WorkerRow.state.in_(LIVE))
        .values(
            beat_at=now,
            leased_until=now + timedelta(seconds=lease_s),
            state="draining" if draining else "live",
        )
        .returning(WorkerRow.id)
    )
    return done.first() is not None


def leave(session: Session, worker_id: str) -> None:
    """A worker ends in good order; what it still holds is free, and no crash."""
    session.execute(
        update(RunRow)
        .where(RunRow.worker == worker_id, RunRow.status == "running")
        .values(worker=None)
    )
    session.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(state="gone"))


def live_ids(session: Session) -> list[str]:
    """The workers that nobody has given up."""
    return list(session.scalars(select(WorkerRow.id).where(WorkerRow.state.in_(LIVE))))


def mark_gone(session: Session, dead: Collection[str] = ()) -> list[str]:
    """Give up the workers whose lease is over, and those that are known to be ``dead``."""
    over = (WorkerRow.leased_until < store_time(session)) | WorkerRow.id.in_(dead)
    # Whoever is at a row may be a process that was paused: others do not wait for it.
    silent = (
        select(WorkerRow.id)
        .where(WorkerRow.state.in_(LIVE), over)
        .with_for_update(skip_locked=True)
    )
    gone = session.scalars(
        update(WorkerRow)
        .where(WorkerRow.id.in_(list(session.scalars(silent))))
        .values(state="gone")
        .returning(WorkerRow.id)
        .execution_options(synchronize_session=False)
    )
    return list(gone)


def free_orphans(session: Session) -> list[tuple[str, int]]:
    """Free the runs that no living worker holds; their ids, and how many died on each.

    Those that a transaction holds are left for the next time: it may be a paused process's.
    """
    living = select(WorkerRow.id).where(WorkerRow.state.in_(LIVE))
    orphans = (
        select(RunRow.id)
        .where(RunRow.status == "running", RunRow.worker.is_not(None), RunRow.worker.not_in(living))
        .with_for_update(skip_locked=True)
    )
    freed = session.execute(
        update(RunRow)
        .where(RunRow.id.in_(list(session.scalars(orphans))))
        .values(worker=None, crashes=RunRow.crashes + 1)
        .returning(RunRow.id, RunRow.crashes)
        .execution_options(synchronize_session=False)
    )
    return [(id_, crashes) for id_, crashes in freed]


def store_time(session: Session) -> datetime:
    """By the clock that all workers share: the server's, or this machine's for SQLite."""
    if session.get_bind().dialect.name == "postgresql":
        now = session.scalar(select(func.clock_timestamp()))
        if isinstance(now, datetime):
            return now.astimezone(UTC)
    return datetime.now(UTC)
