"""Writes the audit log: reads in batches off the hot path, writes before their effect."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from saaf_autogen.audit.chain import Chain, fields_of
from saaf_autogen.audit.record import Entry
from saaf_autogen.audit.store import add_entries, without_known
from saaf_autogen.db import Database
from saaf_autogen.errors import AuditUnavailable

__all__ = ["AuditLog", "Emit"]

Emit = Callable[[Mapping[str, Any]], None]
"""Told of every entry once it is stored; called in the log's own thread."""

_log = logging.getLogger(__name__)
_MAX_PAUSE_S = 5.0
_MAX_BATCH = 1_000


@dataclass(frozen=True)
class _Order:
    """Entries that somebody waits for."""

    entries: tuple[Entry, ...]
    done: Future[None]


class AuditLog:
    """Appends entries to the chain, from any thread.

    Entries given to ``note`` wait in memory for at most ``delay_s`` and are written in one
    transaction; entries given to ``write`` are stored when it returns; ``append`` puts them into
    the caller's own transaction. A batch that the store does not take stays in memory and is tried
    again, up to ``capacity`` entries; past that every call is refused with ``AuditUnavailable``
    rather than left unrecorded.

    Args:
        database: SAAF's store.
        key: of the chain, in hex: ``Sealer.derive("audit")``.
        delay_s: seconds that a noted entry waits for others.
        capacity: entries that may wait.
        patience_s: seconds that ``write`` waits for the store.
        emit: told of every stored entry (see ``audit.telemetry``).
    """

    def __init__(
        self,
        database: Database,
        key: str,
        *,
        delay_s: float = 0.1,
        capacity: int = 10_000,
        patience_s: float = 10.0,
        emit: Emit | None = None,
    ) -> None:
        self._database = database
        self._chain = Chain(key)
        self._delay_s = delay_s
        self._capacity = capacity
        self._patience_s = patience_s
        self._emit = emit
        self._waiting: list[Entry] = []
        self._orders: list[_Order] = []
        self._emissions: list[Mapping[str, Any]] = []
        self._news = threading.Condition()
        self._idle = True
        self._closing = False
        self._writer: threading.Thread | None = None

    def note(self, *entries: Entry) -> None:
        """Record soon. Raises ``AuditUnavailable`` when too much waits already."""
        with self._news:
            self.require_room()
            self._waiting.extend(entries)
            if self._idle:
                self._wake()

    def require_room(self) -> None:
        """Refuse now what could not be recorded afterwards."""
        if len(self._waiting) >= self._capacity:
            raise AuditUnavailable(
                "The audit log cannot be written, so nothing more is done.",
                remedy="Try again later; an operator must mend the store.",
            )

    async def write(self, *entries: Entry) -> None:
        """Record now. Raises ``AuditUnavailable`` when the store does not take it."""
        done = self._order(entries)
        try:
            async with asyncio.timeout(self._patience_s):
                await asyncio.wrap_future(done)
        except TimeoutError:
            raise _refusal() from None

    def write_blocking(self, *entries: Entry) -> None:
        """``write``, for callers in threads."""
        done = self._order(entries)
        try:
            done.result(self._patience_s)
        except NotInTime:
            done.cancel()
            raise _refusal() from None

    def append(self, session: Session, *entries: Entry) -> None:
        """Record within the caller's transaction, whose last act this is.

        The tenant's chain stays locked until that transaction ends. Raises ``AuditUnavailable``
        when the store does not take it, which undoes the whole.
        """
        fields = [fields_of(entry) for entry in entries]
        try:
            add_entries(session, self._chain, fields)
        except SQLAlchemyError as error:
            raise _refusal() from error
        if self._emit is not None:
            event.listen(session, "after_commit", lambda _: self._emit_soon(fields), once=True)

    async def flush(self) -> None:
        """Store everything that waits. Raises ``AuditUnavailable`` when that fails."""
        while True:
            with self._news:
                waits = bool(self._waiting)
            if not waits:
                return
            await self.write()

    async def close(self) -> None:
        """Store what waits and stop."""
        try:
            await self.flush()
        finally:
            with self._news:
                writer = self._writer
                self._closing = writer is not None
                self._news.notify()
            if writer is not None:
                # A store that hangs must not keep the process: the thread is a daemon.
                await asyncio.to_thread(writer.join, self._patience_s)

    def _order(self, entries: Sequence[Entry]) -> Future[None]:
        order = _Order(tuple(entries), Future())
        with self._news:
            self._orders.append(order)
            self._wake()
        return order.done

    def _emit_soon(self, entries: Sequence[Mapping[str, Any]]) -> None:
        with self._news:
            if len(self._emissions) < self._capacity:
                self._emissions.extend(entries)
            self._wake()

    def _wake(self) -> None:
        """Have the thread look; within the lock."""
        if self._writer is None:
            self._writer = threading.Thread(target=self._work, name="saaf-audit", daemon=True)
            self._writer.start()
        self._idle = False
        self._news.notify()

    def _work(self) -> None:
        pause = self._delay_s
        while True:
            with self._news:
                while not (self._waiting or self._orders or self._emissions or self._closing):
                    self._idle = True
                    self._news.wait()
                self._idle = False
                if self._closing and not self._orders and not self._emissions:
                    # Within the lock: there is never more than one thread that writes.
                    self._idle, self._closing, self._writer = True, False, None
                    return
                if self._waiting and not self._orders and not self._closing:
                    self._news.wait(pause)
                notes = self._waiting[:_MAX_BATCH]
                orders = [
                    order for order in self._orders if order.done.set_running_or_notify_cancel()
                ]
                self._orders.clear()
                emissions, self._emissions = self._emissions, []
            if self._store(notes, orders):
                pause = self._delay_s
            else:
                # What waits is kept; `note` refuses further calls once the memory is full.
                pause = max(self._delay_s, min(pause * 2, _MAX_PAUSE_S))
            self._tell(emissions)

    def _store(self, notes: Sequence[Entry], orders: Sequence[_Order]) -> bool:
        """Write one batch and tell those who wait for it; false when the store did not take it."""
        entries = [fields_of(entry) for entry in notes]
        entries += [fields_of(entry) for order in orders for entry in order.entries]
        failure: Exception | None = None
        try:
            if entries:
                self._insert(entries)
        except SQLAlchemyError as error:
            _log.error("the audit log cannot be written: %s", type(error).__name__)
            failure = error
        except Exception as error:
            # The thread's boundary: whoever waits is told, and what was noted is kept.
            _log.exception("the audit log failed")
            failure = error
        else:
            with self._news:
                del self._waiting[: len(notes)]
            self._tell(entries)
        for order in orders:
            if failure is None:
                order.done.set_result(None)
            else:
                refusal = _refusal()
                refusal.__cause__ = failure
                order.done.set_exception(refusal)
        return failure is None

    def _insert(self, entries: Sequence[Mapping[str, Any]]) -> None:
        try:
            with self._database.transaction() as session:
                add_entries(session, self._chain, entries)
        except IntegrityError:
            # A batch whose commit was lost on its way back is given again: what is there stays.
            with self._database.transaction() as session:
                add_entries(session, self._chain, without_known(session, entries))

    def _tell(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if self._emit is None:
            return
        for fields in entries:
            self._emit(fields)


def _refusal() -> AuditUnavailable:
    return AuditUnavailable(
        "The audit log cannot be written, so the call was not made.",
        remedy="Try again later; an operator must mend the store.",
    )
