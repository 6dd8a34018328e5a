"""Runs as the API and in-process callers use them: rights, idempotency, streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from saaf_autogen.audit import AuditLog, AuditRecord, Door
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.auth.standing import Standing
from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import AuditUnavailable, InvalidArguments, SaafError, TimedOut
from saaf_autogen.runs import store
from saaf_autogen.runs.engine import RunEngine
from saaf_autogen.runs.event_log import read_events
from saaf_autogen.runs.model import (
    Agent,
    AgentLookup,
    Run,
    RunEvent,
    RunPage,
    RunRequest,
    RunStatus,
)
from saaf_autogen.runs.notifier import CALLBACKS, Notifier, rung
from saaf_autogen.settings import RunSettings

__all__ = ["IN_PROCESS", "Asking", "RunService", "SecretFor"]

SecretFor = Callable[[str, str], Awaitable[str | None]]
"""From (tenant, client id) to the client's webhook secret (``whsec_…``), or None."""

_MAX_KEY = 255
_BATCH = 500


@dataclass(frozen=True)
class Asking:
    """How a request came in: by which door, and from where."""

    door: Door
    address: str | None = None


IN_PROCESS = Asking("python")


class RunService:
    """Creates runs and reads them, for their owners alone.

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
    ) -> None:
        self._database = database
        self._engine = engine
        self._agents = agents
        self._egress = egress
        self._secret_for = secret_for
        self._settings = settings
        self._policy = policy
        self._audit = audit
        self._notifier = notifier
        self._clock = clock or SystemClock()
        self._poll_s = poll_s
        self._standing = standing
        self._released = False

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
            principal = await self._require(principal, "agents:run", "Starting a run")
            agent = await self._check(principal, request, idempotency_key)
            acting = principal.model_copy(
                update={
                    "actors": (Actor(subject=f"agent:{agent.id}"), *principal.actors),
                    "scopes": principal.scopes & agent.scopes,
                }
            )
            new = store.NewRun(request, principal.key, acting, agent, idempotency_key)
            run, created = await self._database.run(self._create, new, record)
        if created:
            self._notifier.notify(run.id)
            await self._engine.start(run.id)
        return run

    async def _may_go_on(self, principal: Principal) -> bool:
        """Whether a stream may: once it has begun, no refusal can be told but by its end."""
        try:
            await self._require(principal, "runs:read", "Following a run")
        except SaafError:
            return False
        return True

    async def _check(
        self, principal: Principal, request: RunRequest, idempotency_key: str | None
    ) -> Agent:
        if idempotency_key is not None and not 1 <= len(idempotency_key) <= _MAX_KEY:
            raise InvalidArguments(
                f"The Idempotency-Key is not 1 to {_MAX_KEY} characters long.",
                remedy="Use a UUID.",
            )
        agent = self._agents(request.agent_id)
        if request.webhook:
            await self._check_webhook(principal, request.webhook.url)
        return agent

    async def get(self, principal: Principal, run_id: str) -> Run:
        """A run of the caller; raises ``NotFound`` for any other."""
        await self._require(principal, "runs:read", "Reading a run")
        return await self._database.read(store.get, principal, run_id)

    async def list(
        self,
        principal: Principal,
        *,
        status: RunStatus | None = None,
        agent_id: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> RunPage:
        """The caller's runs, newest first, ``limit`` (1 to 100) a page."""
        await self._require(principal, "runs:read", "Reading runs")
        return await self._database.read(
            store.list_runs,
            principal,
            status=status,
            agent_id=agent_id,
            cursor=cursor,
            limit=limit,
        )

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
            await self._engine.cancel(run_id)
        return run

    async def events(
        self, principal: Principal, run_id: str, *, after: int = 0, limit: int = 500
    ) -> Sequence[RunEvent]:
        """The entries of a run's log after the one with id ``after``."""
        await self._require(principal, "runs:read", "Reading a run's events")
        _, events = await self._database.read(_look, principal, run_id, after, limit)
        return events

    async def stream(
        self, principal: Principal, run_id: str, *, after: int = 0
    ) -> AsyncIterator[RunEvent]:
        """The log after ``after``, then what is added to it, up to the run's end.

        It reads what is stored and nothing else: leaving it does nothing to the run, and whoever
        comes back with the last id misses nothing.
        """
        await self._require(principal, "runs:read", "Following a run")
        with self._notifier.listen(run_id) as news:
            while True:
                news.clear()
                run, batch = await self._database.read(_look, principal, run_id, after, _BATCH)
                for event in batch:
                    after = event.id
                    yield event
                    if event.last:
                        return
                # Who asks for what comes after the end would otherwise wait for ever.
                if not batch and (run.ended or self._released):
                    return
                if not batch:
                    await rung(news, self._poll_s)
                # After what was sent, too: who reads slowly always has something left to read.
                if not await self._may_go_on(principal):
                    return

    async def wait(self, principal: Principal, run_id: str, timeout_s: float) -> Run:
        """The run at its end; raises ``TimedOut`` when that is not within ``timeout_s``."""
        end = self._clock.monotonic() + timeout_s
        with self._notifier.listen(run_id) as news:
            while True:
                news.clear()
                run = await self.get(principal, run_id)
                if run.ended:
                    return run
                left = end - self._clock.monotonic()
                if left <= 0:
                    raise TimedOut(
                        "The run has not ended yet.", remedy="Wait again, or follow its stream."
                    )
                await rung(news, min(left, self._poll_s))

    def release(self) -> None:
        """End all streams within ``poll_s``: this host stops, and the next one resumes them."""
        self._released = True

    def _create(self, session: Session, new: store.NewRun, record: AuditRecord) -> tuple[Run, bool]:
        run, created = store.create(session, new, self._clock.now())
        reason = "the caller may run the agent" if created else "the key's earlier run was returned"
        self._audit.append(session, replace(record, run_id=run.id, reason=reason, outcome="ok"))
        return run, created

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

    async def _require(self, principal: Principal, scope: str, doing: str) -> Principal:
        """The caller with what it holds now, which must include the scope."""
        if self._standing is not None:
            principal = await self._standing.now(principal)
        self._policy.require_scopes(principal, [scope], action=doing)
        return principal

    async def _check_webhook(self, principal: Principal, url: str) -> None:
        await self._egress.check_url(url)
        client = principal.client_id
        if client is None or await self._secret_for(principal.tenant, client) is None:
            raise InvalidArguments(
                "The caller has no webhook secret to sign a callback with.",
                remedy="Call as a client that has one (saaf clients), or leave webhook out.",
            )


def _look(
    session: Session, principal: Principal, run_id: str, after: int, limit: int
) -> tuple[Run, list[RunEvent]]:
    # The run first: one that has ended when it is read has its last event when the log is.
    run = store.get(session, principal, run_id)
    return run, read_events(session, run_id, after=after, limit=limit)
