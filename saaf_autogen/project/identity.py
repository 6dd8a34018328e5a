"""Who may call this deployment: the parts of ``auth``, wired; and what the command line needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from saaf_autogen.auth.clients import ClientStore, NewClient
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.server import Issuer
from saaf_autogen.auth.tokens import RevokedTokens, TokenVerifier, TokenWatch
from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.project.deployment import Deployment, read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.project.state import ClientSecrets, open_state
from saaf_autogen.project.stores import open_database

__all__ = ["Identity", "open_clients"]


class Identity:
    """Clients, keys, policy, the embedded issuer, and the verifier of tokens.

    Opening does blocking work. ``start`` and ``close`` frame what runs in the background.

    Args:
        deployment: what the folder says.
        database: the store, migrated.
        sealer: seals keys.
        secrets: where secrets of declared clients are kept.
        url: the public address.
        clock: the time.
    """

    def __init__(
        self,
        deployment: Deployment,
        database: Database,
        sealer: Sealer,
        secrets: ClientSecrets,
        *,
        url: str,
        clock: Clock,
    ) -> None:
        settings = deployment.settings
        self.policy = Policy(settings.grants, settings.deny, agent_rights(deployment))
        keys = SigningKeys(database, sealer, clock)
        keys.load()
        revoked = RevokedTokens(database, clock)
        revoked.load()
        self.clients = ClientStore(database, sealer, clock, deployment.scopes)
        self.new_clients: Sequence[NewClient] = self.clients.ensure(
            settings.clients, keep=secrets.remember
        )
        self.issuer = Issuer(
            url=url,
            clients=self.clients,
            keys=keys,
            revoked=revoked,
            scopes=deployment.scopes,
            clock=clock,
        )
        self.verifier = TokenVerifier(
            issuer=url, audience=url, keys=keys, revoked=revoked, clock=clock
        )
        self._watch = TokenWatch(keys, revoked, self.verifier)
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow what other processes change."""
        self._watching = asyncio.create_task(self._watch.run())

    async def close(self) -> None:
        """Stop following."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)


def agent_rights(deployment: Deployment) -> dict[str, AgentRights]:
    """The most that a run of each agent may do."""
    return {
        agent.id: AgentRights(frozenset(agent.scopes), agent.resources)
        for agent in deployment.agents.values()
    }


def open_clients(project: Path | None) -> tuple[ClientStore, ClientSecrets]:
    """The deployment's clients, declared ones made first, and the secrets that are kept here."""
    deployment = read_deployment(find_project(project))
    state, sealer = open_state(deployment)
    database = open_database(deployment, state)
    secrets = ClientSecrets(state)
    store = ClientStore(database, sealer, SystemClock(), deployment.scopes)
    store.ensure(deployment.settings.clients, keep=secrets.remember)
    return store, secrets
