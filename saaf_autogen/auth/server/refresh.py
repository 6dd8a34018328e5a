"""Refresh tokens: each good for one use, which makes the next (RFC 9700, section 4.14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from saaf_autogen.auth.server.families import FamilyRecord, family_record
from saaf_autogen.auth.server.tables import FamilyRow, RefreshTokenRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest, new_secret
from saaf_autogen.db import Database

__all__ = ["RefreshRecord", "RefreshTokens"]


@dataclass(frozen=True)
class RefreshRecord:
    """A refresh token, without itself, and its family."""

    family: FamilyRecord
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class RefreshTokens:
    """Keeps refresh tokens, as SHA-256. Synchronous: call it in a thread from async code.

    Args:
        database: where they are kept.
        clock: for their times.
        idle_s: seconds after which one that was not used ends, its family's end at the latest.
    """

    def __init__(self, database: Database, clock: Clock, *, idle_s: int) -> None:
        self._database = database
        self._clock = clock
        self._idle = timedelta(seconds=idle_s)

    def issue(self, family: FamilyRecord) -> str:
        """The first refresh token of a family."""
        with self._database.transaction() as session:
            return self._add(session, family)

    def find(self, token: str) -> RefreshRecord | None:
        """What a token stands for, whether or not it is still good."""
        query = (
            select(RefreshTokenRow, FamilyRow)
            .join(FamilyRow, FamilyRow.id == RefreshTokenRow.family_id)
            .where(RefreshTokenRow.token_hash == digest(token))
        )
        with self._database.transaction(read=True) as session:
            found = session.execute(query).first()
            if found is None:
                return None
            row, family = found
            return RefreshRecord(family_record(family), row.created_at, row.expires_at, row.used_at)

    def rotate(self, token: str, family: FamilyRecord) -> str | None:
        """Use a token up and get the next; None if it was used, or its family ended, before.

        One transaction: of many who rotate at once, one gets the next token.
        """
        now = self._clock.now()
        use = (
            update(RefreshTokenRow)
            .where(
                RefreshTokenRow.token_hash == digest(token),
                RefreshTokenRow.family_id == family.id,
                RefreshTokenRow.used_at.is_(None),
            )
            .values(used_at=now)
            .returning(RefreshTokenRow.token_hash)
        )
        touch = (
            update(FamilyRow)
            .where(FamilyRow.id == family.id, FamilyRow.revoked_at.is_(None))
            .values(used_at=now)
            .returning(FamilyRow.id)
        )
        with self._database.transaction() as session:
            if session.execute(touch).first() is None or session.execute(use).first() is None:
                return None
            return self._add(session, family)

    def _add(self, session: Session, family: FamilyRecord) -> str:
        token = new_secret("saaf_rt_")
        now = self._clock.now()
        # Used ones tell a reuse from a guess for as long as they could have been used.
        session.execute(delete(RefreshTokenRow).where(RefreshTokenRow.expires_at < now))
        session.add(
            RefreshTokenRow(
                token_hash=digest(token),
                tenant=family.tenant,
                family_id=family.id,
                created_at=now,
                expires_at=min(now + self._idle, family.expires_at),
            )
        )
        return token
