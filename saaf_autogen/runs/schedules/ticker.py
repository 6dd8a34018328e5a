"""Makes the runs of schedules when their times come."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.errors import InvalidArguments, SaafError
from saaf_autogen.runs.model import RunRequest
from saaf_autogen.runs.schedules import store
from saaf_autogen.runs.schedules.cron import due_of
from saaf_autogen.runs.schedules.service import ScheduleService
from saaf_autogen.runs.schedules.store import Candidate
from saaf_autogen.runs.service import RunService
from saaf_autogen.runs.store import NewRun
from saaf_autogen.runs.tables import ScheduleRow

__all__ = ["MAX_REFUSALS", "ScheduleTicker"]

MAX_REFUSALS = 5
"""So many times in a row that a run is refused, and the schedule is paused."""

_log = logging.getLogger(__name__)
_AT_ONCE = 100
_LAST_LOOK_S = 5.0
_MAX_ERROR = 400


class ScheduleTicker:
    """Looks every ``tick_s`` seconds for schedules whose time has come, and makes their runs.

    Any number of processes may: whoever locks a schedule's row first makes the run, in the one
    transaction that also moves the schedule on, so that no time makes two runs and none is lost
    between.

    Args:
        database: SAAF's store.
        schedules: knows which rights a schedule needs.
        runs: checks and makes the runs.
        audit: where each run and each refusal is recorded.
        clock: the time.
        tick_s: seconds between two looks.
    """

    def __init__(
        self,
        database: Database,
        schedules: ScheduleService,
        runs: RunService,
        *,
        audit: AuditLog,
        clock: Clock,
        tick_s: float = 1.0,
    ) -> None:
        self._database = database
        self._schedules = schedules
        self._runs = runs
        self._audit = audit
        self._clock = clock
        self._tick_s = tick_s
        self._loop: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def launch(self) -> None:
        """Begin to look."""
        if self._loop is None:
            self._closing.clear()
            self._loop = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Stop; a run that is being made is made."""
        if self._loop is None:
            return
        self._closing.set()
        await asyncio.wait({self._loop}, timeout=_LAST_LOOK_S)
        self._loop.cancel()
        await asyncio.wait({self._loop})
        self._loop = None

    async def tick(self) -> int:
        """Make the runs of all that is due now; how many."""
        made, seen = 0, set[str]()
        while not self._closing.is_set():
            now = self._clock.now()
            due = await self._database.read(store.candidates, now, limit=_AT_ONCE, skip=seen)
            for candidate in due:
                seen.add(candidate.id)
                try:
                    made += await self._keep(candidate)
                except SQLAlchemyError:
                    raise
                # A boundary: one schedule that cannot be read does not hold up the others.
                except Exception as error:
                    _log.error("schedule %s: %s", candidate.id, type(error).__name__)
            if len(due) < _AT_ONCE:
                break
        return made

    async def _work(self) -> None:
        while not self._closing.is_set():
            try:
                await self.tick()
            # A boundary: schedules outlive whatever the store does.
            except Exception as error:
                _log.warning("schedules cannot be read: %s", type(error).__name__)
            try:
                async with asyncio.timeout(self._tick_s):
                    await self._closing.wait()
            except TimeoutError:
                pass

    async def _keep(self, candidate: Candidate) -> bool:
        """Make the run of one schedule; whether it was made here."""
        order: NewRun | SaafError
        try:
            order = await self._order(candidate)
        except SaafError as refusal:
            if refusal.status >= 500:
                # Nobody can tell whether it may run; the next look asks again.
                _log.warning("schedule %s has to wait: %s", candidate.id, refusal.code)
                return False
            order = refusal
        made = await self._database.run(self._fire, candidate, order)
        if made:
            self._runs.placed()
        return made

    async def _order(self, candidate: Candidate) -> NewRun:
        """What its run is made of, by what its owner may do now."""
        try:
            principal = Principal.model_validate(candidate.principal)
            request = RunRequest.model_validate(candidate.request)
        except ValidationError as error:
            raise InvalidArguments(
                "What the schedule starts is no longer valid in this version.",
                remedy="Write it anew.",
            ) from error
        principal = await self._schedules.require(principal, "agents:run")
        # A host name that does not resolve for a moment must not cost a run: its callback is
        # tried for days, and checked each time.
        new = await self._runs.prepare(principal, request, resolve=False)
        return replace(new, schedule_id=candidate.id)

    def _fire(self, session: Session, candidate: Candidate, order: NewRun | SaafError) -> bool:
        row = store.take(session, candidate)
        if row is None:
            return False
        now = self._clock.now()
        due = due_of(row.cron, row.zone, candidate.next_at, now)
        busy = None if row.overlap == "allow" else store.open_run(session, row.id)
        if busy and row.overlap == "queue":
            return False
        row.next_at = due.next_at
        if due.at is None:
            row.last_error = _missed(candidate.next_at)
        elif busy:
            row.last_error = f"The run of {_told(due.at)} was skipped: {busy} has not ended."
        elif isinstance(order, SaafError):
            self._refuse(session, row, order, due.at, now)
        else:
            return self._make(session, row, order, due.at, now)
        return False

    def _make(
        self, session: Session, row: ScheduleRow, order: NewRun, at: datetime, now: datetime
    ) -> bool:
        key = f"schedule:{row.id}:{at.isoformat()}"
        try:
            run, _ = self._runs.place(session, replace(order, idempotency_key=key))
        except SaafError as refusal:
            self._refuse(session, row, refusal, at, now)
            return False
        row.last_at, row.last_run_id, row.last_error, row.refusals = at, run.id, None, 0
        session.flush()
        record = self._record(row, now, f"The schedule's time {_told(at)} has come.")
        self._audit.append(session, replace(record, run_id=run.id, outcome="ok"))
        return True

    def _refuse(
        self, session: Session, row: ScheduleRow, refusal: SaafError, at: datetime, now: datetime
    ) -> None:
        row.refusals += 1
        row.last_error = f"The run of {_told(at)} was refused: {refusal.detail}"[:_MAX_ERROR]
        record = self._record(row, now, refusal.detail)
        records = [replace(record, decision="denied", outcome=refusal.code)]
        if row.refusals >= MAX_REFUSALS:
            row.enabled = False
            row.version += 1
            row.updated_at = now
            row.next_at = None
            reason = f"It was refused {MAX_REFUSALS} times in a row."
            record = self._record(row, now, reason)
            changes = {"enabled": {"from": True, "to": False}}
            records.append(
                replace(record, action="schedules.pause", kind="change", changes=changes)
            )
        session.flush()
        self._audit.append(session, *records)

    def _record(self, row: ScheduleRow, now: datetime, reason: str) -> AuditRecord:
        return AuditRecord.by(
            Principal.model_validate(row.principal),
            action="schedules.fire",
            resources=(f"schedule://{row.id}", f"agent://{row.request.get('agent_id')}"),
            door="system",
            at=now,
            reason=reason,
        )


def _missed(at: datetime) -> str:
    return f"The run of {_told(at)} was missed: no host was at work within a day of it."


def _told(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
