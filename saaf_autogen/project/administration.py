"""The administration, wired over the parts of ``auth``."""

from __future__ import annotations

from collections.abc import Callable

from saaf_autogen.audit import AuditLog, AuditReader
from saaf_autogen.auth.administration import Administration
from saaf_autogen.auth.administration.access import AccessAdministration
from saaf_autogen.auth.administration.ledger import Ledger
from saaf_autogen.auth.administration.stores import Stores
from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.grantbook import GrantBook
from saaf_autogen.auth.identity.groups import GroupStore
from saaf_autogen.auth.identity.people import People
from saaf_autogen.auth.identity.sessions import SessionStore
from saaf_autogen.auth.identity.users import UserStore
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.server.families import FamilyStore
from saaf_autogen.auth.tokens import RevokedTokens
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.people import ending_families

__all__ = ["open_administration"]


def open_administration(
    deployment: Deployment,
    database: Database,
    sealer: Sealer,
    *,
    policy: Policy,
    grants: GrantBook,
    people: People,
    audit: AuditLog,
    revoked: RevokedTokens,
    url: str,
    clock: Clock,
    settled: Callable[[], None],
) -> Administration:
    """The administration of a deployment.

    Args:
        deployment: what the folder says.
        database: the store.
        sealer: seals callback secrets.
        policy: decides who is an admin.
        grants: the rules.
        people: makes invitations, and hashes passwords.
        audit: where changes are recorded.
        revoked: learns of tokens that end.
        url: the public address.
        clock: the time.
        settled: called after each change, so that this process follows it at once.
    """
    settings, scopes = deployment.settings, deployment.scopes

    def families(database: Database) -> FamilyStore:
        return FamilyStore(database, clock, revoked, lifetime_s=settings.oauth.family_s)

    end = ending_families(clock, revoked, lifetime_s=settings.oauth.family_s)

    def stores(database: Database) -> Stores:
        return Stores(
            clients=ClientStore(database, sealer, clock, scopes),
            users=UserStore(database, clock, scopes, on_end=end),
            groups=GroupStore(database, clock, scopes),
            families=families(database),
            grants=grants.over(database),
            sessions=SessionStore(database, clock, settings.sign_in, scopes),
            invitations=people.invitations,
            keys=SigningKeys(database, sealer, clock),
            revoked=revoked,
            once=OneTimeStore(database, clock),
        )

    ledger = Ledger(database, stores, policy=policy, audit=audit, clock=clock, settled=settled)
    return Administration(
        ledger,
        passwords=people.passwords,
        reader=AuditReader(database),
        access=AccessAdministration(
            ledger,
            policy,
            issuer=url,
            tables=deployment.catalog.facts,
            scopes_of=lambda action: deployment.registry.get(action).spec.scopes,
        ),
        url=url,
    )
