"""SAAF's store as an observer reads it: rows, never through the product's own services."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from saaf_autogen.db import Database
from saaf_autogen.runs.tables import InputRequestRow, RunEventRow, RunRow, WorkerRow

__all__ = ["HeldRun", "OpenQuestion", "Store"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class HeldRun:
    """A run that a worker held, and its last event at that time."""

    run: str
    last_event: int
    epoch: int


@dataclass(frozen=True)
class OpenQuestion:
    """A question that waits for its answer."""

    id: str
    run: str
    kind: str
    data: dict[str, Any]


class Store:
    """Reads a store that others write; waits while it is away."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    def read(self, work: Callable[[Session], Result], *, within_s: float = 60) -> Result:
        """What ``work`` finds, in a transaction that writes nothing."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                with self._database.transaction(read=True) as session:
                    return work(session)
            except DBAPIError:
                # PostgreSQL is restarted under us, or its tables are not there yet.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def worker_of(self, pid: int) -> str | None:
        """The id of the worker that lives in a process."""
        query = select(WorkerRow.id).where(WorkerRow.pid == pid, WorkerRow.state == "live")
        return self.read(lambda session: session.scalars(query).first())

    def workers_at(self) -> dict[int, datetime]:
        """When the worker of each process was registered."""
        query = select(WorkerRow.pid, WorkerRow.started_at)
        return self.read(lambda session: {row[0]: row[1] for row in session.execute(query)})

    def held_by(self, pid: int) -> list[HeldRun]:
        """The runs that the workers of a process hold, or held when it died."""
        query = (
            select(RunRow.id, RunRow.last_event, RunRow.epoch)
            .join(WorkerRow, WorkerRow.id == RunRow.worker)
            .where(WorkerRow.pid == pid, RunRow.status == "running")
        )
        return self.read(lambda session: [HeldRun(*row) for row in session.execute(query)])

    def statuses(self) -> Counter[str]:
        """How many runs there are in each status."""
        query = select(RunRow.status, func.count()).group_by(RunRow.status)
        return self.read(
            lambda session: Counter({row[0]: row[1] for row in session.execute(query)})
        )

    def runs(self) -> dict[str, dict[str, Any]]:
        """All runs by their ids, with every column."""

        def rows(session: Session) -> dict[str, dict[str, Any]]:
            names = [attribute.key for attribute in RunRow.__mapper__.column_attrs]
            return {
                row.id: {name: getattr(row, name) for name in names}
                for row in session.scalars(select(RunRow))
            }

        return self.read(rows)

    def events(self) -> dict[str, list[dict[str, Any]]]:
        """All logs by their runs, in order."""
        query = select(
            RunEventRow.run_id, RunEventRow.seq, RunEventRow.key, RunEventRow.type,
            RunEventRow.data, RunEventRow.at,
        ).order_by(RunEventRow.run_id, RunEventRow.seq)  # fmt: skip

        def rows(session: Session) -> dict[str, list[dict[str, Any]]]:
            found: dict[str, list[dict[str, Any]]] = {}
            for run, seq, key, kind, data, at in session.execute(query):
                event = {"id": seq, "key": key, "type": kind, "data": data, "at": at}
                found.setdefault(run, []).append(event)
            return found

        return self.read(rows)

    def next_event_at(self, run: str, after: int, *, work: bool) -> datetime | None:
        """When a run's log went on after an event; ``work``: with more than a worker's claim."""
        query = select(func.min(RunEventRow.at)).where(
            RunEventRow.run_id == run, RunEventRow.seq > after
        )
        if work:
            query = query.where(RunEventRow.type != "run.running")
        return self.read(lambda session: session.scalar(query))

    def questions(self) -> list[OpenQuestion]:
        """What waits for an answer."""
        query = select(
            InputRequestRow.id, InputRequestRow.run_id, InputRequestRow.kind, InputRequestRow.data
        ).where(InputRequestRow.state == "open")
        return self.read(lambda session: [OpenQuestion(*row) for row in session.execute(query)])
