"""What users have open: sessions in browsers, and connections of clients (token families)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Select, select

from saaf_autogen.auth.administration.ledger import Change, Ledger
from saaf_autogen.auth.administration.pages import Page, after_of, page_of
from saaf_autogen.auth.identity.sessions import SessionRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.server.tables import FamilyRow
from saaf_autogen.errors import NotFound

__all__ = ["Connection", "ConnectionAdministration", "Session", "SessionAdministration"]


class Session(BaseModel):
    """A browser in which a user is signed in.

    Attributes:
        amr: how they signed in (RFC 8176).
        seen_at: the last request, to the minute.
    """

    id: str
    user_id: str
    amr: list[str]
    address: str
    user_agent: str
    authenticated_at: datetime
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class Connection(BaseModel):
    """A client that a user let in, with all tokens that grew from it.

    Attributes:
        scopes: the most that any of its tokens may have.
        details: RFC 9396 details that narrow them.
        used_at: when it last got a token.
    """

    id: str
    user_id: str
    client_id: str
    scopes: list[str]
    details: list[dict[str, Any]] | None
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class SessionAdministration:
    """Sessions of the tenant's users. Synchronous: call it in a thread.

    Every method keeps to the tenant of ``actor`` and raises ``Forbidden`` for who is no admin.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(
        self,
        actor: Principal,
        *,
        user_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Session]:
        """Sessions that have not ended, by their ids."""
        with self._ledger.reading(actor, "iam.list_sessions") as reading:
            found = reading.stores.sessions.list(
                tenant=reading.tenant, user_id=user_id, after=after_of(cursor), limit=limit + 1
            )
        return page_of(found, limit, key=lambda session: session.id, show=_session)

    def get(self, actor: Principal, session_id: str) -> Session:
        """A session that has not ended; raises ``NotFound``."""
        with self._ledger.reading(actor, "iam.read_session") as reading:
            return _session(reading.stores.sessions.get(session_id, tenant=reading.tenant))

    def end(self, actor: Principal, session_id: str) -> None:
        """Sign this browser out; raises ``NotFound``. Connections stay: see ``connections``."""
        with self._ledger.change(actor, "iam.end_session", f"session:{session_id}") as change:
            session = change.stores.sessions.get(session_id, tenant=change.tenant)
            change.resources.append(f"user:{session.user_id}")
            change.stores.sessions.end(session_id, tenant=change.tenant)


class ConnectionAdministration:
    """Connections of the tenant's users. Synchronous: call it in a thread.

    Every method keeps to the tenant of ``actor`` and raises ``Forbidden`` for who is no admin.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(
        self,
        actor: Principal,
        *,
        user_id: str | None = None,
        client_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Connection]:
        """Connections that live, by their ids."""
        with self._ledger.reading(actor, "iam.list_connections") as reading:
            query = _living(reading).where(FamilyRow.id > after_of(cursor))
            if user_id is not None:
                query = query.where(FamilyRow.user_id == user_id)
            if client_id is not None:
                query = query.where(FamilyRow.client_id == client_id)
            rows = list(reading.session.scalars(query.order_by(FamilyRow.id).limit(limit + 1)))
        return page_of(rows, limit, key=lambda row: row.id, show=_connection)

    def get(self, actor: Principal, connection_id: str) -> Connection:
        """A connection that lives; raises ``NotFound``."""
        with self._ledger.reading(actor, "iam.read_connection") as reading:
            return _connection(_family(reading, connection_id))

    def end(self, actor: Principal, connection_id: str) -> None:
        """End all tokens of a connection, and what runs with them; raises ``NotFound``."""
        resource = f"connection:{connection_id}"
        with self._ledger.change(actor, "iam.end_connection", resource) as change:
            row = _family(change, connection_id)
            change.resources += [f"user:{row.user_id}", f"client:{row.client_id}"]
            change.stores.families.revoke(connection_id, "admin revoked it", tenant=change.tenant)


def _living(change: Change) -> Select[FamilyRow]:
    return select(FamilyRow).where(
        FamilyRow.tenant == change.tenant,
        FamilyRow.revoked_at.is_(None),
        FamilyRow.expires_at > change.now,
    )


def _family(change: Change, family_id: str) -> FamilyRow:
    row = change.session.scalar(_living(change).where(FamilyRow.id == family_id))
    if row is None:
        raise NotFound("There is no such connection.", remedy="It may have ended.")
    found: FamilyRow = row
    return found


def _connection(row: FamilyRow) -> Connection:
    return Connection(
        id=row.id,
        user_id=row.user_id,
        client_id=row.client_id,
        scopes=list(row.order["scopes"]),
        details=row.order.get("details"),
        created_at=row.created_at,
        used_at=row.used_at,
        expires_at=row.expires_at,
    )


def _session(record: SessionRecord) -> Session:
    shown = {name: getattr(record, name) for name in Session.model_fields}
    return Session.model_validate({**shown, "amr": list(record.amr)})
