"""Runs at work: the worker, the service, schedules, callbacks, and the chores beside them."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from saaf_autogen.actions.effects import EffectStore
from saaf_autogen.actions.invoke import Invoker
from saaf_autogen.actions.port import LocalPort
from saaf_autogen.audit import AuditLog
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import ConfigurationError, NotFound
from saaf_autogen.journal import TurnHost, TurnRequest
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.identity import Identity
from saaf_autogen.project.turn_port import TurnPort
from saaf_autogen.runs import (
    Agent,
    CallbackDeliverer,
    Chore,
    ClaimRules,
    Notifier,
    NoWorker,
    Presence,
    RunEngine,
    RunExecution,
    RunService,
    Worker,
)
from saaf_autogen.runs.answers import expire_questions
from saaf_autogen.runs.notifier import CALLBACKS
from saaf_autogen.runs.releases import release_of
from saaf_autogen.runs.retention import Pruner
from saaf_autogen.runs.schedules import ScheduleService, ScheduleTicker
from saaf_autogen.runs.usage import prices_of
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.models import ModelRegistry

__all__ = ["RunGround", "Running"]

_EXPIRY_S = 5.0
_PRUNE_S = 600.0


@dataclass(frozen=True)
class RunGround:
    """What runs stand on."""

    deployment: Deployment
    state: Path
    database: Database
    identity: Identity
    audit: AuditLog
    invoker: Invoker
    effects: EffectStore
    models: ModelRegistry
    clock: Clock


class Running:
    """Everything of a project that has to do with runs.

    Args:
        ground: the project's other parts.
        works: whether this process executes runs, or leaves them to others.

    Attributes:
        engine: executes runs, or leaves them to others.
        runs: creates and reads them.
        schedules: keeps and changes them.
    """

    def __init__(self, ground: RunGround, *, works: bool) -> None:
        settings = ground.deployment.settings
        self._ground = ground
        self._works = works
        self._loop: asyncio.AbstractEventLoop | None = None
        self._prices = prices_of(settings.models)
        self._notifier = Notifier()
        self._release = release_of(settings.runs, os.environ)
        self._egress = EgressClient(
            settings.egress.allow, timeout_s=settings.runs.callback_timeout_s
        )
        self.engine = self._engine()
        policy, standing = ground.identity.policy, ground.identity.standing
        self.runs = RunService(
            ground.database,
            self.engine,
            self._agent,
            self._egress,
            self._secret_of_client,
            settings.runs,
            policy=policy,
            audit=ground.audit,
            notifier=self._notifier,
            clock=ground.clock,
            standing=standing,
            release=self._release,
            resolve=ground.effects.resolve,
        )
        self.schedules = ScheduleService(
            ground.database,
            self.runs,
            policy=policy,
            audit=ground.audit,
            clock=ground.clock,
            standing=standing,
        )
        self._ticker = ScheduleTicker(
            ground.database, self.schedules, self.runs, audit=ground.audit, clock=ground.clock
        )
        self._callbacks = CallbackDeliverer(
            ground.database,
            self._egress,
            self._secret_of_client,
            settings.runs,
            notifier=self._notifier,
            clock=ground.clock,
        )

    async def start(self, *, schedules: bool) -> None:
        """Execute runs, deliver callbacks, keep schedules; what a crash interrupted continues."""
        self._loop = asyncio.get_running_loop()
        await self.engine.launch()
        await self._callbacks.launch()
        if self._works and schedules:
            await self._ticker.launch()

    async def drain(self, grace_s: float) -> None:
        """Take up no more runs, give those at work ``grace_s``, end the streams of events."""
        await self._ticker.close()
        await self.engine.drain(grace_s)
        self.runs.release()

    async def close(self, grace_s: float) -> None:
        """Stop in good order."""
        if self._loop is not None:
            await self._ticker.close()
            await self.engine.close(grace_s)
            await self._callbacks.close(grace_s)
            self._loop = None
        await self._egress.aclose()

    def _engine(self) -> RunEngine:
        ground, settings = self._ground, self._ground.deployment.settings
        agents = ground.deployment.agents.values()
        rules = ClaimRules(
            settings.runs.at_once,
            {each.id: each.concurrency for each in agents if each.concurrency},
            self._release if settings.runs.pinned else None,
        )
        if not self._works:
            return NoWorker(rules)
        executor = TeamExecutor(ground.models, self._port_of_turn, settings.trusted_providers)
        return Worker(
            ground.database,
            RunExecution(
                ground.database,
                executor,
                settings.runs,
                settings.models,
                ground.clock,
                self._notifier,
            ),
            settings.runs,
            rules=rules,
            presence=Presence(ground.state / "workers"),
            notifier=self._notifier,
            clock=ground.clock,
            release=self._release,
            chores=self._chores(),
            on_close=ground.models.close,
        )

    def _chores(self) -> list[Chore]:
        settings = self._ground.deployment.settings.runs
        chores = [Chore("the expiry of questions", _EXPIRY_S, self._expire)]
        if settings.keep_days is not None:
            chores.append(Chore("pruning", _PRUNE_S, self._prune))
        return chores

    async def _expire(self) -> None:
        delay_s = (self._ground.deployment.settings.runs.callback_delays_s or [0])[0]
        ended = await self._ground.database.run(
            expire_questions, self._ground.clock.now(), callback_delay_s=delay_s
        )
        for run_id in ended:
            self._notifier.notify(run_id)
            self._notifier.notify(CALLBACKS)

    async def _prune(self) -> None:
        days = self._ground.deployment.settings.runs.keep_days
        if days is not None:
            pruner = Pruner(self._ground.database, self._ground.audit, self._ground.clock)
            closing = threading.Event()
            try:
                # A first pruning may take minutes; at the worker's end it stops between batches.
                await asyncio.to_thread(
                    pruner.prune,
                    timedelta(days=days),
                    progress=lambda _: not closing.is_set(),
                )
            finally:
                closing.set()

    def _agent(self, agent_id: str) -> Agent:
        agents = self._ground.deployment.agents
        definition = agents.get(agent_id)
        if definition is None:
            raise NotFound(
                f"There is no agent {agent_id!r}.",
                remedy=f"There are: {', '.join(sorted(agents)) or 'none'}.",
            )
        return Agent(
            definition.id,
            definition.title,
            frozenset(definition.scopes),
            definition.snapshot(),
            definition.limits,
            definition.concurrency,
            tuple(name for name in definition.models() if self._prices.get(name) is None),
        )

    def _port_of_turn(self, request: TurnRequest, host: TurnHost) -> TurnPort:
        if self._loop is None:
            raise ConfigurationError("The project executes no runs: it was not started.")
        port = LocalPort(
            self._ground.invoker,
            request.principal,
            door="tool",
            run_id=request.run,
            holder=host.holder,
            fence=host.fence,
        )
        return TurnPort(port, self._loop)

    async def _secret_of_client(self, tenant: str, client_id: str) -> str | None:
        clients = self._ground.identity.clients
        try:
            return await asyncio.to_thread(clients.webhook_secret, tenant, client_id)
        except NotFound:
            return None
