"""Runs as the API and in-process callers use them: rights, idempotency, streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from saaf_autogen.audit import AuditLog, AuditRecord, Door
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.standing import Standing
from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import AuditUnavailable, SaafError
from saaf_autogen.runs import batches, store
from saaf_autogen.runs.answers import ResolveEffect, answer, refuse_agents
from saaf_autogen.runs.engine import RunEngine
from saaf_autogen.runs.inputs import AnswerRequest
from saaf_autogen.runs.intake import Intake, SecretFor
from saaf_autogen.runs.model import (
    AgentLookup,
    Run,
    RunRequest,
    RunWork,
)
from saaf_autogen.runs.notifier import CALLBACKS, Notifier
from saaf_autogen.runs.reading import RunReader
from saaf_autogen.settings import RunSettings

__all__ = ["IN_PROCESS", "Asking", "RunService", "SecretFor"]

_BATCH = 500


@dataclass(frozen=True)
class Asking:
    """How a request came in: by which door, and from where."""

    door: Door
    address: str | None = None


IN_PROCESS = Asking("python")


class RunService(RunReader):
    """Creates runs, reads them, cancels and answers them, for their owners alone.

    Args:
        database: SAAF's store.
        engine: executes the runs.
        agents: from an id to the agent; raises ``NotFound``.
        egress: judges webhook URLs.
        secret_for: which client can be called back.
        settings: limits.
        policy: which scopes a caller holds.
        audit: where starts and cancellations are recorded, in their own transactions.
        notifier: shared with the engine of this process.
        clock: the time that is written down.
        poll_s: seconds between two looks at the store for what other processes wrote.
        standing: what a caller still holds now; None: as it comes.
        release: of the deployment; runs keep the one that accepted them.
        resolve: settles effects whose outcome was unknown, as ``EffectStore.resolve``.
    """

    def __init__(
        self,
        database: Database,
        engine: RunEngine,
        agents: AgentLookup,
        egress: EgressClient,
        secret_for: SecretFor,
        settings: RunSettings,
        *,
        policy: Policy,
        audit: AuditLog,
        notifier: Notifier,
        clock: Clock | None = None,
        poll_s: float = 1.0,
        standing: Standing | None = None,
        release: str = "",
        resolve: ResolveEffect | None = None,
    ) -> None:
        intake = Intake(
            agents,
            egress,
            secret_for,
            settings,
            policy=policy,
            standing=standing,
            release=release,
        )
        super().__init__(database, intake, notifier, clock or SystemClock(), poll_s=poll_s)
        self._engine = engine
        self._settings = settings
        self._audit = audit
        self._resolve = resolve

    async def create(
        self,
        principal: Principal,
        request: RunRequest,
        *,
        idempotency_key: str | None = None,
        by: Asking = IN_PROCESS,
    ) -> Run:
        """Store a run and have it started.

        It acts for the caller through the agent: with the agent as the outermost actor, and with
        those of the caller's scopes that the agent may use.

        Args:
            principal: the caller.
            request: what to do.
            idempotency_key: with the same key, the same body gives the same run again.
            by: how the request came in, for the audit.

        Raises:
            InsufficientScope: the caller lacks ``agents:run``.
            NotFound: no such agent.
            InvalidArguments: the webhook's URL is refused, or the caller cannot be called back.
            IdempotencyMismatch: the key came before with another body.
        """
        record = self._record(principal, "runs.create", f"agent://{request.agent_id}", by)
        with self._recorded(record):
            new = await self.prepare(principal, request, idempotency_key=idempotency_key)
            run, created = await self._store(new, record)
        if created:
            self._notifier.notify(run.id)
        return run

    async def create_many(
        self,
        principal: Principal,
        requests: Sequence[RunRequest | Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        by: Asking = IN_PROCESS,
    ) -> Sequence[Run]:
        """Store 1 to ``MAX_BATCH`` runs at once, all or none, in their order.

        The key is that of the whole: with the same requests it gives the same runs again.

        Raises:
            InsufficientScope: the caller lacks ``agents:run``.
            InvalidArguments: some requests are refused; ``errors`` in ``extra`` has every fault,
                each with the ``index`` of its request.
            IdempotencyMismatch: the key came before with other requests.
        """
        self._audit.require_room()
        record = self._record(principal, "runs.create", "agent://*", by)
        with self._recorded(record):
            self._intake.check_key(idempotency_key)
            principal = await self._require(principal, "agents:run", "Starting runs")
            checked = await batches.checked(
                requests, self._intake.order, self._intake.check_webhook, principal
            )
        if isinstance(checked, batches.Refused):
            for agent_id, reason in checked.refusals:
                refused = self._record(principal, "runs.create", f"agent://{agent_id}", by)
                self._audit.note(replace(refused, decision="denied", reason=reason))
            raise checked.error()
        with self._recorded(record):
            runs, created = await self._database.run(
                self._create_many, checked, idempotency_key, principal, by
            )
        if created:
            self._engine.look()
        return runs

    async def prepare(
        self,
        principal: Principal,
        request: RunRequest,
        *,
        idempotency_key: str | None = None,
        resolve: bool = True,
    ) -> store.NewRun:
        """What a run of this request is made of, as ``Intake.prepare``; nothing is stored.

        Whoever stores it (``place``) within a transaction of their own calls ``placed`` after it.
        """
        return await self._intake.prepare(
            principal, request, idempotency_key=idempotency_key, resolve=resolve
        )

    def place(self, session: Session, new: store.NewRun) -> tuple[Run, bool]:
        """Store a prepared run, to be audited by the caller; whether it is new."""
        run, _, created = store.create(session, new, self._clock.now())
        return run, created

    def placed(self) -> None:
        """Say that a run was stored: this process's worker looks for it at once."""
        self._engine.look()

    async def _store(self, new: store.NewRun, record: AuditRecord) -> tuple[Run, bool]:
        """Store a run, held by this process's worker if that has a free slot."""
        worker = self._engine.reserve()
        work = None
        try:
            run, work, created = await self._database.run(self._create, new, record, worker)
        finally:
            if worker and work is None:
                self._engine.give_back()
        if work:
            self._engine.begin(work)
        elif created:
            self._engine.look()
        return run, created

    async def cancel(self, principal: Principal, run_id: str, *, by: Asking = IN_PROCESS) -> Run:
        """Ask for a run's end. It follows within a second; the answer may still say running.

        ``by`` is how the request came in, for the audit.

        Raises:
            NotFound: the run is not the caller's.
            Conflict: it ended otherwise.
        """
        record = self._record(principal, "runs.cancel", f"run://{run_id}", by, run_id=run_id)
        with self._recorded(record):
            await self._require(principal, "runs:cancel", "Cancelling a run")
            run = await self._database.run(self._cancel, principal, run_id, record)
        if run.ended:
            self._notifier.notify(run_id)
            self._notifier.notify(CALLBACKS)
        else:
            self._engine.cancel(run_id)
        return run

    async def answer(
        self,
        principal: Principal,
        run_id: str,
        question_id: str,
        request: AnswerRequest,
        *,
        idempotency_key: str | None = None,
        by: Asking = IN_PROCESS,
    ) -> Run:
        """Answer what a run waits for; it goes on from there, whatever time has passed.

        Args:
            principal: the caller.
            run_id: of their run.
            question_id: which question; a run waits for one at a time.
            request: the answer.
            idempotency_key: with the same key, the same answer gives the run again.
            by: how the request came in, for the audit.

        Raises:
            InsufficientScope: the caller lacks ``runs:input``.
            Forbidden: an agent answers.
            NotFound: the run is not the caller's, or has no such question.
            InvalidArguments: the answer is of another kind than the question.
            IdempotencyMismatch: the key came before with another answer.
            Conflict: it was answered, or closed, before: by whom and when.
        """
        record = self._record(principal, "runs.answer", f"run://{run_id}", by, run_id=run_id)
        with self._recorded(record):
            principal = await self._require(principal, "runs:input", "Answering a run")
            refuse_agents(principal)
            self._intake.check_key(idempotency_key)
            run, taken = await self._database.run(
                self._answer, principal, question_id, request, idempotency_key, record
            )
        if taken:
            self._notifier.notify(run_id)
            self._engine.look()
        return run

    def _create(
        self, session: Session, new: store.NewRun, record: AuditRecord, worker: str | None
    ) -> tuple[Run, RunWork | None, bool]:
        run, work, created = store.create(
            session, new, self._clock.now(), worker=worker, rules=self._engine.rules
        )
        reason = "the caller may run the agent" if created else "the key's earlier run was returned"
        self._audit.append(session, replace(record, run_id=run.id, reason=reason, outcome="ok"))
        return run, work, created

    def _create_many(
        self,
        session: Session,
        orders: Sequence[store.NewRun],
        key: str | None,
        principal: Principal,
        by: Asking,
    ) -> tuple[Sequence[Run], bool]:
        runs, created = batches.create(session, orders, key, self._clock.now())
        reason = "the caller may run the agent" if created else "the key's earlier run was returned"
        told = [
            self._record(principal, "runs.create", f"agent://{run.agent_id}", by) for run in runs
        ]
        self._audit.append(
            session,
            *(
                replace(record, run_id=run.id, reason=reason, outcome="ok")
                for record, run in zip(told, runs, strict=True)
            ),
        )
        return runs, created

    def _cancel(
        self, session: Session, principal: Principal, run_id: str, record: AuditRecord
    ) -> Run:
        run = store.request_cancel(
            session,
            principal,
            run_id,
            self._clock.now(),
            callback_delay_s=(self._settings.callback_delays_s or [0])[0],
        )
        self._audit.append(session, replace(record, reason="the run is the caller's", outcome="ok"))
        return run

    def _answer(
        self,
        session: Session,
        principal: Principal,
        question_id: str,
        request: AnswerRequest,
        idempotency_key: str | None,
        record: AuditRecord,
    ) -> tuple[Run, bool]:
        run_id = record.run_id or ""
        taken = answer(
            session,
            principal,
            run_id,
            question_id,
            request,
            self._clock.now(),
            resolve=self._resolve,
            idempotency_key=idempotency_key,
        )
        run = store.get(session, principal, run_id)
        said = f"answered {question_id}" + (f": {request.resolution}" if request.resolution else "")
        reason = said if taken else "the key's earlier answer was returned"
        self._audit.append(session, replace(record, reason=reason, outcome="ok"))
        return run, taken

    def _record(
        self,
        principal: Principal,
        action: str,
        resource: str,
        by: Asking,
        *,
        run_id: str | None = None,
    ) -> AuditRecord:
        return AuditRecord.by(
            principal,
            action=action,
            resources=(resource,),
            door=by.door,
            address=by.address,
            at=self._clock.now(),
            run_id=run_id,
        )

    @contextmanager
    def _recorded(self, record: AuditRecord) -> Iterator[None]:
        """Record a refusal; what is allowed is recorded within its own transaction."""
        self._audit.require_room()
        try:
            yield
        except AuditUnavailable:
            raise
        except SaafError as refusal:
            self._audit.note(replace(record, decision="denied", reason=refusal.detail))
            raise
