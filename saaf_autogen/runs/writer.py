"""What a turn writes while it goes on: its events and its journal, a moment behind, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from saaf_autogen.clock import Clock
from saaf_autogen.db import Database, is_away
from saaf_autogen.journal import CallKey, CallKind, CallUsage, Entry, Fenced, TurnEvent
from saaf_autogen.runs import event_log
from saaf_autogen.runs.hold import Hold, require_hold
from saaf_autogen.runs.notifier import Notifier
from saaf_autogen.runs.tables import JournalRow, RunRow
from saaf_autogen.runs.text import clean_json
from saaf_autogen.runs.usage import Meter

__all__ = ["Gate", "TurnWriter", "entries_of"]

_logger = logging.getLogger(__name__)
Result = TypeVar("Result")
Gate = Callable[[], Awaitable[None]]
"""Returns when a call may start; raises ``Fenced`` when none may any more."""

_LINGER_S = 0.025
_MOST_WAITING = 500
_RETRY_S = (0.1, 0.3, 1.0, 3.0)


@dataclass
class _Batch:
    """What waits to be written."""

    events: list[TurnEvent] = field(default_factory=list)
    entries: dict[str, tuple[CallKey, Entry]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.events or self.entries)


class TurnWriter:
    """Implements ``journal.TurnHost`` and ``journal.Journal`` for one turn of a run held here.

    Events and entries are written together, some milliseconds after they came, in one transaction
    that also checks the hold. The order is kept, and ``settle`` waits for all of it.

    Args:
        database: SAAF's store.
        hold: this worker's hold on the run.
        turn: the turn's number.
        entries: what the journal remembers of the turn; not None when it is done again.
        meter: counts and bounds what the run uses.
        gate: asked before each call.
        clock: the time that is written down.
        notifier: told when there are new events.
    """

    def __init__(
        self,
        database: Database,
        hold: Hold,
        turn: int,
        entries: Mapping[str, Entry] | None,
        *,
        meter: Meter,
        gate: Gate,
        clock: Clock,
        notifier: Notifier,
    ) -> None:
        self._database = database
        self._hold = hold
        self._turn = turn
        self._known = dict(entries or {})
        # A turn that is done again finds events of its first time, under the same keys.
        self._careful = entries is not None
        self._meter = meter
        self._gate = gate
        self._clock = clock
        self._notifier = notifier
        self._waiting = _Batch()
        self._stored = bool(entries)
        self._writing = asyncio.Lock()
        self._flusher: asyncio.Task[None] | None = None
        self._fault: BaseException | None = None
        self._calls = 0

    @property
    def journal(self) -> TurnWriter:
        """It is its own journal."""
        return self

    @property
    def holder(self) -> str:
        """The hold by its name."""
        return str(self._hold)

    @property
    def calls_in_flight(self) -> int:
        """How many calls were permitted and have not ended."""
        return max(self._calls, 0)

    def fence(self, session: Session) -> None:
        """As ``TurnHost.fence``."""
        require_hold(session, self._hold)

    async def permit(self, kind: CallKind) -> None:
        """As ``TurnHost.permit``."""
        self._check()
        await self._gate()
        self._meter.permit(kind)
        self._calls += 1

    def used(self, usage: CallUsage) -> None:
        """As ``TurnHost.used``."""
        self._meter.used(usage)
        if not usage.replayed:
            self._calls -= 1

    async def emit(self, event: TurnEvent) -> None:
        """As ``TurnHost.emit``; waits only when the store is far behind."""
        self._check()
        if event.type == "message.delta":
            # What was begun before a crash is told again: readers start anew with the attempt.
            event = replace(event, data={**event.data, "attempt": self._hold.epoch})
        events = self._waiting.events
        if event.type == "message.delta" and events and _continues(events[-1], event):
            events[-1] = _joined(events[-1], event)
        else:
            events.append(event)
        self._soon()
        if len(events) >= _MOST_WAITING:
            await self.settle()

    def recall(self, key: CallKey) -> Entry | None:
        """As ``Journal.recall``."""
        return self._known.get(key.place)

    def record(self, key: CallKey, entry: Entry) -> None:
        """As ``Journal.record``."""
        self._known[key.place] = entry
        self._waiting.entries[key.place] = (key, entry)
        self._soon()

    async def settle(self) -> None:
        """As ``Journal.settle``."""
        self._check()
        if self._waiting or self._writing.locked():
            await self.commit(_nothing)

    async def commit(self, work: Callable[[Session, RunRow], Result]) -> Result:
        """Write what waits, and ``work(session, run)``, in one transaction under the hold.

        It is tried again for as long as the store is away.

        Raises:
            Fenced: the run is not held here any more.
        """
        async with self._writing:
            batch, self._waiting = self._waiting, _Batch()
            attempt = 0
            while True:
                try:
                    result = await self._database.run(self._write, batch, work)
                    break
                except SQLAlchemyError as error:
                    if not is_away(error):
                        raise
                    # The commit may have been made although its answer was lost.
                    self._careful = True
                    _logger.warning("the store is not available (%s)", type(error).__name__)
                # Without the gate: it is shut for good when the run is being stopped, and that end
                # is what waits to be written. Whether it may be, the hold says.
                await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1
        if batch.events or work is not _nothing:
            self._notifier.notify(self._hold.run_id)
        self._stored = self._stored or bool(batch.entries)
        return result

    def forget(self, session: Session) -> None:
        """Within the transaction that stores the turn's end: its journal is of no more use.

        What waits to be written is dropped from the batch for the same reason.
        """
        if self._stored:
            session.execute(
                delete(JournalRow).where(
                    JournalRow.run_id == self._hold.run_id, JournalRow.turn == self._turn
                )
            )

    def drop_entries(self) -> None:
        """Before the commit of the turn's end: entries that were not written need not be."""
        self._waiting.entries.clear()

    async def close(self) -> None:
        """Stop writing; what waits is lost, as in a crash."""
        self._fault = self._fault or Fenced("the turn is over")
        if self._flusher:
            self._flusher.cancel()
            await asyncio.wait({self._flusher})

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _soon(self) -> None:
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(_LINGER_S)
        try:
            while self._waiting:
                # A cancelled write would leave open whether it happened. Nobody may be there any
                # more when it ends, and then its end is nobody's fault.
                writing = asyncio.ensure_future(self.commit(_nothing))
                writing.add_done_callback(_retrieve)
                await asyncio.shield(writing)
        except (Fenced, SQLAlchemyError) as fault:
            self._fault = self._fault or fault

    def _write(
        self, session: Session, batch: _Batch, work: Callable[[Session, RunRow], Result]
    ) -> Result:
        row = require_hold(session, self._hold)
        now = self._clock.now()
        events = [(each.type, f"{self._turn}:{each.key}", dict(each.data)) for each in batch.events]
        if self._careful:
            for kind, key, data in events:
                event_log.append(session, row, kind, key, data, now)
        elif events:
            event_log.append_all_new(session, row, events, now)
        self._write_entries(session, row, batch, now)
        return work(session, row)

    def _write_entries(self, session: Session, row: RunRow, batch: _Batch, now: datetime) -> None:
        for place, (key, entry) in batch.entries.items():
            found = session.get(JournalRow, (row.id, place)) if self._careful else None
            if found is None:
                session.add(
                    JournalRow(
                        run_id=row.id,
                        place=place,
                        turn=key.turn,
                        tenant=row.tenant,
                        digest=entry.digest,
                        data=clean_json(entry.data),
                        at=now,
                    )
                )


def entries_of(session: Session, run_id: str, turn: int) -> dict[str, Entry]:
    """What the journal remembers of a turn, by place."""
    rows = session.scalars(
        select(JournalRow).where(JournalRow.run_id == run_id, JournalRow.turn == turn)
    )
    return {row.place: Entry(row.digest, row.data) for row in rows}


def _retrieve(written: asyncio.Future[None]) -> None:
    if not written.cancelled():
        written.exception()


def _nothing(_session: Session, _row: RunRow) -> None:
    """The batch is all that there is to write."""


def _continues(last: TurnEvent, event: TurnEvent) -> bool:
    return last.type == event.type and last.data.get("source") == event.data.get("source")


def _joined(last: TurnEvent, event: TurnEvent) -> TurnEvent:
    content = f"{last.data.get('content', '')}{event.data.get('content', '')}"
    return replace(last, data={**last.data, "content": content})
