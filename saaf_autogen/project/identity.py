"""Who may call this deployment: the parts of ``auth``, wired; and what the command line needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

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
from saaf_autogen.settings import read_document

__all__ = ["Identity", "declare_clients"]


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
        settings = deployment.settings
        self.url = url
        self.audit = audit
        self.limits = limits
        self.page_key = sealer.derive("pages")
        self.clock = clock
        self.policy = Policy(
            settings.grants,
            settings.deny,
            agent_rights(deployment),
            clock=clock,
            home=frozenset({url, LOCAL_ISSUER}),
        )
        self.grants = GrantBook(database, clock, self.policy, declared_rules(deployment))
        self.grants.load()
        keys = SigningKeys(database, sealer, clock)
        keys.load()
        revoked = RevokedTokens(database, clock)
        revoked.load()
        self.keys = keys
        self.clients = ClientStore(database, sealer, clock, deployment.scopes)
        self.new_clients: Sequence[NewClient] = declare_clients(
            self.clients, deployment, secrets
        )
        self.egress = EgressClient(settings.egress.allow)
        self.once = OneTimeStore(database, clock)
        self.proofs = DpopProofs(clock, RememberedProofs(clock))
        self.directory = ClientDirectory(
            self.clients,
            ClientDocuments(
                self.egress,
                clock,
                hosts=settings.oauth.client_documents,
                scopes=settings.oauth.registration_scopes,
            ),
        )
        self.families = FamilyStore(database, clock, revoked, lifetime_s=settings.oauth.family_s)
        self.people = open_people(deployment, database, audit, revoked, url=url, clock=clock)
        self.users, self.groups = self.people.users, self.people.groups
        self.sessions = self.people.sessions
        self.codes = CodeStore(database, clock, self.families)
        self.consents = ConsentStore(database, clock)
        self.devices = DeviceCodes(database, clock, self.families)
        refresh_tokens = RefreshTokens(database, clock, idle_s=settings.oauth.refresh_token_s)
        self.issuer = Issuer(
            url=url,
            stores=ServerStores(
                clients=self.clients,
                directory=self.directory,
                users=self.users,
                families=self.families,
                codes=self.codes,
                refresh_tokens=refresh_tokens,
                devices=self.devices,
                once=self.once,
                revoked=revoked,
            ),
            keys=keys,
            scopes=deployment.scopes,
            clock=clock,
            proofs=DpopProofs(clock, StoredProofs(self.once)),
            client_keys=ClientKeys(self.egress, clock),
            settings=settings.oauth,
            limits=limits,
            note=audit.note,
        )
        self.authorizations = Authorizations(
            issuer=url,
            directory=self.directory,
            scopes=deployment.scopes,
            resources=self.issuer.resources,
            codes=self.codes,
            consents=self.consents,
            once=self.once,
            clock=clock,
        )
        self.pushed = PushedRequests(self.issuer, self.authorizations)
        self.registration = Registration(
            f"{url}/oauth/register",
            self.clients,
            clock,
            scopes=settings.oauth.registration_scopes,
            note=audit.note,
        )
        self.userinfo = UserInfo(url, self.users)
        self.logout = Logout(self.directory, self.issuer.id_tokens, self.once, clock)
        self.metadata = Metadata(
            issuer=url,
            name=settings.name,
            scopes=deployment.scopes,
            resources=self.issuer.resources,
            oauth=settings.oauth,
            issuers=[issuer.issuer for issuer in settings.issuers],
        )
        self.trusted = TrustedIssuers(
            settings.issuers,
            scopes=deployment.scopes,
            egress=self.egress,
            clock=clock,
            environ=os.environ,
        )
        self.verifier = TokenVerifier(
            issuer=url,
            audience=url,
            keys=keys,
            revoked=revoked,
            clock=clock,
            trusted=self.trusted,
            embedded=settings.oauth.enabled,
        )
        self.federation = Federation(
            settings.sign_in.providers,
            url=url,
            users=self.users,
            audit=audit,
            once=self.once,
            sealer=sealer,
            scopes=deployment.scopes,
            egress=self.egress,
            clock=clock,
            environ=os.environ,
        )
        self.watch = TokenWatch(keys, revoked, self.verifier, revisions=Revisions(database))
        self.standing = Standing(
            database,
            user=self.users.get,
            document=self.directory.find,
            is_document=self.directory.is_document,
            revoked=revoked,
            issuer=url,
            trusted=frozenset(issuer.issuer for issuer in settings.issuers),
            tenants=frozenset(settings.tenants),
            clock=clock,
        )
        self.watch.subscribe("principals", self.clients.flush)
        self.watch.subscribe("principals", self.standing.flush)
        self.watch.subscribe("grants", self.grants.load)
        self.watch.on_look(self.standing.confirm)
        self._following: list[asyncio.Task[None]] = []
        self.administration = open_administration(
            deployment,
            database,
            sealer,
            policy=self.policy,
            grants=self.grants,
            people=self.people,
            audit=audit,
            revoked=revoked,
            url=url,
            clock=clock,
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
