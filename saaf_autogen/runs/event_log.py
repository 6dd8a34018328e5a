"""The append-only log of a run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, insert, select
from sqlalchemy.orm import Session

from saaf_autogen.crypto import digest
from saaf_autogen.runs.model import RunEvent
from saaf_autogen.runs.tables import RunEventRow, RunRow
from saaf_autogen.runs.text import canonical, clean_json, clean_text

__all__ = ["append", "append_all_new", "append_new", "read_events"]

_MAX_KEY = 400
_MAX_BATCH = 1_000
# What an integer column takes; readers send whatever they like.
_MAX_SEQ = 2**31 - 1
# Made once: every reader of every stream asks it.
_AFTER = (
    select(RunEventRow.seq, RunEventRow.type, RunEventRow.data, RunEventRow.at)
    .where(RunEventRow.run_id == bindparam("run_id"), RunEventRow.seq > bindparam("after"))
    .order_by(RunEventRow.seq)
    .limit(bindparam("most", type_=Integer))
)


def append(
    session: Session, run: RunRow, kind: str, key: str, data: dict[str, Any], now: datetime
) -> int:
    """Add an entry to the log of a run that the caller holds the lock of; its id.

    A replay adds nothing twice: the same key with the same data is the entry that is there. With
    other data, as from a model that answered differently, it is a new entry (``key~2``, …).
    """
    content = clean_json(data)
    mark = digest(canonical([kind, content]))
    base = clean_text(key)
    base = base if len(base) <= _MAX_KEY else digest(base)
    name, attempt = base, 1
    while found := _find(session, run.id, name):
        if found.digest == mark:
            return found.seq
        attempt += 1
        name = f"{base}~{attempt}"
    session.add(RunEventRow(**_row(run, kind, name, content, mark, now)))
    session.flush()
    return run.last_event


def append_new(
    session: Session, run: RunRow, kind: str, key: str, data: dict[str, Any], now: datetime
) -> None:
    """As ``append``, for a key that certainly is not there yet, of a run that is stored."""
    append_all_new(session, run, [(kind, key, data)], now)


def append_all_new(
    session: Session,
    run: RunRow,
    events: Iterable[tuple[str, str, dict[str, Any]]],
    now: datetime,
) -> None:
    """As ``append_new``, for many as (type, key, data), in one statement."""
    rows = []
    for kind, key, data in events:
        content = clean_json(data)
        name = clean_text(key)
        name = name if len(name) <= _MAX_KEY else digest(name)
        rows.append(_row(run, kind, name, content, digest(canonical([kind, content])), now))
    # On the connection itself: the session would first write what is not whole yet.
    session.connection().execute(insert(RunEventRow), rows)


def read_events(
    session: Session, run_id: str, *, after: int = 0, limit: int = 500
) -> list[RunEvent]:
    """The entries after the one with the id ``after``, in their order."""
    bounds = {
        "run_id": run_id,
        "after": min(max(after, 0), _MAX_SEQ),
        "most": min(max(limit, 1), _MAX_BATCH),
    }
    return [
        RunEvent(id=row.seq, type=row.type, data=row.data, at=row.at)
        for row in session.execute(_AFTER, bounds)
    ]


def _row(
    run: RunRow, kind: str, name: str, content: Any, mark: str, now: datetime
) -> dict[str, Any]:
    run.last_event += 1
    return {
        "run_id": run.id,
        "seq": run.last_event,
        "tenant": run.tenant,
        "key": name,
        "type": kind,
        "data": content,
        "digest": mark,
        "at": now,
    }


def _find(session: Session, run_id: str, key: str) -> RunEventRow | None:
    query = select(RunEventRow).where(RunEventRow.run_id == run_id, RunEventRow.key == key)
    return session.scalars(query).one_or_none()
