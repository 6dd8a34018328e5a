"""Schedules as their owners work with them: rights, checks, versions, the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.audit.record import changes_between
from saaf_autogen.auth.administration.merge import patched, validated
from saaf_autogen.auth.administration.pages import Page
from saaf_autogen.auth.administration.versions import ANY, Expected
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.standing import Standing
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.errors import AuditUnavailable, Conflict, SaafError
from saaf_autogen.runs.model import Run
from saaf_autogen.runs.schedules import store
from saaf_autogen.runs.schedules.cron import check_times
from saaf_autogen.runs.schedules.model import Schedule, ScheduleTerms
from saaf_autogen.runs.service import IN_PROCESS, Asking, RunService
from saaf_autogen.runs.store import NewRun

__all__ = ["MAX_SCHEDULES", "SCOPE", "ScheduleService"]

MAX_SCHEDULES = 100
"""Schedules that one owner may have."""

SCOPE = "schedules:manage"


class ScheduleService:
    """Makes, changes and removes schedules, for their owners alone.

    Runs of a schedule act with the rights of whoever last said what it is (``create``,
    ``change``), as far as they hold when the run is made.

    Args:
        database: SAAF's store.
        runs: checks what a schedule is to start, and makes runs at once.
        policy: which scopes a caller holds.
        audit: where changes are recorded, in their own transactions.
        clock: the time.
        standing: what a caller still holds now; None: as it comes.
    """

    def __init__(
        self,
        database: Database,
        runs: RunService,
        *,
        policy: Policy,
        audit: AuditLog,
        clock: Clock,
        standing: Standing | None = None,
    ) -> None:
        self._database = database
        self._runs = runs
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._standing = standing

    async def create(
        self,
        principal: Principal,
        body: ScheduleTerms | Mapping[str, Any],
        *,
        by: Asking = IN_PROCESS,
    ) -> Schedule:
        """Make a schedule; its first run comes at the first time after now.

        Raises:
            InsufficientScope: the caller lacks ``schedules:manage`` or ``agents:run``.
            InvalidArguments: the body, the cron expression, the zone or the run is refused.
            NotFound: no such agent.
            Conflict: the caller has ``MAX_SCHEDULES`` already.
        """
        with self._recorded(principal, "schedules.create", (), by) as record:
            principal = await self.require(principal, "agents:run")
            terms = await self._checked(principal, body)
            return await self._database.run(self._create, principal, terms, record)

    async def get(self, principal: Principal, schedule_id: str) -> Schedule:
        """A schedule of the caller; raises ``NotFound`` for any other."""
        principal = await self.require(principal)
        return await self._database.read(self._get, principal, schedule_id)

    async def list(
        self, principal: Principal, *, cursor: str | None = None, limit: int = 20
    ) -> Page[Schedule]:
        """The caller's schedules, oldest first, ``limit`` (1 to 100) a page."""
        principal = await self.require(principal)
        now = self._clock.now()
        return await self._database.read(
            store.list_schedules, principal, now, cursor=cursor, limit=limit
        )

    async def change(
        self,
        principal: Principal,
        schedule_id: str,
        patch: Mapping[str, Any],
        expected: Expected = ANY,
        *,
        by: Asking = IN_PROCESS,
    ) -> Schedule:
        """Apply a merge patch (RFC 7396) to what the owner says of a schedule.

        Raises:
            SaafError: as ``create``.
            NotFound: the schedule is not the caller's.
            PreconditionFailed: it is another version than the caller saw.
        """
        with self._recorded(principal, "schedules.change", (schedule_id,), by) as record:
            principal = await self.require(principal, "agents:run")
            seen = await self._database.read(self._get, principal, schedule_id)
            expected.check(seen)
            terms = await self._checked(principal, patched(_terms(seen), patch))
            return await self._database.run(self._change, principal, seen, terms, expected, record)

    async def pause(
        self, principal: Principal, schedule_id: str, *, by: Asking = IN_PROCESS
    ) -> Schedule:
        """Let no more times count; runs that are open go on."""
        return await self._switch(principal, schedule_id, "schedules.pause", False, by)

    async def resume(
        self, principal: Principal, schedule_id: str, *, by: Asking = IN_PROCESS
    ) -> Schedule:
        """Let the times from now on count again; what was missed meanwhile stays missed."""
        return await self._switch(principal, schedule_id, "schedules.resume", True, by)

    async def remove(
        self,
        principal: Principal,
        schedule_id: str,
        expected: Expected = ANY,
        *,
        by: Asking = IN_PROCESS,
    ) -> None:
        """Remove a schedule; its runs stay, and those that are open go on."""
        with self._recorded(principal, "schedules.remove", (schedule_id,), by) as record:
            principal = await self.require(principal)
            await self._database.run(self._remove, principal, schedule_id, expected, record)

    async def trigger(
        self,
        principal: Principal,
        schedule_id: str,
        *,
        idempotency_key: str | None = None,
        by: Asking = IN_PROCESS,
    ) -> Run:
        """Make a run of it now, with the caller's own rights; paused or not, overlap or not.

        Raises:
            SaafError: as ``RunService.create``.
            NotFound: the schedule is not the caller's.
        """
        with self._recorded(principal, "schedules.trigger", (schedule_id,), by) as record:
            principal = await self.require(principal, "agents:run")
            seen = await self._database.read(self._get, principal, schedule_id)
            new = await self._runs.prepare(principal, seen.run, idempotency_key=idempotency_key)
            new = replace(new, schedule_id=schedule_id)
            run = await self._database.run(self._trigger, principal, new, record)
        self._runs.placed()
        return run

    async def require(self, principal: Principal, *scopes: str) -> Principal:
        """The caller with what it holds now, which must include the scope of schedules."""
        if self._standing is not None:
            principal = await self._standing.now(principal)
        self._policy.require_scopes(principal, [SCOPE, *scopes], action="Working with schedules")
        return principal

    async def _checked(
        self, principal: Principal, body: ScheduleTerms | Mapping[str, Any]
    ) -> ScheduleTerms:
        terms = body if isinstance(body, ScheduleTerms) else validated(ScheduleTerms, body)
        now = self._clock.now()
        # Some expressions take milliseconds to be searched for a time that never comes.
        await self._database.read(lambda _: check_times(terms.cron, terms.zone, now))
        await self._runs.prepare(principal, terms.run)
        return terms

    async def _switch(
        self, principal: Principal, schedule_id: str, action: str, enabled: bool, by: Asking
    ) -> Schedule:
        with self._recorded(principal, action, (schedule_id,), by) as record:
            principal = await self.require(principal)
            return await self._database.run(
                self._set_enabled, principal, schedule_id, enabled, record
            )

    def _get(self, session: Session, principal: Principal, schedule_id: str) -> Schedule:
        return store.view_of(store.owned(session, principal, schedule_id), self._clock.now())

    def _create(
        self, session: Session, principal: Principal, terms: ScheduleTerms, record: AuditRecord
    ) -> Schedule:
        if store.count_of(session, principal.key) >= MAX_SCHEDULES:
            raise Conflict(
                f"You have {MAX_SCHEDULES} schedules already, and nobody may have more.",
                remedy="Remove one that is not needed; a paused one counts, too.",
            )
        now = self._clock.now()
        row = store.new_row(principal, terms, now)
        session.add(row)
        session.flush()
        made = store.view_of(row, now)
        record = replace(record, resources=_resources(row.id, terms))
        self._append(session, record, None, made)
        return made

    def _change(
        self,
        session: Session,
        principal: Principal,
        seen: Schedule,
        terms: ScheduleTerms,
        expected: Expected,
        record: AuditRecord,
    ) -> Schedule:
        now = self._clock.now()
        row = store.owned(session, principal, seen.id, lock=True)
        before = store.view_of(row, now)
        expected.check(before)
        if before.version != seen.version:
            # What was checked is a patch of another version.
            raise Conflict("The schedule was changed at the same time.", remedy="Send it again.")
        store.put_terms(row, principal, terms, now)
        row.version += 1
        session.flush()
        after = store.view_of(row, now)
        self._append(session, replace(record, resources=_resources(row.id, terms)), before, after)
        return after

    def _set_enabled(
        self,
        session: Session,
        principal: Principal,
        schedule_id: str,
        enabled: bool,
        record: AuditRecord,
    ) -> Schedule:
        now = self._clock.now()
        row = store.owned(session, principal, schedule_id, lock=True)
        before = store.view_of(row, now)
        if row.enabled != enabled:
            store.switch(row, enabled, now)
            session.flush()
        after = store.view_of(row, now)
        self._append(session, record, before, after)
        return after

    def _remove(
        self,
        session: Session,
        principal: Principal,
        schedule_id: str,
        expected: Expected,
        record: AuditRecord,
    ) -> None:
        row = store.owned(session, principal, schedule_id, lock=True)
        before = store.view_of(row, self._clock.now())
        expected.check(before)
        session.delete(row)
        session.flush()
        self._append(session, record, before, None)

    def _trigger(
        self, session: Session, principal: Principal, new: NewRun, record: AuditRecord
    ) -> Run:
        row = store.owned(session, principal, str(new.schedule_id), lock=True)
        run, created = self._runs.place(session, new)
        if created:
            row.last_at, row.last_run_id, row.last_error = self._clock.now(), run.id, None
            session.flush()
        reason = "the owner asked for it" if created else "the key's earlier run was returned"
        record = replace(record, run_id=run.id, reason=reason, outcome="ok", kind="decision")
        self._audit.append(session, record)
        return run

    def _append(
        self,
        session: Session,
        record: AuditRecord,
        before: Schedule | None,
        after: Schedule | None,
    ) -> None:
        halves = [_terms(one).model_dump(mode="json") if one else {} for one in (before, after)]
        changes = changes_between(*halves)
        # What an agent is asked and told may be private; that it changed is enough.
        if "run" in changes:
            changes["run"] = {}
        reason = "the schedule is the caller's"
        self._audit.append(session, replace(record, reason=reason, outcome="ok", changes=changes))

    @contextmanager
    def _recorded(
        self, principal: Principal, action: str, ids: tuple[str, ...], by: Asking
    ) -> Iterator[AuditRecord]:
        """Record a refusal; what is allowed is recorded within its own transaction."""
        self._audit.require_room()
        record = AuditRecord.by(
            principal,
            action=action,
            resources=tuple(f"schedule://{each}" for each in ids),
            door=by.door,
            address=by.address,
            at=self._clock.now(),
            kind="change",
        )
        try:
            yield record
        except AuditUnavailable:
            raise
        except SaafError as refusal:
            denied = replace(record, kind="decision", decision="denied", reason=refusal.detail)
            self._audit.note(denied)
            raise


def _terms(schedule: Schedule) -> ScheduleTerms:
    return ScheduleTerms.model_validate(
        schedule.model_dump(include=set(ScheduleTerms.model_fields))
    )


def _resources(schedule_id: str, terms: ScheduleTerms) -> tuple[str, ...]:
    return f"schedule://{schedule_id}", f"agent://{terms.run.agent_id}"
