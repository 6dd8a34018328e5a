"""Which release of a deployment a run belongs to, and who is there to execute it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from saaf_autogen.db import DEFAULT_TENANT
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.runs.tables import RunRow, WorkerRow
from saaf_autogen.runs.workers import LIVE, store_time
from saaf_autogen.settings import RunSettings

__all__ = [
    "OPEN",
    "RELEASE_VARIABLE",
    "Fleet",
    "ReleaseView",
    "WorkerView",
    "fleet",
    "open_runs",
    "release_of",
    "stranded",
]

RELEASE_VARIABLE = "SAAF_RELEASE"
OPEN = ("queued", "running", "input_required")
_MAX_NAME = 64


class WorkerView(BaseModel):
    """A worker.

    Attributes:
        state: ``live``; ``draining``, which takes up no more runs; or ``silent``: its lease is
            over, and the next living worker gives it up.
        slots: runs that it executes at once.
        runs: those that it executes now.
    """

    id: str
    host: str
    pid: int
    release: str
    state: Literal["live", "draining", "silent"]
    slots: int
    runs: int
    started_at: datetime
    beat_at: datetime


class ReleaseView(BaseModel):
    """The open runs of a release.

    Attributes:
        workers: living ones that execute runs of it.
        stranded: nobody does, and there are open runs.
    """

    release: str
    queued: int = 0
    running: int = 0
    input_required: int = 0
    workers: int = 0
    stranded: bool = False


class Fleet(BaseModel):
    """The workers, and the releases that have open runs or workers."""

    pinned: bool
    workers: list[WorkerView]
    releases: list[ReleaseView]


def release_of(settings: RunSettings, environ: Mapping[str, str]) -> str:
    """The release of this deployment: ``$SAAF_RELEASE``, else as saaf.yaml says.

    Raises:
        ConfigurationError: it is too long, or runs are pinned and there is none.
    """
    release = environ.get(RELEASE_VARIABLE) or settings.release
    if len(release) > _MAX_NAME:
        raise ConfigurationError(
            f"${RELEASE_VARIABLE} is longer than {_MAX_NAME} characters.",
            remedy="Take a short name, such as a version or a commit's first twelve digits.",
        )
    if settings.pinned and not release:
        raise ConfigurationError(
            "Runs are pinned to their release, and this deployment names none.",
            remedy=f"Set {RELEASE_VARIABLE} or runs.release, or set runs.pinned to false.",
        )
    return release


def open_runs(session: Session, release: str) -> int:
    """How many runs of a release have not ended."""
    count = select(func.count()).select_from(RunRow)
    return session.scalar(count.where(RunRow.status.in_(OPEN), RunRow.release == release)) or 0


def fleet(session: Session, *, pinned: bool, tenant: str | None) -> Fleet:
    """Workers and releases.

    Args:
        session: a transaction.
        pinned: whether workers execute the runs of their own release alone.
        tenant: whose runs are counted; None: those of all, for the operator alone.
    """
    own: list[ColumnElement[bool]] = [] if tenant is None else [RunRow.tenant == tenant]
    held = {
        str(worker): count
        for worker, count in session.execute(
            select(RunRow.worker, func.count())
            .where(RunRow.status == "running", RunRow.worker.is_not(None), *own)
            .group_by(RunRow.worker)
        )
    }
    now = store_time(session)
    rows = session.scalars(
        select(WorkerRow)
        .where(WorkerRow.state.in_(LIVE), WorkerRow.tenant == DEFAULT_TENANT)
        .order_by(WorkerRow.id)
    )
    workers = [_worker(row, held.get(row.id, 0), now) for row in rows]
    releases = {each.release: ReleaseView(release=each.release) for each in workers}
    for release, status, count in session.execute(
        select(RunRow.release, RunRow.status, func.count())
        .where(RunRow.status.in_(OPEN), *own)
        .group_by(RunRow.release, RunRow.status)
    ):
        view = releases.setdefault(release, ReleaseView(release=release))
        setattr(view, status, count)
    for view in releases.values():
        view.workers = sum(_serves(each, view.release, pinned) for each in workers)
        view.stranded = not view.workers and bool(view.queued + view.running + view.input_required)
    return Fleet(
        pinned=pinned, workers=workers, releases=[releases[name] for name in sorted(releases)]
    )


def stranded(session: Session, *, pinned: bool) -> bool:
    """Whether there are open runs that no living worker executes; asked often, so it is cheap."""
    live = (WorkerRow.state == "live") & (WorkerRow.leased_until >= store_time(session))
    serving = set(session.scalars(select(WorkerRow.release).where(live).distinct()))
    waiting = select(RunRow.id).where(RunRow.status.in_(OPEN)).limit(1)
    if serving and not pinned:
        return False
    if serving:
        waiting = waiting.where(RunRow.release.not_in(serving))
    return session.scalar(waiting) is not None


def _worker(row: WorkerRow, held: int, now: datetime) -> WorkerView:
    return WorkerView.model_validate(
        {
            "id": row.id,
            "host": row.host,
            "pid": row.pid,
            "release": row.release,
            "state": "silent" if row.leased_until < now else row.state,
            "slots": row.slots,
            "runs": held,
            "started_at": row.started_at,
            "beat_at": row.beat_at,
        }
    )


def _serves(worker: WorkerView, release: str, pinned: bool) -> bool:
    return worker.state == "live" and (worker.release == release or not pinned)
