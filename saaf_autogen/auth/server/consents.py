"""What users allowed clients, so that the same is not asked again."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.tables import ConsentRow
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.users import UserRecord

__all__ = ["ConsentRecord", "ConsentStore"]

Details = Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class ConsentRecord:
    """What a user allowed a client. Without ``details``, their data as far as grants reach."""

    tenant: str
    user_id: str
    client_id: str
    scopes: tuple[str, ...]
    details: tuple[dict[str, Any], ...] | None
    updated_at: datetime


class ConsentStore:
    """Keeps consents, one for each user and client. Synchronous: call it in a thread."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def covers(
        self,
        user: UserRecord,
        client: ClientRecord,
        scopes: Collection[str],
        details: Details = None,
    ) -> bool:
        """Whether the user allowed all of this before."""
        if client.tenant != user.tenant:
            return False
        with self._database.transaction(read=True) as session:
            row = self._row(session, user, client)
            return row is not None and _covers(row, client, scopes, details)

    def remember(
        self,
        user: UserRecord,
        client: ClientRecord,
        scopes: Collection[str],
        details: Details = None,
    ) -> None:
        """Keep what the user allowed now.

        It adds to what was allowed before on the same data; on other data it takes its place, for
        scopes that were allowed on one part of the data were not allowed on another.

        Raises:
            ValueError: client and user are of two tenants.
        """
        if client.tenant != user.tenant:
            raise ValueError("a user allows clients of their own tenant alone")
        dialect = sqlite if self._database.is_sqlite else postgresql
        now = self._clock.now()
        kept = None if details is None else [dict(item) for item in details]
        with self._database.transaction() as session:
            row = self._row(session, user, client)
            if row is not None and _covers(row, client, scopes, details):
                return
            names = set(scopes)
            if row is not None and _is_of(row, client) and _same(row.details, kept):
                names |= set(row.scopes)
            values = {"scopes": sorted(names), "details": kept, "updated_at": now}
            statement = dialect.insert(ConsentRow).values(
                tenant=user.tenant, user_id=user.id, client_id=client.id, **values
            )
            session.execute(
                statement.on_conflict_do_update(
                    index_elements=[ConsentRow.tenant, ConsentRow.user_id, ConsentRow.client_id],
                    set_=values,
                )
            )

    def forget(self, user: UserRecord, client_id: str) -> bool:
        """Ask the user anew next time; False if there was nothing to forget.

        The tokens that the client holds live on: ``FamilyStore.revoke_all`` ends them.
        """
        statement = delete(ConsentRow).where(
            ConsentRow.tenant == user.tenant,
            ConsentRow.user_id == user.id,
            ConsentRow.client_id == client_id,
        )
        with self._database.transaction() as session:
            return session.scalar(statement.returning(ConsentRow.client_id)) is not None

    def list(self, user: UserRecord) -> list[ConsentRecord]:
        """All that a user allowed, by client."""
        query = (
            select(ConsentRow)
            .where(ConsentRow.tenant == user.tenant, ConsentRow.user_id == user.id)
            .order_by(ConsentRow.client_id)
        )
        with self._database.transaction(read=True) as session:
            return [
                ConsentRecord(
                    tenant=row.tenant,
                    user_id=row.user_id,
                    client_id=row.client_id,
                    scopes=tuple(row.scopes),
                    details=None if row.details is None else tuple(row.details),
                    updated_at=row.updated_at,
                )
                for row in session.scalars(query)
            ]

    def _row(self, session: Session, user: UserRecord, client: ClientRecord) -> ConsentRow | None:
        return session.get(ConsentRow, (user.tenant, user.id, client.id))


def _covers(
    row: ConsentRow, client: ClientRecord, scopes: Collection[str], details: Details
) -> bool:
    if not _is_of(row, client) or not set(scopes) <= set(row.scopes):
        return False
    # Details narrow: who allowed all of the data allowed each part of it.
    return row.details is None or _same(row.details, details)


def _is_of(row: ConsentRow, client: ClientRecord) -> bool:
    # A client of the same id that was made since is another client.
    return client.origin == "document" or row.updated_at >= client.created_at


def _same(kept: Details, asked: Details) -> bool:
    if kept is None or asked is None:
        return kept is asked
    return _canonical(kept) == _canonical(asked)


def _canonical(details: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in details)
