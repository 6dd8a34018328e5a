"""A deployment at work: the only place that wires the rooms together."""

from __future__ import annotations

import asyncio
import os

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.actions.context import ContextFactory
from saaf_autogen.actions.effects import EffectStore
from saaf_autogen.actions.invoke import Invoker
from saaf_autogen.actions.port import LocalPort
from saaf_autogen.audit import AuditLog
from saaf_autogen.audit.telemetry import open_telemetry
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.egress import EgressClient
from saaf_autogen.embeddings import open_library
from saaf_autogen.errors import ConfigurationError, NotFound
from saaf_autogen.journal import TurnHost, TurnRequest
from saaf_autogen.limits import Limits
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.identity import Identity
from saaf_autogen.project.state import ClientSecrets, open_state
from saaf_autogen.project.stores import (
    SampleProgress,
    open_database,
    open_warehouses,
)
from saaf_autogen.project.turn_port import TurnPort
from saaf_autogen.runs import (
    Agent,
    CallbackDeliverer,
    ClaimRules,
    Notifier,
    NoWorker,
    Presence,
    RunEngine,
    RunExecution,
    RunService,
    Worker,
)
from saaf_autogen.runs.releases import release_of
from saaf_autogen.runs.usage import prices_of
from saaf_autogen.semantic.context import ContextBuilder
from saaf_autogen.settings import ServerSettings
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.models import ModelRegistry

__all__ = ["GRACE_S", "Project"]

_EFFECT_MARGIN_S = 60
GRACE_S = 10


class Project:
    """A deployment with its stores open; ``start`` makes it execute runs.

    Opening does blocking work (migrations, keys, samples): in an event loop, use ``open``.

    Args:
        deployment: what the folder says.
        server: where this host is known, if not as ``saaf.yaml`` says.
        progress: told of samples being built: table, rows done, rows in all.
        clock: the time.
        works: whether this process executes runs, or leaves them to others.
    """

    def __init__(
        self,
        deployment: Deployment,
        *,
        server: ServerSettings | None = None,
        progress: SampleProgress | None = None,
        clock: Clock | None = None,
        works: bool = True,
    ) -> None:
        settings = deployment.settings
        clock = clock or SystemClock()
        self.clock = clock
        self._works = works
        self.deployment = deployment
        self.settings = settings
        self.server = server or settings.server
        self.state, self._sealer = open_state(deployment)
        self.secrets = ClientSecrets(self.state)
        self.database = open_database(deployment, self.state)
        self.warehouses = open_warehouses(deployment, self._sealer, progress)
        self._telemetry = open_telemetry(os.environ)
        self.audit = AuditLog(
            self.database,
            self._sealer.derive("audit"),
            emit=self._telemetry.emit if self._telemetry else None,
        )
        self.limits = Limits(settings.limits, clock)
        self.identity = Identity(
            deployment,
            self.database,
            self._sealer,
            self.secrets,
            audit=self.audit,
            limits=self.limits,
            url=self.server.public_url,
            clock=clock,
        )
        self.policy = self.identity.policy
        self._semantic = ContextBuilder(open_library(settings.embeddings, self.state, os.environ))
        self._contexts = ContextFactory(
            policy=self.policy,
            catalog=deployment.catalog,
            warehouses=self.warehouses,
            clock=clock,
            contexts=self._semantic,
        )
        self._effects = EffectStore(
            self.database, clock, lease_s=settings.limits.action_timeout_s + _EFFECT_MARGIN_S
        )
        self.invoker = Invoker(
            registry=deployment.registry,
            policy=self.policy,
            contexts=self._contexts,
            audit=self.audit,
            effects=self._effects,
            limits=settings.limits,
            calls=self.limits.calls,
            clock=clock,
            standing=self.identity.standing,
        )
        self.models = ModelRegistry(settings.models, clock=clock)
        self.prices = prices_of(settings.models)
        self._open_runs(clock)
        self._started = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    async def open(
        cls,
        deployment: Deployment,
        *,
        server: ServerSettings | None = None,
        progress: SampleProgress | None = None,
    ) -> Project:
        """A project, opened in a thread so that the event loop goes on."""
        return await asyncio.to_thread(lambda: cls(deployment, server=server, progress=progress))

    async def start(self) -> None:
        """Execute runs and deliver callbacks; runs that a crash interrupted continue."""
        if self._started:
            return
        self._loop = asyncio.get_running_loop()
        await self.engine.launch()
        await self._callbacks.launch()
        await self.identity.start()
        self._started = True

    async def drain(self) -> None:
        """Take up no more runs, give those at work a moment, then end the streams of events.

        Whatever else is asked is still answered; ``close`` does the rest.
        """
        await self.engine.drain(GRACE_S)
        self.runs.release()

    async def close(self) -> None:
        """Stop in good order: runs at work get a moment and otherwise continue next time."""
        await self.identity.close()
        if self._started:
            await self.engine.close(GRACE_S)
            await self._callbacks.close(GRACE_S)
            self._started = False
        await self._semantic.close()
        self._contexts.close()
        await self.models.close()
        await self.audit.close()
        if self._telemetry:
            await asyncio.to_thread(self._telemetry.close)
        await self._egress.aclose()
        for warehouse in self.warehouses.values():
            await warehouse.warehouse.close()
        self.database.close()

    async def readiness(self) -> dict[str, bool]:
        """What ``/readyz`` tells: whether the store answers and the engine works."""
        try:
            await self.database.read(lambda session: session.execute(text("SELECT 1")).scalar())
        except SQLAlchemyError:
            return {"store": False, "engine": self.engine.is_working}
        return {"store": True, "engine": self.engine.is_working}

    def local_principal(self) -> Principal:
        """Who calls in process when nobody is named; refused in production."""
        local = self.settings.local
        if self.settings.environment == "production" or local is None:
            raise ConfigurationError(
                "This deployment names no local principal.",
                remedy="Pass principal=…, or declare local.principal in saaf.yaml "
                "(not in production).",
            )
        who = local.principal
        return Principal(
            issuer="local",
            subject=who.subject,
            kind="client" if who.subject.startswith("client:") else "user",
            groups=frozenset(who.groups),
            scopes=frozenset(who.scopes),
            attributes={
                name: tuple(value) if isinstance(value, list) else value
                for name, value in who.attributes.items()
            },
        )

    def _open_runs(self, clock: Clock) -> None:
        settings = self.settings
        notifier = Notifier()
        executor = TeamExecutor(self.models, self._port_of_turn, settings.trusted_providers)
        self._egress = EgressClient(
            settings.egress.allow, timeout_s=settings.runs.callback_timeout_s
        )
        release = release_of(settings.runs, os.environ)
        self.engine = self._engine(executor, notifier, release)
        self.runs = RunService(
            self.database,
            self.engine,
            self._agent,
            self._egress,
            self._secret_of_client,
            settings.runs,
            policy=self.policy,
            audit=self.audit,
            notifier=notifier,
            clock=clock,
            standing=self.identity.standing,
            release=release,
            resolve=self._effects.resolve,
        )
        self._callbacks = CallbackDeliverer(
            self.database,
            self._egress,
            self._secret_of_client,
            settings.runs,
            notifier=notifier,
            clock=clock,
        )

    def _engine(self, executor: TeamExecutor, notifier: Notifier, release: str) -> RunEngine:
        settings = self.settings.runs
        rules = ClaimRules(
            settings.at_once,
            {
                each.id: each.concurrency
                for each in self.deployment.agents.values()
                if each.concurrency
            },
            release if settings.pinned else None,
        )
        if not self._works:
            return NoWorker(rules)
        return Worker(
            self.database,
            RunExecution(
                self.database, executor, settings, self.settings.models, self.clock, notifier
            ),
            settings,
            rules=rules,
            presence=Presence(self.state / "workers"),
            notifier=notifier,
            clock=self.clock,
            release=release,
            on_close=self.models.close,
        )

    def _agent(self, agent_id: str) -> Agent:
        definition = self.deployment.agents.get(agent_id)
        if definition is None:
            raise NotFound(
                f"There is no agent {agent_id!r}.",
                remedy=f"There are: {', '.join(sorted(self.deployment.agents)) or 'none'}.",
            )
        priced = self.prices
        return Agent(
            definition.id,
            definition.title,
            frozenset(definition.scopes),
            definition.snapshot(),
            definition.limits,
            definition.concurrency,
            tuple(name for name in definition.models() if priced.get(name) is None),
        )

    def _port_of_turn(self, request: TurnRequest, host: TurnHost) -> TurnPort:
        if self._loop is None:
            raise ConfigurationError("The project executes no runs: it was not started.")
        port = LocalPort(
            self.invoker,
            request.principal,
            door="tool",
            run_id=request.run,
            holder=host.holder,
            fence=host.fence,
        )
        return TurnPort(port, self._loop)

    async def _secret_of_client(self, tenant: str, client_id: str) -> str | None:
        try:
            return await asyncio.to_thread(self.identity.clients.webhook_secret, tenant, client_id)
        except NotFound:
            return None
