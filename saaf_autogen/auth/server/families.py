"""Token families: everything that grew from one approval, so that it can end as one."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.tables import FamilyRow
from saaf_autogen.auth.tokens.revocation import RevokedTokens
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.users import UserRecord

__all__ = ["EndedBecause", "FamilyRecord", "FamilyStore", "family_record", "new_family_id"]

EndedBecause = Literal[
    "revoked by its client",
    "code was replayed",
    "its first redemption failed",
    "refresh token was reused",
    "user is not active",
    "client is not active",
    "user signed out",
    "user took it back",
    "admin revoked it",
]
# Ended families are listed no more, and swept after this.
_KEPT = timedelta(days=7)


@dataclass(frozen=True)
class FamilyRecord:
    """A family without its tokens.

    Attributes:
        order: the widest that any token of it may be.
        used_at: when it last gave a token.
        expires_at: when it ends, however much it is used.
    """

    id: str
    tenant: str
    client_id: str
    user_id: str
    order: ApprovedOrder
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_because: str | None = None


class FamilyStore:
    """Keeps families. Synchronous: call it in a thread from async code.

    Args:
        database: where they are kept.
        clock: for their times.
        revoked: is told of each family that ends, so that its access tokens end, too.
        lifetime_s: seconds after which a family ends anyway.
    """

    def __init__(
        self, database: Database, clock: Clock, revoked: RevokedTokens, *, lifetime_s: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._revoked = revoked
        self._lifetime = timedelta(seconds=lifetime_s)

    def start(
        self,
        session: Session,
        *,
        client: ClientRecord,
        user_id: str,
        order: ApprovedOrder,
        family_id: str | None = None,
    ) -> FamilyRecord:
        """Make a family, in the transaction that uses up the code that it grows from."""
        now = self._clock.now()
        session.execute(delete(FamilyRow).where(FamilyRow.expires_at < now - _KEPT))
        row = FamilyRow(
            id=family_id or new_family_id(),
            tenant=client.tenant,
            client_id=client.id,
            user_id=user_id,
            order=order.to_json(),
            created_at=now,
            used_at=now,
            expires_at=now + self._lifetime,
        )
        session.add(row)
        session.flush()
        return family_record(row)

    def get(self, family_id: str) -> FamilyRecord | None:
        """A family, ended or not."""
        with self._database.transaction(read=True) as session:
            row = session.get(FamilyRow, family_id)
            return None if row is None else family_record(row)

    def list(
        self, tenant: str, *, user_id: str | None = None, client_id: str | None = None
    ) -> list[FamilyRecord]:
        """The living families of a tenant, the last used first; of a user or a client if given."""
        now = self._clock.now()
        query = (
            select(FamilyRow)
            .where(
                FamilyRow.tenant == tenant,
                FamilyRow.revoked_at.is_(None),
                FamilyRow.expires_at > now,
                *_of(user_id, client_id),
            )
            .order_by(FamilyRow.used_at.desc(), FamilyRow.id)
        )
        with self._database.transaction(read=True) as session:
            return [family_record(row) for row in session.scalars(query)]

    def revoke(self, family_id: str, because: EndedBecause, *, tenant: str | None = None) -> bool:
        """End a family and every token of it; False if there is none that lives.

        With ``tenant``, a family of another one counts as none.
        """
        wanted = [FamilyRow.id == family_id]
        if tenant is not None:
            wanted.append(FamilyRow.tenant == tenant)
        return bool(self._end(wanted, because))

    def revoke_all(
        self,
        because: EndedBecause,
        *,
        user_id: str | None = None,
        client_id: str | None = None,
        tenant: str | None = None,
    ) -> int:
        """End all families of a user or of a client, or of one at the other; say how many.

        Raises:
            ValueError: neither is given.
        """
        wanted = _of(user_id, client_id)
        if not wanted:
            raise ValueError("name a user or a client")
        if tenant is not None:
            wanted.append(FamilyRow.tenant == tenant)
        return self._end(wanted, because)

    def end_session(self, session_id: str, *, user: UserRecord) -> int:
        """End what grew from a browser's session, at sign-out; ``offline_access`` lives on."""
        ids = [
            family.id
            for family in self.list(user.tenant, user_id=user.id)
            if family.order.session_id == session_id and "offline_access" not in family.order.scopes
        ]
        return self._end([FamilyRow.id.in_(ids)], "user signed out") if ids else 0

    def _end(self, wanted: Collection[ColumnElement[bool]], because: EndedBecause) -> int:
        now = self._clock.now()
        statement = (
            update(FamilyRow)
            .where(*wanted, FamilyRow.revoked_at.is_(None))
            .values(revoked_at=now, revoked_because=because)
            .returning(FamilyRow.id, FamilyRow.tenant)
        )
        with self._database.transaction() as session:
            ended = [(row.id, row.tenant) for row in session.execute(statement)]
            for family_id, tenant in ended:
                self._revoked.add(session, family_id, tenant=tenant)
        self._revoked.learn(family_id for family_id, _ in ended)
        return len(ended)


def new_family_id() -> str:
    """An id that no one can guess, though knowing it opens nothing."""
    return f"fam_{secrets.token_urlsafe(18)}"


def _of(user_id: str | None, client_id: str | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if user_id is not None:
        wanted.append(FamilyRow.user_id == user_id)
    if client_id is not None:
        wanted.append(FamilyRow.client_id == client_id)
    return wanted


def family_record(row: FamilyRow) -> FamilyRecord:
    """The record of a row."""
    return FamilyRecord(
        id=row.id,
        tenant=row.tenant,
        client_id=row.client_id,
        user_id=row.user_id,
        order=ApprovedOrder.from_json(row.order),
        created_at=row.created_at,
        used_at=row.used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        revoked_because=row.revoked_because,
    )
