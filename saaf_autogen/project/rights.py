"""Who may do what, asked without a host: the policy with all its rules, principals by name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saaf_autogen.auth.access import TableFacts
from saaf_autogen.auth.explanation import Explanation
from saaf_autogen.auth.grantbook import GrantBook
from saaf_autogen.auth.identity.users import UserStore
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.auth.standing import LOCAL_ISSUER
from saaf_autogen.auth.tables import ClientRow
from saaf_autogen.clock import SystemClock
from saaf_autogen.db import Database
from saaf_autogen.errors import InvalidArguments, NotFound
from saaf_autogen.project.deployment import Deployment, read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.project.identity import agent_rights, declared_rules
from saaf_autogen.project.state import open_state
from saaf_autogen.project.stores import open_database
from saaf_autogen.settings import ClientSettings

__all__ = ["Rights", "open_rights"]


class Rights:
    """The policy of a deployment as it is now, for questions about anybody.

    Args:
        deployment: what the folder says.
        database: users, clients and managed rules.
    """

    def __init__(self, deployment: Deployment, database: Database) -> None:
        settings, clock = deployment.settings, SystemClock()
        self._deployment = deployment
        self._database = database
        self._issuer = settings.server.public_url
        self._users = UserStore(database, clock, deployment.scopes)
        self.policy = Policy(
            settings.grants,
            settings.deny,
            agent_rights(deployment),
            clock=clock,
            home=frozenset({self._issuer, LOCAL_ISSUER}),
        )
        GrantBook(database, clock, self.policy, declared_rules(deployment)).load()

    @property
    def tables(self) -> Mapping[str, TableFacts]:
        """Described tables by resource."""
        return self._deployment.catalog.facts

    def explain(
        self,
        principal: Principal,
        *,
        action: str | None,
        resource: str,
        verb: str | None = None,
        column: str | None = None,
    ) -> Explanation:
        """Why a principal may or may not.

        Raises:
            NotFound: there is no such action, or no described table of that name.
        """
        facts = self.tables.get(resource)
        if facts is None and resource.startswith("wh://"):
            raise NotFound(
                f"{resource} is not described, so nobody sees it.",
                remedy=f"Described: {', '.join(sorted(self.tables)) or 'nothing'}.",
            )
        scopes: tuple[str, ...] = ()
        effect = "read"
        if action is not None:
            spec = self._deployment.registry.get(action).spec
            scopes, effect = tuple(spec.scopes), spec.effect
        usual = "select" if facts else ("read" if effect == "read" else "write")
        return self.policy.explain(
            principal, resource, verb or usual, facts, column, scopes=scopes, action=action
        )

    def principal(
        self,
        who: str,
        *,
        tenant: str = "default",
        agent: str | None = None,
        scopes: Collection[str] | None = None,
        groups: Collection[str] = (),
        attributes: Mapping[str, Any] | None = None,
    ) -> Principal:
        """Somebody by a name: ``user:NAME``, ``user:ISSUER|SUB``, ``client:ID``, ``group:NAME``.

        Args:
            who: the name; ``NAME`` is a user name or an id.
            tenant: whose.
            agent: one that acts for them.
            scopes: those of their token; None: all that they may have.
            groups: further ones, as a token of another issuer may bring.
            attributes: the same.

        Raises:
            NotFound: there is nobody of that name.
            InvalidArguments: it is no such name, or there is no such agent.
        """
        kind, _, name = who.partition(":")
        if kind == "user":
            found = self._user(name, tenant)
        elif kind == "client":
            found = self._client(name, tenant)
        elif kind == "group":
            found = self._made("user", who, tenant, {name}, {}, None)
        else:
            raise InvalidArguments(
                f"{who!r} names nobody.", remedy="Write user:NAME, client:ID or group:NAME."
            )
        changes: dict[str, Any] = {
            "groups": found.groups | frozenset(groups),
            "attributes": {**found.attributes, **(attributes or {})},
        }
        if scopes is not None:
            changes["scopes"] = frozenset(scopes)
        if agent is not None:
            if agent not in self._deployment.agents:
                known = ", ".join(sorted(self._deployment.agents)) or "none"
                raise NotFound(f"There is no agent {agent!r}.", remedy=f"There are: {known}.")
            changes["actors"] = (Actor(subject=f"agent:{agent}"),)
        return found.model_copy(update=changes)

    def _user(self, name: str, tenant: str) -> Principal:
        issuer, _, subject = name.rpartition("|")
        if issuer:
            return self._made("user", subject, tenant, (), {}, None, issuer=issuer)
        user = self._users.get(name, tenant=tenant) or self._users.find_by_name(name, tenant=tenant)
        if user is None:
            raise NotFound(
                f"There is no user {name!r} in the tenant {tenant}.",
                remedy="See `saaf users list`; one of another issuer is user:ISSUER|SUB.",
            )
        return self._made("user", user.id, tenant, user.groups, user.attributes, user.scopes)

    def _client(self, name: str, tenant: str) -> Principal:
        with self._database.transaction(read=True) as session:
            row = session.get(ClientRow, name)
            known: ClientRow | ClientSettings | None = row
        if known is None:
            # A host that never started has not stored the declared ones yet.
            declared = self._deployment.settings.clients
            known = next((client for client in declared if client.id == name), None)
        if known is None or known.tenant != tenant:
            raise NotFound(
                f"There is no client {name!r} in the tenant {tenant}.",
                remedy="See `saaf clients list`.",
            )
        subject = f"client:{name}"
        return self._made("client", subject, tenant, known.groups, known.attributes, known.scopes)

    def _made(
        self,
        kind: str,
        subject: str,
        tenant: str,
        groups: Collection[str],
        attributes: Mapping[str, Any],
        scopes: Collection[str] | None,
        *,
        issuer: str | None = None,
    ) -> Principal:
        every = [scope.name for scope in self._deployment.scopes]
        return Principal.model_validate(
            {
                "issuer": issuer or self._issuer,
                "tenant": tenant,
                "subject": subject,
                "kind": kind,
                "groups": frozenset(groups),
                "attributes": dict(attributes),
                "scopes": frozenset(every if scopes is None else scopes),
            }
        )


@contextmanager
def open_rights(project: Path | None) -> Iterator[Rights]:
    """The rights of the nearest deployment, read from its folder and its store."""
    deployment = read_deployment(find_project(project))
    state, _ = open_state(deployment)
    database = open_database(deployment, state)
    try:
        yield Rights(deployment, database)
    finally:
        database.close()
