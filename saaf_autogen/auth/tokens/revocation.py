"""Tokens that were revoked before they expired: kept in the store, known in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.auth.tables import RevokedTokenRow
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database

__all__ = ["RevokedTokens", "revoked_name"]

# Longer than any token lives, and than a run that one started may wait for a person.
_OUTLIVES_RUNS = timedelta(days=90)


class RevokedTokens:
    """The ids (``jti``) of revoked tokens, and those of revoked families (``fam``).

    Asking (``in``) never touches the store. ``load`` and ``revoke`` do: call them in a thread.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._ids: frozenset[str] = frozenset()

    def __contains__(self, jti: object) -> bool:
        return jti in self._ids

    def revoke(self, jti: str, *, tenant: str) -> None:
        """Revoke a token, or a family by its id: at once here, in others when they load next."""
        with self._database.transaction() as session:
            self.add(session, jti, tenant=tenant)
        self.learn([jti])

    def add(self, session: Session, jti: str, *, tenant: str) -> None:
        """Revoke in the transaction of a change; once it is committed, ``learn`` the same."""
        now = self._clock.now()
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(RevokedTokenRow).values(
            jti=jti, tenant=tenant, revoked_at=now, expires_at=now + _OUTLIVES_RUNS
        )
        session.execute(statement.on_conflict_do_nothing())
        session.execute(delete(RevokedTokenRow).where(RevokedTokenRow.expires_at < now))

    def learn(self, ids: Iterable[str]) -> None:
        """Know in this process, without waiting for ``load``, what was committed as revoked."""
        with self._lock:
            self._ids |= frozenset(ids)

    def load(self) -> bool:
        """Read what any process revoked; True if there is something new."""
        query = select(RevokedTokenRow.jti).where(RevokedTokenRow.expires_at >= self._clock.now())
        with self._lock:
            with self._database.transaction(read=True) as session:
                ids = frozenset(session.scalars(query))
            new = not ids <= self._ids
            self._ids = ids
        return new


def revoked_name(tenant: str, jti: str | None) -> str:
    """Under which an admin's word that a token is revoked is kept.

    Not the bare ``jti``: whoever learns one must not be able to end a token of another tenant.
    """
    return f"{tenant}|{jti}"
