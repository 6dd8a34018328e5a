"""Nobody locks everyone out: who could administrate a tenant before and after a change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, cast, exists, or_, select
from sqlalchemy.orm import Session

from saaf_autogen.auth.administration.ledger import ADMIN, Change, LastHolder
from saaf_autogen.auth.identity.records import LOCAL, user_records
from saaf_autogen.auth.identity.tables import GroupRow, MembershipRow, PasskeyRow, UserRow
from saaf_autogen.auth.tables import ClientRow

__all__ = ["keep_an_admin"]

_BY_ITSELF = "client_credentials"


@dataclass(frozen=True)
class _Ways:
    """Active clients that hold the scope for themselves, users who do, clients for users."""

    clients: frozenset[str]
    users: frozenset[str]
    doors: frozenset[str]

    def all_lost(self, after: _Ways) -> bool:
        """Whether there was a way and is none any more."""
        if not (self.clients or self.users):
            return False
        if after.clients:
            return False
        return not after.users or bool(self.doors and not after.doors)


@contextmanager
def keep_an_admin(change: Change) -> Iterator[None]:
    """Frames a change of rights, which is refused if it takes the tenant's last admin.

    An admin is an active client with ``iam:admin`` that gets tokens for itself, or an active user
    with it who has something to sign in with, as long as some client may ask users for it. Where
    there was none before, there need be none after.

    Raises:
        LastHolder: at the end of the block; the transaction is then rolled back.
    """
    before = _ways(change.session, change.tenant)
    yield
    change.session.flush()
    if before.all_lost(_ways(change.session, change.tenant)):
        raise LastHolder(
            f"After this, nobody could administrate the tenant {change.tenant}.",
            remedy=f"Give {ADMIN} to someone else first: to an active user who can sign in, "
            "or to an active client.",
        )


def _ways(session: Session, tenant: str) -> _Ways:
    query = select(ClientRow.id, ClientRow.scopes, ClientRow.grant_types).where(
        ClientRow.tenant == tenant,
        ClientRow.disabled_at.is_(None),
        ClientRow.withdrawn_at.is_(None),
        cast(ClientRow.scopes, Text).contains(ADMIN),
    )
    clients = [row for row in session.execute(query) if ADMIN in row.scopes]
    return _Ways(
        clients=frozenset(row.id for row in clients if _BY_ITSELF in row.grant_types),
        users=_users(session, tenant),
        doors=frozenset(row.id for row in clients if set(row.grant_types) - {_BY_ITSELF}),
    )


def _users(session: Session, tenant: str) -> frozenset[str]:
    groups = session.execute(select(GroupRow.id, GroupRow.scopes).where(GroupRow.tenant == tenant))
    holding = [row.id for row in groups if ADMIN in row.scopes]
    members = select(MembershipRow.user_id).where(
        MembershipRow.tenant == tenant, MembershipRow.group_id.in_(holding)
    )
    # Candidates, so that not every user is read; who really holds it is decided by the records.
    perhaps: list[ColumnElement[bool]] = [
        cast(UserRow.scopes, Text).contains(ADMIN),
        UserRow.id.in_(members),
    ]
    can_sign_in = or_(
        UserRow.issuer != LOCAL,
        UserRow.password_hash.is_not(None),
        exists().where(PasskeyRow.user_id == UserRow.id),
    )
    found = user_records(
        session,
        lambda scope: scope == ADMIN,
        lambda query: query.where(
            UserRow.tenant == tenant, UserRow.disabled_at.is_(None), can_sign_in, or_(*perhaps)
        ),
    )
    return frozenset(user.id for user in found if user.scopes)
