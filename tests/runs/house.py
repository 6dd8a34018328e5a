"""A run engine with everything around it that is real, wired by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from saaf_autogen.actions.effects import EffectStore
from saaf_autogen.audit import AuditLog
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import NotFound
from saaf_autogen.journal import TurnExecutor
from saaf_autogen.runs import (
    Agent,
    CallbackDeliverer,
    ClaimRules,
    Notifier,
    Presence,
    RunExecution,
    RunRequest,
    RunService,
    Webhook,
    Worker,
)
from saaf_autogen.runs.limits import RunLimits
from saaf_autogen.settings import RunSettings

LIMITS = RunLimits(timeout_s=60, turns=50)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANN = Principal(
    issuer="https://issuer",
    subject="client:ann",
    client_id="ann",
    scopes=frozenset({"a", "b", "agents:run", "runs:read", "runs:cancel", "runs:input"}),
)


@dataclass(frozen=True)
class Stores:
    """The URL of SAAF's store, and the folder where workers show themselves."""

    database: str
    presence: str


@dataclass
class House:
    database: Database
    service: RunService
    engine: Worker
    deliverer: CallbackDeliverer
    egress: EgressClient
    notifier: Notifier


def find_agent(agent_id: str) -> Agent:
    if agent_id != "flights":
        raise NotFound("There is no such agent.")
    return Agent("flights", "Flights", frozenset({"a", "c"}), {"provider": "x", "config": {}})


async def secret_for(tenant: str, client_id: str) -> str | None:
    return SECRET if (tenant, client_id) == ("default", "ann") else None


def ask(text: str, url: str | None = None) -> RunRequest:
    webhook = Webhook(url=url) if url else None
    return RunRequest(agent_id="flights", input=text, webhook=webhook)


def build(
    stores: Stores,
    team: TurnExecutor,
    settings: RunSettings | None = None,
    *,
    clock: Clock | None = None,
    allow: Sequence[str] = ("127.0.0.1",),
    rules: ClaimRules | None = None,
) -> House:
    database = Database(stores.database)
    database.migrate()
    settings = settings or RunSettings()
    notifier = Notifier()
    egress = EgressClient(allow)
    clock = clock or SystemClock()
    engine = Worker(
        database,
        RunExecution(database, team, settings, {}, clock, notifier),
        settings,
        rules=rules or ClaimRules(settings.at_once),
        presence=Presence(Path(stores.presence)),
        notifier=notifier,
        clock=clock,
        poll_s=0.1,
    )
    service = RunService(
        database,
        engine,
        find_agent,
        egress,
        secret_for,
        settings,
        policy=Policy([], [], {}),
        audit=AuditLog(database, "5a" * 32),
        notifier=notifier,
        clock=clock,
        poll_s=0.1,
        resolve=EffectStore(database, clock, lease_s=60).resolve,
    )
    deliverer = CallbackDeliverer(
        database, egress, secret_for, settings, notifier=notifier, clock=clock, poll_s=0.1
    )
    return House(database, service, engine, deliverer, egress, notifier)


@asynccontextmanager
async def living(
    stores: Stores,
    team: TurnExecutor,
    settings: RunSettings | None = None,
    *,
    launch: bool = True,
    clock: Clock | None = None,
) -> AsyncIterator[House]:
    """A house whose engine works, and is closed at the end."""
    house = build(stores, team, settings, clock=clock)
    try:
        if launch:
            await house.engine.launch()
        yield house
    finally:
        await house.deliverer.close()
        await house.engine.close()
        await house.egress.aclose()
        house.database.close()
