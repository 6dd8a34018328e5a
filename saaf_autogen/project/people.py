"""Users and how they sign in, wired; and the same for the command line, without a host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.identity.groups import GroupStore
from saaf_autogen.auth.identity.people import People
from saaf_autogen.auth.identity.users import OnEnd, UserStore
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.server.families import FamilyStore
from saaf_autogen.auth.tokens import RevokedTokens
from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import InvalidArguments
from saaf_autogen.project.deployment import Deployment, read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.project.state import open_state
from saaf_autogen.project.stores import open_database

__all__ = ["Desk", "DeskChange", "ending_families", "open_desk", "open_people"]

URL_VARIABLE = "SAAF_URL"
OPERATOR = "operator"
"""Who acts when somebody types `saaf users …` where the host's files are."""


def ending_families(clock: Clock, revoked: RevokedTokens, *, lifetime_s: int) -> OnEnd:
    """What ends the tokens of a user who may sign in no more, or whose password is another now."""

    def end(within: Database, user_id: str) -> None:
        families = FamilyStore(within, clock, revoked, lifetime_s=lifetime_s)
        families.revoke_all("user is not active", user_id=user_id)

    return end


def open_people(
    deployment: Deployment,
    database: Database,
    audit: AuditLog,
    revoked: RevokedTokens,
    *,
    url: str,
    clock: Clock,
) -> People:
    """The users of a deployment and how they sign in; groups of ``saaf.yaml`` are made first.

    Args:
        deployment: what the folder says.
        database: the store.
        audit: where sign-ins are recorded.
        revoked: learns of tokens that end.
        url: the public address.
        clock: the time.
    """
    settings = deployment.settings
    return People(
        database,
        settings,
        deployment.scopes,
        audit,
        issuer=url,
        clock=clock,
        on_end=ending_families(clock, revoked, lifetime_s=settings.oauth.family_s),
    )


@dataclass
class DeskChange:
    """A change that is under way: the stores as parts of its transaction, and what it touches.

    ``details`` are what else the audit is to tell; never a secret.
    """

    users: UserStore
    groups: GroupStore
    session: Session
    resources: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class Desk:
    """An operator at the store of a deployment, in one tenant; whether a host runs or not.

    Attributes:
        people: users, groups and invitations.
        tenant: whose are worked on.
        url: the public address of the host.
    """

    def __init__(
        self, people: People, database: Database, audit: AuditLog, *, tenant: str, url: str
    ) -> None:
        self.people = people
        self.tenant = tenant
        self.url = url
        self._database = database
        self._audit = audit

    @contextmanager
    def change(self, action: str, *resources: str) -> Iterator[DeskChange]:
        """A change with its record in the audit: both are committed, or neither."""
        with self._database.transaction() as session:
            users, groups = self.people.users.within(session), self.people.groups.within(session)
            change = DeskChange(users, groups, session, list(resources))
            yield change
            session.flush()
            record = AuditRecord.by(
                Principal(issuer="local", tenant=self.tenant, subject=OPERATOR, kind="user"),
                action=action,
                door="system",
                at=SystemClock().now(),
                reason="The operator works on the store.",
                resources=change.resources,
                kind="change",
                details=change.details,
            )
            self._audit.append(session, record)


@contextmanager
def open_desk(project: Path | None, tenant: str) -> Iterator[Desk]:
    """A desk at the deployment's store.

    Raises:
        InvalidArguments: ``saaf.yaml`` names no such tenant.
    """
    deployment = read_deployment(find_project(project))
    _require_tenant(deployment, tenant)
    state, sealer = open_state(deployment)
    database = open_database(deployment, state)
    audit = AuditLog(database, sealer.derive("audit"))
    clock = SystemClock()
    url = os.environ.get(URL_VARIABLE, "").rstrip("/") or deployment.settings.server.public_url
    people = open_people(
        deployment, database, audit, RevokedTokens(database, clock), url=url, clock=clock
    )
    try:
        yield Desk(people, database, audit, tenant=tenant, url=url)
    finally:
        people.close()
        database.close()


def _require_tenant(deployment: Deployment, tenant: str) -> None:
    known = sorted({DEFAULT_TENANT, *deployment.settings.tenants})
    if tenant not in known:
        raise InvalidArguments(
            f"There is no tenant {tenant!r}.", remedy=f"saaf.yaml has {', '.join(known)}."
        )
