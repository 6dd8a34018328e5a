"""Authorization codes: made at the approval, good for one redemption within a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.families import FamilyRecord, FamilyStore, new_family_id
from saaf_autogen.auth.server.tables import CodeRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest, new_secret
from saaf_autogen.db import Database

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.users import UserRecord

__all__ = ["CODE_LIFETIME_S", "CodeRecord", "CodeStore"]

CODE_LIFETIME_S = 60
# Used codes are kept so long, to know a replay for what it is.
_KEPT = timedelta(days=1)


@dataclass(frozen=True)
class CodeRecord:
    """A code that was just used up, and what it stood for."""

    tenant: str
    client_id: str
    user_id: str
    family_id: str
    redirect_uri: str
    code_challenge: str
    order: ApprovedOrder
    expires_at: datetime


class CodeStore:
    """Keeps codes, as SHA-256. Synchronous: call it in a thread from async code."""

    def __init__(self, database: Database, clock: Clock, families: FamilyStore) -> None:
        self._database = database
        self._clock = clock
        self._families = families

    def issue(
        self,
        *,
        client: ClientRecord,
        user: UserRecord,
        redirect_uri: str,
        code_challenge: str,
        order: ApprovedOrder,
    ) -> str:
        """A new code (RFC 6749, section 4.1.2).

        Args:
            client: who may redeem it.
            user: who approved; of the client's tenant.
            redirect_uri: as the request had it; the redemption must repeat it.
            code_challenge: S256 of the verifier (RFC 7636).
            order: what was approved.

        Raises:
            ValueError: client and user are of two tenants.
        """
        if client.tenant != user.tenant:
            raise ValueError("a user approves clients of their own tenant alone")
        code = new_secret("saaf_ac_")
        now = self._clock.now()
        with self._database.transaction() as session:
            session.execute(delete(CodeRow).where(CodeRow.expires_at < now - _KEPT))
            session.add(
                CodeRow(
                    code_hash=digest(code),
                    tenant=client.tenant,
                    client_id=client.id,
                    user_id=user.id,
                    family_id=new_family_id(),
                    redirect_uri=redirect_uri,
                    code_challenge=code_challenge,
                    order=order.to_json(),
                    created_at=now,
                    expires_at=now + timedelta(seconds=CODE_LIFETIME_S),
                )
            )
        return code

    def redeem(
        self,
        code: str,
        *,
        client: ClientRecord,
        accept: Callable[[CodeRecord], ApprovedOrder | None],
    ) -> FamilyRecord | None:
        """Use the code up, whoever asks, and start its family if ``accept`` gives an order.

        One transaction: of many who redeem at once, one gets the family. A code that was used
        before ends the family that it started (RFC 9700, section 4.5), unless it expired unused.
        """
        now = self._clock.now()
        statement = (
            update(CodeRow)
            .where(CodeRow.code_hash == digest(code), CodeRow.used_at.is_(None))
            .values(used_at=now)
            .returning(CodeRow)
        )
        with self._database.transaction() as session:
            row = session.scalars(statement).first()
            if row is not None:
                record = _record(row)
                if now >= record.expires_at or record.client_id != client.id:
                    return None
                order = accept(record)
                if order is None:
                    return None
                return self._families.start(
                    session,
                    client=client.within(record.tenant),
                    user_id=record.user_id,
                    order=order,
                    family_id=record.family_id,
                )
        self._revoke_family_of(code)
        return None

    def _revoke_family_of(self, code: str) -> None:
        query = select(CodeRow.family_id).where(CodeRow.code_hash == digest(code))
        with self._database.transaction(read=True) as session:
            family_id = session.scalar(query)
        if family_id is not None:
            self._families.revoke(family_id, "code was replayed")


def _record(row: CodeRow) -> CodeRecord:
    return CodeRecord(
        tenant=row.tenant,
        client_id=row.client_id,
        user_id=row.user_id,
        family_id=row.family_id,
        redirect_uri=row.redirect_uri,
        code_challenge=row.code_challenge,
        order=ApprovedOrder.from_json(row.order),
        expires_at=row.expires_at,
    )
