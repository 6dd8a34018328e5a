"""Keyed effects: the same key does the same thing once."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from saaf_autogen.actions.spec import ActionOutcome, Effect
from saaf_autogen.actions.tables import EffectRow
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest
from saaf_autogen.db import Database, is_away
from saaf_autogen.errors import Conflict, IdempotencyMismatch, OutcomeUnknown

__all__ = ["EffectKey", "EffectStore", "Fence", "Resolution", "outcome_unknown"]

Fence = Callable[[Session], None]
"""Within a transaction: raises when the caller may make no further call."""

Resolution = Literal["done", "retry", "failed"]
_OPEN = ("in_flight", "unknown")
_RETRY_S = (0.1, 0.3, 1.0, 3.0)
Result = TypeVar("Result")
_SPACE = uuid.UUID("5aaf0005-0000-8000-8000-000000000001")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EffectKey:
    """An idempotency key within its owner, with the fingerprint of what it stands for."""

    tenant: str
    owner: str
    key: str
    action: str
    fingerprint: str
    effect: Effect
    keyed: bool = False

    @classmethod
    def of(
        cls,
        principal: Principal,
        key: str,
        *,
        action: str,
        arguments: Mapping[str, Any],
        effect: Effect,
        keyed: bool = False,
    ) -> EffectKey:
        """The key of a call; key and owner are stored as digests, whatever their length."""
        body = json.dumps([action, arguments], sort_keys=True, default=str)
        owner = digest(f"{principal.key}|{principal.client_id or ''}")
        return cls(principal.tenant, owner, digest(key), action, digest(body), effect, keyed)

    @property
    def identity(self) -> tuple[str, str, str]:
        """The primary key of its row."""
        return (self.tenant, self.owner, self.key)

    @property
    def repeatable(self) -> bool:
        """Whether doing it again under this key does no harm."""
        return self.effect == "idempotent" or self.keyed

    @property
    def handed_on(self) -> str:
        """The key as handlers give it to other systems: a UUID.

        Callers choose their own keys, and two of them may choose the same one; other systems see
        one account for all of them.
        """
        return str(uuid.uuid5(_SPACE, "|".join((*self.identity, self.fingerprint))))


def outcome_unknown(key: EffectKey, call_id: str) -> OutcomeUnknown:
    """That nobody can know whether the write ``call_id`` took effect."""
    return OutcomeUnknown(
        f"A call of {key.action} with this key ended without an answer; it may have taken effect.",
        remedy="Look at the other system, then decide: a new key makes a new attempt.",
        extra={"first_call_id": call_id},
    )


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

    async def look_up(self, key: EffectKey, holder: str | None = None) -> ActionOutcome | None:
        """The outcome that the key already has, or None when there is nothing in its way.

        Args:
            key: of the call.
            holder: who calls, such as a worker's hold on a run. Whoever held the key before it
                was cut off, however much of its lease is left.

        Raises:
            IdempotencyMismatch: the key belongs to another action or other arguments.
            Conflict: the first call with this key is still in flight.
            OutcomeUnknown: nobody knows whether an earlier write took effect.
        """
        return await self._database.run(self._look_up, key, holder)

    async def reserve(
        self,
        key: EffectKey,
        call_id: str,
        *,
        holder: str | None = None,
        fence: Fence | None = None,
    ) -> None:
        """Mark the key as in flight, if ``fence`` lets it.

        Raises:
            Conflict: another call was faster.
        """
        try:
            await self._database.run(self._reserve, key, call_id, holder, fence)
        except IntegrityError:
            raise _in_flight() from None
        except SQLAlchemyError as error:
            # The commit may have been made although its answer was lost.
            if holder is not None and is_away(error):
                await self.release(key, call_id, insist=True)
            raise

    async def confirm(self, key: EffectKey, call_id: str, fence: Fence) -> None:
        """Make sure, after a pause, that a reserved call may still begin.

        Raises:
            Conflict: it was taken to have been cut off.
        """
        await self._database.run(self._confirm, key, call_id, fence)

    async def finish(self, key: EffectKey, outcome: ActionOutcome, *, insist: bool = False) -> None:
        """Record that the effect took place, with its value; ``insist``: however long it takes.

        A call that was given up for lost may come back after all: what is known now is better
        than ``unknown``, but nothing against what a human or a later attempt has settled.
        """
        values = {"value": outcome.value, "cut": outcome.cut, "finished_at": self._clock.now()}

        def finish(session: Session) -> bool:
            return _update(session, key, outcome.call_id, _OPEN, state="done", **values)

        found = await self._run(finish, insist=insist)
        if not found:
            _log.warning("%s came back when its effect was settled otherwise", outcome.call_id)

    async def give_up(self, key: EffectKey, call_id: str) -> None:
        """Record that nobody knows whether the effect took place."""
        await self._database.run(
            _update, key, call_id, ("in_flight",), state="unknown", finished_at=self._clock.now()
        )

    async def release(self, key: EffectKey, call_id: str, *, insist: bool = False) -> None:
        """Forget a call that certainly had no effect, so that the key can be tried again."""
        await self._run(lambda session: _delete(session, key, call_id), insist=insist)

    def resolve(
        self,
        session: Session,
        key: EffectKey,
        resolution: Resolution,
        value: Any = None,
    ) -> ActionOutcome | None:
        """Within the caller's transaction: what a human found out about an unknown outcome.

        ``done`` keeps the key with its value. ``retry`` and ``failed`` forget it: a call without
        effect leaves nothing, and that it is not to be made again is for the caller to remember.

        Returns:
            The outcome of an effect that took place; None otherwise. A call that came back after
            all knows better than whoever was asked, so its own outcome stays.

        Raises:
            Conflict: it is said to have failed, and it came back with a success.
        """
        row = session.get(EffectRow, key.identity, with_for_update=True)
        if row is not None and row.state == "done":
            if resolution == "failed":
                raise Conflict(
                    "The call came back meanwhile: it took effect.",
                    remedy="Answer done; what it returned is known.",
                )
            return ActionOutcome(row.value, row.cut, row.call_id)
        if resolution != "done":
            if row is not None:
                session.delete(row)
            return None
        now = self._clock.now()
        if row is None:
            row = self._row(key, "", None, now)
            session.add(row)
        row.state, row.value, row.cut, row.finished_at = "done", value, None, now
        return ActionOutcome(value, None, row.call_id)

    async def _run(self, work: Callable[[Session], Result], *, insist: bool) -> Result:
        """A transaction; ``insist``: tried again for as long as the store is away."""
        tries = 0
        while True:
            try:
                return await self._database.run(work)
            except SQLAlchemyError as error:
                if not insist or not is_away(error):
                    raise
                _log.warning("the store is not available (%s)", type(error).__name__)
            await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
            tries += 1

    def _look_up(
        self, session: Session, key: EffectKey, holder: str | None
    ) -> ActionOutcome | None:
        # Locked: a call that comes back at this moment is not overwritten with `unknown`.
        row = session.get(EffectRow, key.identity, with_for_update=True)
        if row is None:
            return None
        if row.fingerprint != key.fingerprint:
            raise IdempotencyMismatch(
                "This Idempotency-Key was used for another call.",
                remedy="Use a new key for a new call.",
            )
        if row.state == "done":
            return ActionOutcome(row.value, row.cut, row.call_id)
        if row.state == "in_flight" and not self._cut_off(row, holder):
            raise _in_flight()
        if key.repeatable:
            session.delete(row)
            return None
        row.state = "unknown"
        session.commit()
        raise outcome_unknown(key, row.call_id)

    def _cut_off(self, row: EffectRow, holder: str | None) -> bool:
        """Whether nobody who may still write is at it."""
        if holder is not None and row.holder is not None and row.holder != holder:
            return True
        return row.lease_until <= self._clock.now()

    def _reserve(
        self,
        session: Session,
        key: EffectKey,
        call_id: str,
        holder: str | None,
        fence: Fence | None,
    ) -> None:
        if fence is not None:
            fence(session)
        session.add(self._row(key, call_id, holder, self._clock.now()))

    def _confirm(self, session: Session, key: EffectKey, call_id: str, fence: Fence) -> None:
        fence(session)
        row = session.get(EffectRow, key.identity, with_for_update=True)
        if row is None or row.call_id != call_id or row.state != "in_flight":
            raise Conflict("The call was taken to have been cut off before it began.")

    def _row(self, key: EffectKey, call_id: str, holder: str | None, now: datetime) -> EffectRow:
        return EffectRow(
            tenant=key.tenant,
            owner=key.owner,
            key=key.key,
            action=key.action,
            fingerprint=key.fingerprint,
            state="in_flight",
            call_id=call_id,
            holder=holder,
            started_at=now,
            lease_until=now + self._lease,
        )


def _in_flight() -> Conflict:
    return Conflict(
        "A call with this Idempotency-Key is still in flight.",
        remedy="Ask again in a moment; its outcome will then be returned.",
    )


def _mine(key: EffectKey, call_id: str, states: Collection[str]) -> list[Any]:
    return [
        EffectRow.tenant == key.tenant,
        EffectRow.owner == key.owner,
        EffectRow.key == key.key,
        EffectRow.call_id == call_id,
        EffectRow.state.in_(states),
    ]


def _update(
    session: Session, /, key: EffectKey, call_id: str, states: Collection[str], **values: Any
) -> bool:
    query = update(EffectRow).where(*_mine(key, call_id, states)).values(**values)
    return session.execute(query.returning(EffectRow.call_id)).first() is not None


def _delete(session: Session, key: EffectKey, call_id: str) -> None:
    # Of a call that was given up for lost, too: nobody needs to wonder any more.
    session.execute(delete(EffectRow).where(*_mine(key, call_id, _OPEN)))
