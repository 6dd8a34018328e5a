"""Reads the audit log: pages for people and programs, streams for export and verification."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, func, select

from saaf_autogen.audit.chain import Head
from saaf_autogen.audit.record import Decision
from saaf_autogen.audit.tables import AuditEntryRow, AuditHeadRow
from saaf_autogen.db import Database

__all__ = ["AuditFilter", "AuditPage", "AuditReader", "StoredEntry"]

_BATCH = 1_000
MAX_PAGE = 200


@dataclass(frozen=True)
class AuditFilter:
    """What entries must be; what is None is not asked for. ``until`` is not included itself."""

    subject: str | None = None
    client_id: str | None = None
    action: str | None = None
    decision: Decision | None = None
    kind: Literal["decision", "outcome", "change"] | None = None
    run_id: str | None = None
    call_id: str | None = None
    resource: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class StoredEntry:
    """An entry as it is stored.

    Attributes:
        body: its canonical JSON, which was hashed.
        hash: None for entries of an earlier format, from before there was a chain.
        columns: what the store repeats of the body; None where it does not come from the store.
    """

    tenant: str
    seq: int
    body: str
    hash: str | None
    columns: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """All of it, as it is exported: the members of the body, and ``hash``."""
        body = {"tenant": self.tenant, "seq": self.seq, **json.loads(self.body)}
        return {**body, "hash": self.hash}


@dataclass(frozen=True)
class AuditPage:
    """Entries, newest first; ``next_before`` asks for the ones before them."""

    entries: Sequence[StoredEntry]
    next_before: int | None


class AuditReader:
    """Reads one tenant's entries. Synchronous: call it in a thread from async code."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        tenant: str,
        wanted: AuditFilter | None = None,
        *,
        before: int | None = None,
        limit: int = 50,
    ) -> AuditPage:
        """Up to ``limit`` (at most 200) entries with numbers below ``before``, newest first."""
        limit = max(1, min(limit, MAX_PAGE))
        query = _matching(tenant, wanted or AuditFilter())
        if before is not None:
            query = query.where(AuditEntryRow.seq < before)
        query = query.order_by(AuditEntryRow.seq.desc()).limit(limit + 1)
        with self._database.transaction(read=True) as session:
            rows = session.execute(query).all()
        entries = [_entry(row) for row in rows[:limit]]
        return AuditPage(entries, entries[-1].seq if len(rows) > limit else None)

    def stream(
        self,
        tenant: str,
        wanted: AuditFilter | None = None,
        *,
        after: int = 0,
        up_to: int | None = None,
    ) -> Iterator[StoredEntry]:
        """Entries with numbers over ``after``, oldest first, read in batches."""
        query = _matching(tenant, wanted or AuditFilter())
        if up_to is not None:
            query = query.where(AuditEntryRow.seq <= up_to)
        while True:
            batch = query.where(AuditEntryRow.seq > after)
            with self._database.transaction(read=True) as session:
                rows = session.execute(batch.order_by(AuditEntryRow.seq).limit(_BATCH)).all()
            for row in rows:
                yield _entry(row)
            if len(rows) < _BATCH:
                return
            after = rows[-1].seq

    def head(self, tenant: str) -> Head | None:
        """The last entry that a tenant's chain names; None where nothing was recorded."""
        with self._database.transaction(read=True) as session:
            row = session.get(AuditHeadRow, tenant)
            return Head(row.tenant, row.seq, row.hash) if row else None

    def ends(self, tenant: str) -> tuple[Head | None, int]:
        """The head, and the greatest number that is stored, at one moment."""
        with self._database.transaction(read=True) as session:
            last = select(func.max(AuditEntryRow.seq)).where(AuditEntryRow.tenant == tenant)
            row = session.execute(
                select(AuditHeadRow.seq, AuditHeadRow.hash, last.scalar_subquery()).where(
                    AuditHeadRow.tenant == tenant
                )
            ).one_or_none()
            if row is None:
                return None, session.scalar(last) or 0
            return Head(tenant, row[0], row[1]), row[2] or 0

    def tenants(self) -> list[str]:
        """Every tenant that has entries, or once had."""
        with self._database.transaction(read=True) as session:
            heads = set(session.scalars(select(AuditHeadRow.tenant)))
            return sorted(heads | set(session.scalars(select(AuditEntryRow.tenant).distinct())))


def _matching(tenant: str, wanted: AuditFilter) -> Select[Any]:
    query = select(*AuditEntryRow.__table__.columns).where(AuditEntryRow.tenant == tenant)
    for name in ("subject", "client_id", "action", "decision", "kind", "run_id", "call_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(getattr(AuditEntryRow, name) == value)
    if wanted.resource is not None:
        line = f"\n{wanted.resource}\n"
        query = query.where(AuditEntryRow.resources.contains(line, autoescape=True))
    if wanted.since is not None:
        query = query.where(AuditEntryRow.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditEntryRow.at < wanted.until)
    return query


def _entry(row: Row[Any]) -> StoredEntry:
    columns = row._asdict()
    body, hash_, seq = columns.pop("body"), columns.pop("hash"), columns.pop("seq")
    return StoredEntry(columns["tenant"], seq, body, hash_, columns)
