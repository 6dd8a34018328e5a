"""What counts once: pushed requests, invitations, sign-ins under way, ids of assertions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from saaf_autogen.auth.tables import OneTimeRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest
from saaf_autogen.db import DEFAULT_TENANT, Database

__all__ = ["OneTimeStore"]


class OneTimeStore:
    """Values by purpose and name, each until it is taken or expires.

    Names are kept as SHA-256, so that the store gives away nothing that opens a door. Synchronous:
    call it in a thread from async code.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def put(
        self,
        purpose: str,
        name: str,
        *,
        expires_at: datetime,
        data: Mapping[str, Any] | None = None,
        tenant: str = DEFAULT_TENANT,
    ) -> bool:
        """Keep a value; False if there is one of that name already, which is how a replay shows.

        Atomic, over all processes. What has expired is swept on the way.
        """
        dialect = sqlite if self._database.is_sqlite else postgresql
        now = self._clock.now()
        statement = dialect.insert(OneTimeRow).values(
            purpose=purpose,
            name=digest(name),
            tenant=tenant,
            data=dict(data or {}),
            expires_at=expires_at,
        )
        with self._database.transaction() as session:
            session.execute(delete(OneTimeRow).where(OneTimeRow.expires_at <= now))
            made = session.execute(
                statement.on_conflict_do_nothing().returning(OneTimeRow.name)
            ).first()
        return made is not None

    def peek(self, purpose: str, name: str) -> dict[str, Any] | None:
        """The value, which stays; None if there is none or it has expired."""
        query = select(OneTimeRow.data).where(
            OneTimeRow.purpose == purpose,
            OneTimeRow.name == digest(name),
            OneTimeRow.expires_at > self._clock.now(),
        )
        with self._database.transaction(read=True) as session:
            return session.scalar(query)

    def take(self, purpose: str, name: str) -> dict[str, Any] | None:
        """The value, which then is gone: of many who take at once, one gets it."""
        statement = (
            delete(OneTimeRow)
            .where(OneTimeRow.purpose == purpose, OneTimeRow.name == digest(name))
            .returning(OneTimeRow.data, OneTimeRow.expires_at)
        )
        with self._database.transaction() as session:
            found = session.execute(statement).first()
        if found is None or found.expires_at <= self._clock.now():
            return None
        data: dict[str, Any] = found.data
        return data

    def clear(self, purpose: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """Forget all values of a purpose in a tenant."""
        with self._database.transaction() as session:
            session.execute(
                delete(OneTimeRow).where(OneTimeRow.purpose == purpose, OneTimeRow.tenant == tenant)
            )
