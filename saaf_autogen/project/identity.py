"""Who may call this deployment: the parts of ``auth``, wired; and what the command line needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

from saaf_autogen.audit import AuditLog
from saaf_autogen.auth.clients import ClientStore, NewClient
from saaf_autogen.auth.declared_rules import DeclaredRules
from saaf_autogen.auth.dpop import DpopProofs, RememberedProofs, StoredProofs
from saaf_autogen.auth.federation import Federation
from saaf_autogen.auth.grantbook import GrantBook
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.revisions import Revisions
from saaf_autogen.auth.server import Issuer
from saaf_autogen.auth.server.authorization import Authorizations
from saaf_autogen.auth.server.cli_client import cli_client
from saaf_autogen.auth.server.client_documents import ClientDocuments
from saaf_autogen.auth.server.client_keys import ClientKeys
from saaf_autogen.auth.server.codes import CodeStore
from saaf_autogen.auth.server.consents import ConsentStore
from saaf_autogen.auth.server.device import DeviceCodes
from saaf_autogen.auth.server.directory import ClientDirectory
from saaf_autogen.auth.server.families import FamilyStore
from saaf_autogen.auth.server.logout import Logout
from saaf_autogen.auth.server.metadata import Metadata
from saaf_autogen.auth.server.pushed import PushedRequests
from saaf_autogen.auth.server.refresh import RefreshTokens
from saaf_autogen.auth.server.registration import Registration
from saaf_autogen.auth.server.stores import ServerStores
from saaf_autogen.auth.server.userinfo import UserInfo
from saaf_autogen.auth.standing import LOCAL_ISSUER, Standing
from saaf_autogen.auth.tokens import RevokedTokens, TokenVerifier, TokenWatch, TrustedIssuers
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient
from saaf_autogen.limits import Limits
from saaf_autogen.project.administration import open_administration
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.discovery import CONFIG_FILE
from saaf_autogen.project.people import open_people
from saaf_autogen.project.state import ClientSecrets
from saaf_autogen.settings import Settings, read_document

__all__ = ["Identity", "declare_clients"]


@dataclass(frozen=True)
class Ground:
    """What all parts of an identity stand on; see ``Identity``."""

    deployment: Deployment
    database: Database
    sealer: Sealer
    secrets: ClientSecrets
    audit: AuditLog
    limits: Limits
    url: str
    clock: Clock

    @property
    def settings(self) -> Settings:
        """Those of the deployment."""
        return self.deployment.settings


class Identity:
    """Clients, keys, policy, the embedded issuer, and the verifier of tokens.

    Opening does blocking work. ``start`` and ``close`` frame what runs in the background.

    Args:
        deployment: what the folder says.
        database: the store, migrated.
        sealer: seals keys.
        secrets: where secrets of declared clients are kept.
        audit: where decisions and changes are recorded.
        limits: how many tokens a client may ask for.
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
        audit: AuditLog,
        limits: Limits,
        url: str,
        clock: Clock,
    ) -> None:
        ground = Ground(deployment, database, sealer, secrets, audit, limits, url, clock)
        self.url = url
        self.audit = audit
        self.limits = limits
        self.page_key = sealer.derive("pages")
        self.clock = clock
        # In the order in which they stand on one another.
        self._open_policy(ground)
        self._open_stores(ground)
        self._open_issuer(ground)
        self._open_endpoints(ground)
        self._open_verification(ground)
        self._open_federation(ground)
        self._open_watch(ground)
        self._open_administration(ground)

    def _open_policy(self, on: Ground) -> None:
        self.policy = Policy(
            on.settings.grants,
            on.settings.deny,
            agent_rights(on.deployment),
            clock=on.clock,
            home=frozenset({on.url, LOCAL_ISSUER}),
        )
        self.grants = GrantBook(on.database, on.clock, self.policy, declared_rules(on.deployment))
        self.grants.load()

    def _open_stores(self, on: Ground) -> None:
        self.keys = SigningKeys(on.database, on.sealer, on.clock)
        self.keys.load()
        self.revoked = RevokedTokens(on.database, on.clock)
        self.revoked.load()
        self.clients = ClientStore(on.database, on.sealer, on.clock, on.deployment.scopes)
        self.new_clients: Sequence[NewClient] = declare_clients(
            self.clients, on.deployment, on.secrets
        )
        self.egress = EgressClient(on.settings.egress.allow)
        self.once = OneTimeStore(on.database, on.clock)
        self.proofs = DpopProofs(on.clock, RememberedProofs(on.clock))
        self.directory = ClientDirectory(
            self.clients,
            ClientDocuments(
                self.egress,
                on.clock,
                hosts=on.settings.oauth.client_documents,
                scopes=on.settings.oauth.registration_scopes,
            ),
        )
        self.families = FamilyStore(
            on.database, on.clock, self.revoked, lifetime_s=on.settings.oauth.family_s
        )
        self.people = open_people(
            on.deployment, on.database, on.audit, self.revoked, url=on.url, clock=on.clock
        )
        self.users, self.groups = self.people.users, self.people.groups
        self.sessions = self.people.sessions
        self.codes = CodeStore(on.database, on.clock, self.families)
        self.consents = ConsentStore(on.database, on.clock)
        self.devices = DeviceCodes(on.database, on.clock, self.families)

    def _open_issuer(self, on: Ground) -> None:
        refresh_tokens = RefreshTokens(
            on.database, on.clock, idle_s=on.settings.oauth.refresh_token_s
        )
        self.issuer = Issuer(
            url=on.url,
            stores=ServerStores(
                clients=self.clients,
                directory=self.directory,
                users=self.users,
                families=self.families,
                codes=self.codes,
                refresh_tokens=refresh_tokens,
                devices=self.devices,
                once=self.once,
                revoked=self.revoked,
            ),
            keys=self.keys,
            scopes=on.deployment.scopes,
            clock=on.clock,
            proofs=DpopProofs(on.clock, StoredProofs(self.once)),
            client_keys=ClientKeys(self.egress, on.clock),
            settings=on.settings.oauth,
            limits=on.limits,
            note=on.audit.note,
        )

    def _open_endpoints(self, on: Ground) -> None:
        self.authorizations = Authorizations(
            issuer=on.url,
            directory=self.directory,
            scopes=on.deployment.scopes,
            resources=self.issuer.resources,
            codes=self.codes,
            consents=self.consents,
            once=self.once,
            clock=on.clock,
        )
        self.pushed = PushedRequests(self.issuer, self.authorizations)
        self.registration = Registration(
            f"{on.url}/oauth/register",
            self.clients,
            on.clock,
            scopes=on.settings.oauth.registration_scopes,
            note=on.audit.note,
        )
        self.userinfo = UserInfo(on.url, self.users)
        self.logout = Logout(self.directory, self.issuer.id_tokens, self.once, on.clock)
        self.metadata = Metadata(
            issuer=on.url,
            name=on.settings.name,
            scopes=on.deployment.scopes,
            resources=self.issuer.resources,
            oauth=on.settings.oauth,
            issuers=[issuer.issuer for issuer in on.settings.issuers],
        )

    def _open_verification(self, on: Ground) -> None:
        self.trusted = TrustedIssuers(
            on.settings.issuers,
            scopes=on.deployment.scopes,
            egress=self.egress,
            clock=on.clock,
            environ=os.environ,
        )
        self.verifier = TokenVerifier(
            issuer=on.url,
            audience=on.url,
            keys=self.keys,
            revoked=self.revoked,
            clock=on.clock,
            trusted=self.trusted,
            embedded=on.settings.oauth.enabled,
        )

    def _open_federation(self, on: Ground) -> None:
        self.federation = Federation(
            on.settings.sign_in.providers,
            url=on.url,
            users=self.users,
            audit=on.audit,
            once=self.once,
            sealer=on.sealer,
            scopes=on.deployment.scopes,
            egress=self.egress,
            clock=on.clock,
            environ=os.environ,
        )

    def _open_watch(self, on: Ground) -> None:
        self.watch = TokenWatch(
            self.keys, self.revoked, self.verifier, revisions=Revisions(on.database)
        )
        self.standing = Standing(
            on.database,
            user=self.users.get,
            document=self.directory.find,
            is_document=self.directory.is_document,
            revoked=self.revoked,
            issuer=on.url,
            trusted=frozenset(issuer.issuer for issuer in on.settings.issuers),
            tenants=frozenset(on.settings.tenants),
            clock=on.clock,
        )
        self.watch.subscribe("principals", self.clients.flush)
        self.watch.subscribe("principals", self.standing.flush)
        self.watch.subscribe("grants", self.grants.load)
        self.watch.on_look(self.standing.confirm)
        self._following: list[asyncio.Task[None]] = []

    def _open_administration(self, on: Ground) -> None:
        self.administration = open_administration(
            on.deployment,
            on.database,
            on.sealer,
            policy=self.policy,
            grants=self.grants,
            people=self.people,
            audit=on.audit,
            revoked=self.revoked,
            url=on.url,
            clock=on.clock,
            settled=self._settle,
        )

    def _settle(self) -> None:
        """Let this process follow an admin's change at once; others do when they look."""
        self.keys.load()
        self.clients.flush()
        self.standing.flush()
        self.grants.load()
        self.verifier.flush()

    async def start(self) -> None:
        """Follow what other processes change, and what trusted issuers publish."""
        self._following += [
            asyncio.create_task(self.watch.run()),
            asyncio.create_task(self.trusted.run()),
        ]

    async def close(self) -> None:
        """Stop following."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        self._following.clear()
        self.people.close()
        await self.egress.aclose()


def declared_rules(deployment: Deployment) -> DeclaredRules:
    """The rules of ``saaf.yaml`` with their lines."""
    return DeclaredRules.of(
        deployment.settings,
        read_document(deployment.folder / CONFIG_FILE),
        agents=deployment.agents,
        tables=deployment.catalog.facts or None,
    )


def agent_rights(deployment: Deployment) -> dict[str, AgentRights]:
    """The most that a run of each agent may do."""
    return {
        agent.id: AgentRights(frozenset(agent.scopes), agent.resources)
        for agent in deployment.agents.values()
    }


def declare_clients(
    store: ClientStore, deployment: Deployment, secrets: ClientSecrets
) -> list[NewClient]:
    """Make the store follow ``saaf.yaml``, and keep the secrets of clients that were made."""
    oauth = deployment.settings.oauth
    return store.ensure(
        deployment.settings.clients,
        builtin=[cli_client(deployment.scopes)] if oauth.enabled and oauth.cli_client else [],
        keep=secrets.remember,
    )
