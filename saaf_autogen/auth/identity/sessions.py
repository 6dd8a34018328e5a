"""Sessions: browsers that signed in, each by a random cookie of which only the hash is kept."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from saaf_autogen.auth.identity.names import presentable
from saaf_autogen.auth.identity.records import UserRecord, group_columns, user_record
from saaf_autogen.auth.identity.tables import SessionRow, UserRow
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest, new_secret
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import NotFound, Unauthenticated
from saaf_autogen.settings import SignInSettings

__all__ = ["SessionRecord", "SessionStore"]

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
_TOUCH_S = 60
_SWEPT = 1_000
_PAGE = 201  # a page of 200, and whether there is another


@dataclass(frozen=True)
class SessionRecord:
    """A browser that signed in.

    Attributes:
        amr: how its user signed in (RFC 8176): ``pwd``, or ``pop``, ``user`` and ``mfa``.
        authenticated_at: when: ``auth_time`` of tokens.
        seen_at: its last request, to the minute.
        expires_at: when it ends however busy it is.
    """

    id: str
    tenant: str
    user_id: str
    amr: tuple[str, ...]
    authenticated_at: datetime
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    user_agent: str


class SessionStore:
    """Keeps sessions. Synchronous: call it in a thread from async code.

    Args:
        database: where they are kept.
        clock: the time.
        settings: how long they last.
        scopes: the scopes that this host knows.
    """

    def __init__(
        self, database: Database, clock: Clock, settings: SignInSettings, scopes: ScopeRegistry
    ) -> None:
        self._database = database
        self._clock = clock
        self._scopes = scopes
        self._lifetime = timedelta(seconds=settings.session_s)
        self._idle = timedelta(seconds=settings.idle_s)
        self._touch = min(timedelta(seconds=_TOUCH_S), self._idle / 2)

    def start(
        self,
        user: UserRecord,
        *,
        amr: Sequence[str],
        address: str,
        user_agent: str,
        replaces: str | None = None,
    ) -> tuple[str, SessionRecord]:
        """A new session and its cookie, which is told this once.

        It is always a new cookie: one that was there before the sign-in, perhaps planted, never
        becomes anybody's.

        Args:
            user: who signed in.
            amr: how (RFC 8176).
            address: from where.
            user_agent: with what.
            replaces: the browser's cookie until now, whose session ends.

        Raises:
            Unauthenticated: the user may not sign in, as of now.
        """
        now = self._clock.now()
        cookie = new_secret()
        row = SessionRow(
            id=f"ses_{secrets.token_hex(12)}",
            tenant=user.tenant,
            cookie_hash=digest(cookie),
            user_id=user.id,
            amr=list(amr),
            authenticated_at=now,
            created_at=now,
            seen_at=now,
            expires_at=now + self._lifetime,
            address=presentable(address, 64),
            user_agent=presentable(user_agent, 200),
        )
        self._sweep(now)
        with self._database.transaction() as session:
            signed_in = session.execute(
                update(UserRow)
                .where(
                    UserRow.id == user.id,
                    UserRow.tenant == user.tenant,
                    UserRow.disabled_at.is_(None),
                )
                .values(signed_in_at=now)
                .returning(UserRow.id)
            ).first()
            if signed_in is None:
                raise Unauthenticated("This user may not sign in.", remedy="Ask an admin.")
            if replaces and _COOKIE.fullmatch(replaces):
                self._end(session, SessionRow.cookie_hash == digest(replaces))
            session.add(row)
        return cookie, _record(row)

    def find(self, cookie: str) -> tuple[SessionRecord, UserRecord] | None:
        """The session of a cookie and its user as of now; None if it ended or they may not.

        One query; a second statement notes the visit, at most once a minute.
        """
        if not _COOKIE.fullmatch(cookie):
            return None
        now = self._clock.now()
        columns = group_columns("sqlite" if self._database.is_sqlite else "postgresql")
        query = (
            select(SessionRow, UserRow, *columns)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(
                SessionRow.cookie_hash == digest(cookie),
                SessionRow.tenant == UserRow.tenant,
                SessionRow.ended_at.is_(None),
                SessionRow.expires_at > now,
                SessionRow.seen_at > now - self._idle,
                UserRow.disabled_at.is_(None),
            )
        )
        with self._database.transaction(read=True) as session:
            found = session.execute(query).first()
        if found is None:
            return None
        row, user, memberships, granted = found
        if now - row.seen_at >= self._touch:
            self._note_visit(row.id, now)
        return _record(row), user_record(user, memberships, granted, self._scopes.__contains__)

    def list(
        self,
        *,
        tenant: str = DEFAULT_TENANT,
        user_id: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> list[SessionRecord]:
        """Sessions of a tenant, or of one of its users, that have not ended, by id.

        Args:
            tenant: whose.
            user_id: only this user's.
            after: the last id of the page before.
            limit: how many, at most 200.
        """
        now = self._clock.now()
        query = select(SessionRow).where(
            SessionRow.tenant == tenant,
            SessionRow.ended_at.is_(None),
            SessionRow.expires_at > now,
            SessionRow.seen_at > now - self._idle,
        )
        if user_id is not None:
            query = query.where(SessionRow.user_id == user_id)
        if after:
            query = query.where(SessionRow.id > after)
        query = query.order_by(SessionRow.id).limit(min(max(limit, 1), _PAGE))
        with self._database.transaction(read=True) as session:
            return [_record(row) for row in session.scalars(query)]

    def get(self, session_id: str, *, tenant: str = DEFAULT_TENANT) -> SessionRecord:
        """A session of a tenant that has not ended.

        Raises:
            NotFound: there is none.
        """
        now = self._clock.now()
        query = select(SessionRow).where(
            SessionRow.id == session_id,
            SessionRow.tenant == tenant,
            SessionRow.ended_at.is_(None),
            SessionRow.expires_at > now,
            SessionRow.seen_at > now - self._idle,
        )
        with self._database.transaction(read=True) as session:
            row = session.scalar(query) if session_id.isprintable() else None
            if row is None:
                raise NotFound("There is no such session.", remedy="It may have ended.")
            return _record(row)

    def end(
        self, session_id: str, *, tenant: str | None = None, user_id: str | None = None
    ) -> bool:
        """End a session, if it is of this tenant and user; False if there was none to end."""
        conditions = [SessionRow.id == session_id]
        if tenant is not None:
            conditions.append(SessionRow.tenant == tenant)
        if user_id is not None:
            conditions.append(SessionRow.user_id == user_id)
        with self._database.transaction() as session:
            return self._end(session, *conditions) > 0

    def end_all(self, user_id: str, *, tenant: str | None = None, but: str | None = None) -> int:
        """End all sessions of a user, but for the one with the id ``but``; how many there were."""
        conditions = [SessionRow.user_id == user_id]
        if tenant is not None:
            conditions.append(SessionRow.tenant == tenant)
        if but is not None:
            conditions.append(SessionRow.id != but)
        with self._database.transaction() as session:
            return self._end(session, *conditions)

    def _end(self, session: Session, *conditions: ColumnElement[bool]) -> int:
        statement = (
            update(SessionRow)
            .where(SessionRow.ended_at.is_(None), *conditions)
            .values(ended_at=self._clock.now())
            .returning(SessionRow.id)
        )
        return len(session.execute(statement).all())

    def _sweep(self, now: datetime) -> None:
        """Remove sessions that expired, but for those that somebody else works on."""
        old = (
            select(SessionRow.id)
            .where(SessionRow.expires_at <= now)
            .limit(_SWEPT)
            .with_for_update(skip_locked=True)
        )
        with self._database.transaction() as session:
            session.execute(delete(SessionRow).where(SessionRow.id.in_(old)))

    def _note_visit(self, session_id: str, now: datetime) -> None:
        with self._database.transaction() as session:
            session.execute(
                update(SessionRow)
                .where(SessionRow.id == session_id, SessionRow.seen_at < now)
                .values(seen_at=now)
            )


def _record(row: SessionRow) -> SessionRecord:
    return SessionRecord(
        id=row.id,
        tenant=row.tenant,
        user_id=row.user_id,
        amr=tuple(row.amr),
        authenticated_at=row.authenticated_at,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        address=row.address,
        user_agent=row.user_agent,
    )
