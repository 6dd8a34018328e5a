"""Keyed effects: the same key does the same thing once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from saaf_autogen.actions.spec import ActionOutcome, Effect
from saaf_autogen.actions.tables import EffectRow
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest
from saaf_autogen.db import Database
from saaf_autogen.errors import Conflict, IdempotencyMismatch, OutcomeUnknown

__all__ = ["EffectKey", "EffectStore"]


@dataclass(frozen=True)
class EffectKey:
    """An idempotency key within its owner, with the fingerprint of what it stands for."""

    tenant: str
    owner: str
    key: str
    action: str
    fingerprint: str
    effect: Effect

    @classmethod
    def of(
        cls,
        principal: Principal,
        key: str,
        *,
        action: str,
        arguments: Mapping[str, Any],
        effect: Effect,
    ) -> EffectKey:
        """The key of a call; key and owner are stored as digests, whatever their length."""
        body = json.dumps([action, arguments], sort_keys=True, default=str)
        owner = digest(f"{principal.key}|{principal.client_id or ''}")
        return cls(principal.tenant, owner, digest(key), action, digest(body), effect)

    @property
    def identity(self) -> tuple[str, str, str]:
        """The primary key of its row."""
        return (self.tenant, self.owner, self.key)


class EffectStore:
    """Remembers keyed calls.

    Args:
        lease_s: after how many seconds an effect still in flight is held to have died with its
            host; longer than any action may run.
    """

    def __init__(self, database: Database, clock: Clock, *, lease_s: float) -> None:
        self._database = database
        self._clock = clock
        self._lease = timedelta(seconds=lease_s)

    async def look_up(self, key: EffectKey) -> ActionOutcome | None:
        """The outcome that the key already has, or None when there is nothing in its way.

        Raises:
            IdempotencyMismatch: the key belongs to another action or other arguments.
            Conflict: the first call with this key is still in flight.
            OutcomeUnknown: nobody knows whether an earlier write took effect.
        """
        return await self._database.run(self._look_up, key)

    async def reserve(self, key: EffectKey, call_id: str) -> None:
        """Mark the key as in flight; raises ``Conflict`` when another call was faster."""
        try:
            await self._database.run(self._reserve, key, call_id)
        except IntegrityError:
            raise _in_flight() from None

    async def finish(self, key: EffectKey, outcome: ActionOutcome) -> None:
        """Record that the effect took place, with its value."""
        await self._database.run(
            _update,
            key,
            outcome.call_id,
            state="done",
            value=outcome.value,
            cut=outcome.cut,
            finished_at=self._clock.now(),
        )

    async def give_up(self, key: EffectKey, call_id: str) -> None:
        """Record that nobody knows whether the effect took place."""
        await self._database.run(
            _update, key, call_id, state="unknown", finished_at=self._clock.now()
        )

    async def release(self, key: EffectKey, call_id: str) -> None:
        """Forget a call that certainly had no effect, so that the key can be tried again."""
        await self._database.run(_delete, key, call_id)

    def _look_up(self, session: Session, key: EffectKey) -> ActionOutcome | None:
        row = session.get(EffectRow, key.identity)
        if row is None:
            return None
        if row.fingerprint != key.fingerprint:
            raise IdempotencyMismatch(
                "This Idempotency-Key was used for another call.",
                remedy="Use a new key for a new call.",
            )
        if row.state == "done":
            return ActionOutcome(row.value, row.cut, row.call_id)
        died = row.state == "in_flight" and row.lease_until <= self._clock.now()
        if row.state == "in_flight" and not died:
            raise _in_flight()
        if key.effect == "idempotent":
            session.delete(row)
            return None
        row.state = "unknown"
        session.commit()
        raise OutcomeUnknown(
            f"An earlier {key.action} with this key was in flight when it was cut off; "
            "it may have taken effect.",
            remedy="Look at the other system, then decide: a new key makes a new attempt.",
            extra={"first_call_id": row.call_id},
        )

    def _reserve(self, session: Session, key: EffectKey, call_id: str) -> None:
        now = self._clock.now()
        session.add(
            EffectRow(
                tenant=key.tenant,
                owner=key.owner,
                key=key.key,
                action=key.action,
                fingerprint=key.fingerprint,
                state="in_flight",
                call_id=call_id,
                started_at=now,
                lease_until=now + self._lease,
            )
        )


def _in_flight() -> Conflict:
    return Conflict(
        "A call with this Idempotency-Key is still in flight.",
        remedy="Ask again in a moment; its outcome will then be returned.",
    )


def _mine(key: EffectKey, call_id: str) -> list[Any]:
    return [
        EffectRow.tenant == key.tenant,
        EffectRow.owner == key.owner,
        EffectRow.key == key.key,
        EffectRow.call_id == call_id,
        EffectRow.state == "in_flight",
    ]


def _update(session: Session, /, key: EffectKey, call_id: str, **values: Any) -> None:
    session.execute(update(EffectRow).where(*_mine(key, call_id)).values(**values))


def _delete(session: Session, key: EffectKey, call_id: str) -> None:
    session.execute(delete(EffectRow).where(*_mine(key, call_id)))
