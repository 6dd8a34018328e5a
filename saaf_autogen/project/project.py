"""A deployment at work: the only place that wires the rooms together."""

from __future__ import annotations

import asyncio
import os
from functools import partial

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.actions.context import ContextFactory
from saaf_autogen.actions.effects import EffectStore
from saaf_autogen.actions.invoke import Invoker
from saaf_autogen.audit import AuditLog
from saaf_autogen.audit.telemetry import open_telemetry
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.embeddings import open_library
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.limits import Limits
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.identity import Identity
from saaf_autogen.project.running import RunGround, Running
from saaf_autogen.project.state import ClientSecrets, open_state
from saaf_autogen.project.stores import (
    SampleProgress,
    open_database,
    open_warehouses,
)
from saaf_autogen.runs.metering import UsageReader
from saaf_autogen.runs.releases import stranded
from saaf_autogen.semantic.context import ContextBuilder
from saaf_autogen.settings import ServerSettings
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
        lease_s = settings.limits.action_timeout_s + _EFFECT_MARGIN_S
        effects = EffectStore(self.database, clock, lease_s=lease_s)
        self.invoker = self._invoker(effects)
        self.models = ModelRegistry(settings.models, clock=clock)
        ground = RunGround(
            deployment,
            self.state,
            self.database,
            self.identity,
            self.audit,
            self.invoker,
            effects,
            self.models,
            clock,
        )
        self.usage = UsageReader(self.database, policy=self.policy, standing=self.identity.standing)
        self._running = Running(ground, works=works)
        self.engine = self._running.engine
        self.runs = self._running.runs
        self.schedules = self._running.schedules
        self._started = False

    def _invoker(self, effects: EffectStore) -> Invoker:
        return Invoker(
            registry=self.deployment.registry,
            policy=self.policy,
            contexts=self._contexts,
            audit=self.audit,
            effects=effects,
            limits=self.settings.limits,
            calls=self.limits.calls,
            clock=self.clock,
            standing=self.identity.standing,
        )

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

    async def start(self, *, schedules: bool = True) -> None:
        """Execute runs and deliver callbacks; runs that a crash interrupted continue.

        With ``schedules``, a process that executes runs also makes those of schedules.
        """
        if self._started:
            return
        await self._running.start(schedules=schedules)
        await self.identity.start()
        self._started = True

    async def drain(self) -> None:
        """Take up no more runs, give those at work a moment, then end the streams of events.

        Whatever else is asked is still answered; ``close`` does the rest.
        """
        await self._running.drain(GRACE_S)

    async def close(self) -> None:
        """Stop in good order: runs at work get a moment and otherwise continue next time."""
        await self.identity.close()
        await self._running.close(GRACE_S)
        self._started = False
        await self._semantic.close()
        self._contexts.close()
        self.invoker.close()
        await self.models.close()
        await self.audit.close()
        if self._telemetry:
            await asyncio.to_thread(self._telemetry.close)
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

    async def warnings(self) -> list[str]:
        """What ``/readyz`` tells beside that; anybody may read it, so it names nothing."""
        pinned = self.settings.runs.pinned
        try:
            waiting = await self.database.read(partial(stranded, pinned=pinned))
        except SQLAlchemyError:
            return []
        if waiting:
            return ["No living worker executes some of the open runs: see `saaf workers`."]
        return []

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
