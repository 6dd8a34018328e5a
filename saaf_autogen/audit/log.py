"""Writes the audit log: reads in batches off the hot path, writes before their effect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from saaf_autogen.audit.record import AuditOutcome, AuditRecord
from saaf_autogen.audit.tables import AuditOutcomeRow, AuditRecordRow
from saaf_autogen.db import Database
from saaf_autogen.errors import AuditUnavailable

__all__ = ["AuditLog"]

Entry = AuditRecord | AuditOutcome
_log = logging.getLogger(__name__)
_MAX_PAUSE_S = 5.0


class AuditLog:
    """Appends records and outcomes to the store.

    Entries given to ``note`` wait in memory for at most ``delay_s`` and are written in one
    transaction; entries given to ``write`` are stored when it returns. A batch that the store
    does not take stays in memory and is tried again, up to ``capacity`` entries; past that every
    call is refused with ``AuditUnavailable`` rather than left unrecorded.
    """

    def __init__(self, database: Database, *, delay_s: float = 0.1, capacity: int = 10_000) -> None:
        self._database = database
        self._delay_s = delay_s
        self._capacity = capacity
        self._waiting: list[Entry] = []
        self._writer: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()

    def note(self, *entries: Entry) -> None:
        """Record soon. Raises ``AuditUnavailable`` when too much waits already."""
        self.require_room()
        self._waiting.extend(entries)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_later())

    def require_room(self) -> None:
        """Refuse now what could not be recorded afterwards."""
        if len(self._waiting) >= self._capacity:
            raise AuditUnavailable(
                "The audit log cannot be written, so nothing more is done.",
                remedy="Try again later; an operator must mend the store.",
            )

    async def write(self, *entries: Entry) -> None:
        """Record now. Raises ``AuditUnavailable`` when the store does not take it."""
        try:
            await self._database.run(_insert, entries)
        except SQLAlchemyError as error:
            _log.error("the audit log cannot be written: %s", type(error).__name__)
            raise AuditUnavailable(
                "The audit log cannot be written, so the call was not made.",
                remedy="Try again later; an operator must mend the store.",
            ) from error

    async def flush(self) -> None:
        """Store everything that waits. Raises ``AuditUnavailable`` when that fails."""
        async with self._flushing:
            batch = tuple(self._waiting)
            if batch:
                await self.write(*batch)
                del self._waiting[: len(batch)]

    async def close(self) -> None:
        """Store what waits and stop."""
        if self._writer is not None:
            # A batch under way is left to end: its thread would store it all the same.
            async with self._flushing:
                self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self.flush()

    async def _write_later(self) -> None:
        pause = self._delay_s
        while self._waiting:
            await asyncio.sleep(pause)
            try:
                await self.flush()
                pause = self._delay_s
            except AuditUnavailable:
                # What waits is kept; `note` refuses further calls once the memory is full.
                pause = max(self._delay_s, min(pause * 2, _MAX_PAUSE_S))


def _insert(session: Session, entries: Sequence[Entry]) -> None:
    records = [asdict(entry) for entry in entries if isinstance(entry, AuditRecord)]
    outcomes = [asdict(entry) for entry in entries if isinstance(entry, AuditOutcome)]
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    # A batch whose commit was lost on its way back is given again: what is there stays as it is.
    if records:
        session.execute(dialect.insert(AuditRecordRow).on_conflict_do_nothing(), records)
    if outcomes:
        session.execute(dialect.insert(AuditOutcomeRow).on_conflict_do_nothing(), outcomes)
