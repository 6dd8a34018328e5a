"""Device codes (RFC 8628): a device asks, a person answers in a browser, the device polls."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.families import FamilyRecord, FamilyStore
from saaf_autogen.auth.server.tables import DeviceCodeRow
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest, new_secret
from saaf_autogen.db import Database

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.users import UserRecord

__all__ = [
    "DEVICE_LIFETIME_S",
    "DeviceAuthorization",
    "DeviceCodes",
    "PendingDevice",
    "PollResult",
    "read_user_code",
]

DEVICE_LIFETIME_S = 600
_INTERVAL_S = 5
# Consonants that no one mistakes for one another, and that spell no words: 20^8 is 34 bits.
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
_CODE = re.compile(f"[{_ALPHABET}]{{8}}")
# Used codes are kept so long, so that a late poll is told the truth.
_KEPT = timedelta(days=1)

PollResult = Literal[
    "authorization_pending", "slow_down", "access_denied", "expired_token", "invalid_grant"
]


@dataclass(frozen=True)
class DeviceAuthorization:
    """What a device is given: its own code, and one for the person. Times in seconds."""

    device_code: str
    user_code: str
    expires_in: int
    interval: int


@dataclass(frozen=True)
class PendingDevice:
    """A device that waits for a person. ``order`` is what it asked for."""

    user_code: str
    tenant: str
    client_id: str
    order: ApprovedOrder
    created_at: datetime
    expires_at: datetime


class DeviceCodes:
    """Keeps device codes, as SHA-256. Synchronous: call it in a thread from async code."""

    def __init__(self, database: Database, clock: Clock, families: FamilyStore) -> None:
        self._database = database
        self._clock = clock
        self._families = families

    def begin(self, client: ClientRecord, order: ApprovedOrder) -> DeviceAuthorization:
        """Let a device wait; its user code is unique among those that are kept."""
        device_code = new_secret("saaf_dc_")
        while True:
            user_code = "".join(secrets.choice(_ALPHABET) for _ in range(8))
            if self._insert(device_code, user_code, client, order):
                shown = f"{user_code[:4]}-{user_code[4:]}"
                return DeviceAuthorization(device_code, shown, DEVICE_LIFETIME_S, _INTERVAL_S)

    def pending(self, user_code: str) -> PendingDevice | None:
        """The device that waits under a code, as a person types it: case and hyphens are free."""
        code = read_user_code(user_code)
        if code is None:
            return None
        query = select(DeviceCodeRow).where(
            DeviceCodeRow.user_code == code,
            DeviceCodeRow.state == "pending",
            DeviceCodeRow.expires_at > self._clock.now(),
        )
        with self._database.transaction(read=True) as session:
            row = session.scalars(query).first()
            if row is None:
                return None
            return PendingDevice(
                user_code=f"{code[:4]}-{code[4:]}",
                tenant=row.tenant,
                client_id=row.client_id,
                order=ApprovedOrder.from_json(row.order),
                created_at=row.created_at,
                expires_at=row.expires_at,
            )

    def approve(self, user_code: str, user: UserRecord, order: ApprovedOrder) -> bool:
        """Let the device have tokens of this user; False if none of their tenant waits any more.

        ``order`` is what the person approved: never more than what the device asked for, which is
        for the caller to see to.
        """
        return self._decide(
            user_code, user.tenant, state="approved", user_id=user.id, order=order.to_json()
        )

    def deny(self, user_code: str, *, tenant: str | None = None) -> bool:
        """Tell the device that the person said no; False if none waits under this code."""
        return self._decide(user_code, tenant, state="denied")

    def poll(
        self,
        device_code: str,
        *,
        client: ClientRecord,
        accept: Callable[[str, ApprovedOrder], ApprovedOrder | None],
    ) -> FamilyRecord | PollResult:
        """Where the person's answer stands; once it is yes, the family that grows from it.

        ``accept`` is given the user's id and the approved order, in the transaction that uses the
        code up; None from it refuses. Too frequent polls slow the device down by 5 seconds each.
        """
        now = self._clock.now()
        name = digest(device_code)
        mine = (DeviceCodeRow.device_code_hash == name, DeviceCodeRow.client_id == client.id)
        statement = (
            update(DeviceCodeRow)
            .where(*mine, DeviceCodeRow.state == "approved", DeviceCodeRow.expires_at > now)
            .values(state="used", polled_at=now)
            .returning(DeviceCodeRow)
        )
        with self._database.transaction() as session:
            row = session.scalars(statement).first()
            if row is not None:
                order = accept(row.user_id or "", ApprovedOrder.from_json(row.order))
                if order is None or row.user_id is None:
                    return "invalid_grant"
                return self._families.start(
                    session, client=client, user_id=row.user_id, order=order
                )
            row = session.scalars(select(DeviceCodeRow).where(*mine).with_for_update()).first()
            return "invalid_grant" if row is None else _waiting(row, now)

    def _insert(
        self, device_code: str, user_code: str, client: ClientRecord, order: ApprovedOrder
    ) -> bool:
        now = self._clock.now()
        try:
            with self._database.transaction() as session:
                session.execute(delete(DeviceCodeRow).where(DeviceCodeRow.expires_at < now - _KEPT))
                session.add(
                    DeviceCodeRow(
                        device_code_hash=digest(device_code),
                        tenant=client.tenant,
                        user_code=user_code,
                        client_id=client.id,
                        order=order.to_json(),
                        state="pending",
                        interval_s=_INTERVAL_S,
                        created_at=now,
                        expires_at=now + timedelta(seconds=DEVICE_LIFETIME_S),
                    )
                )
        except IntegrityError:
            return False
        return True

    def _decide(self, user_code: str, tenant: str | None, **values: object) -> bool:
        code = read_user_code(user_code)
        if code is None:
            return False
        statement = update(DeviceCodeRow).where(
            DeviceCodeRow.user_code == code,
            DeviceCodeRow.state == "pending",
            DeviceCodeRow.expires_at > self._clock.now(),
        )
        if tenant is not None:
            statement = statement.where(DeviceCodeRow.tenant == tenant)
        with self._database.transaction() as session:
            done = session.execute(
                statement.values(**values).returning(DeviceCodeRow.device_code_hash)
            ).first()
        return done is not None


def read_user_code(text: str) -> str | None:
    """The code that a person typed, without its hyphen and in capitals; None if it can be none."""
    code = re.sub(r"[\s-]", "", text[:64]).upper()
    return code if _CODE.fullmatch(code) else None


def _waiting(row: DeviceCodeRow, now: datetime) -> PollResult:
    if row.state == "used":
        return "invalid_grant"
    if now >= row.expires_at:
        return "expired_token"
    if row.state == "denied":
        return "access_denied"
    early = row.polled_at is not None and now - row.polled_at < timedelta(seconds=row.interval_s)
    row.polled_at = now
    if early:
        row.interval_s += _INTERVAL_S
        return "slow_down"
    return "authorization_pending"
