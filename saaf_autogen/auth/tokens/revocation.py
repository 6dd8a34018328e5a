"""Tokens that were revoked before they expired: kept in the store, known in memory."""

from __future__ import annotations

import threading
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from saaf_autogen.auth.tables import RevokedTokenRow
from saaf_autogen.clock import Clock
from saaf_autogen.db import Database

__all__ = ["RevokedTokens"]


class RevokedTokens:
    """The ids (``jti``) of revoked tokens.

    Asking (``in``) never touches the store. ``load`` and ``revoke`` do: call them in a thread.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._ids: frozenset[str] = frozenset()

    def __contains__(self, jti: object) -> bool:
        return jti in self._ids

    def revoke(self, jti: str, *, tenant: str, expires_at: datetime) -> None:
        """Revoke a token: at once in this process, in others when they load next."""
        now = self._clock.now()
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(RevokedTokenRow).values(
            jti=jti, tenant=tenant, revoked_at=now, expires_at=expires_at
        )
        with self._lock:
            with self._database.transaction() as session:
                session.execute(statement.on_conflict_do_nothing())
                session.execute(delete(RevokedTokenRow).where(RevokedTokenRow.expires_at < now))
            self._ids |= {jti}

    def load(self) -> bool:
        """Read what any process revoked; True if there is something new."""
        query = select(RevokedTokenRow.jti).where(RevokedTokenRow.expires_at >= self._clock.now())
        with self._lock:
            with self._database.transaction(read=True) as session:
                ids = frozenset(session.scalars(query))
            new = not ids <= self._ids
            self._ids = ids
        return new
