"""Entries in the store, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from saaf_autogen.audit.chain import GENESIS, Chain
from saaf_autogen.audit.tables import AuditEntryRow, AuditHeadRow

__all__ = ["add_entries", "columns_of", "without_known"]

_REPEATED = ("kind", "call_id", "issuer", "subject", "client_id", "action", "decision", "run_id")


def add_entries(session: Session, chain: Chain, entries: Sequence[Mapping[str, Any]]) -> None:
    """Chain entries (as of ``fields_of``) to those of their tenants.

    Each tenant's head is locked until the transaction ends, so this is its last act.
    """
    of_tenant: dict[str, list[Mapping[str, Any]]] = {}
    for fields in entries:
        of_tenant.setdefault(fields["tenant"], []).append(fields)
    # In one order, or two transactions with the same tenants could wait for one another.
    for tenant in sorted(of_tenant):
        seq, hash_ = _lock_head(session, tenant)
        rows = []
        for fields in of_tenant[tenant]:
            seq += 1
            body, hash_ = chain.link(fields, seq, hash_)
            rows.append({**columns_of(fields), "seq": seq, "body": body, "hash": hash_})
        session.execute(insert(AuditEntryRow.__table__), rows)  # type: ignore[arg-type]  # a Table: no ORM events
        session.execute(
            update(AuditHeadRow).where(AuditHeadRow.tenant == tenant).values(seq=seq, hash=hash_),
            execution_options={"synchronize_session": False},
        )


def columns_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that repeat an entry's members; those of the chain are not among them."""
    columns: dict[str, Any] = {name: fields.get(name) for name in _REPEATED}
    columns["tenant"] = fields["tenant"]
    columns["at"] = datetime.fromisoformat(fields["at"])
    resources = fields.get("resources")
    columns["resources"] = "\n".join(("", *resources, "")) if resources else ""
    return columns


def without_known(
    session: Session, entries: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Those that are not stored: of a batch whose commit was not heard of."""
    ids = {fields["call_id"] for fields in entries}
    query = select(AuditEntryRow.tenant, AuditEntryRow.call_id, AuditEntryRow.kind).where(
        AuditEntryRow.call_id.in_(ids),
        AuditEntryRow.tenant.in_({fields["tenant"] for fields in entries}),
    )
    known = {tuple(row) for row in session.execute(query)}
    fresh = []
    for fields in entries:
        name = (fields["tenant"], fields["call_id"], fields["kind"])
        if name not in known:
            known.add(name)
            fresh.append(fields)
    return fresh


def _lock_head(session: Session, tenant: str) -> tuple[int, str]:
    query = (
        select(AuditHeadRow.seq, AuditHeadRow.hash)
        .where(AuditHeadRow.tenant == tenant)
        .with_for_update()
    )
    found = session.execute(query).one_or_none()
    if found is None:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        first = dialect.insert(AuditHeadRow).values(tenant=tenant, seq=0, hash=GENESIS)
        session.execute(first.on_conflict_do_nothing())
        found = session.execute(query).one()
    return found.seq, found.hash
