"""The audit log's tables. Entries are only ever added; triggers of the migration see to it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from saaf_autogen.db import Base, UtcTime, tenant_column

__all__ = ["AuditEntryRow", "AuditHeadRow"]


class AuditEntryRow(Base):
    """An entry. ``body`` is the text that was hashed; every other column repeats a part of it.

    ``hash`` is null for entries of an earlier format, from before there was a chain.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        UniqueConstraint("tenant", "call_id", "kind"),
        Index("ix_audit_entries_tenant_at", "tenant", "at"),
        Index("ix_audit_entries_tenant_subject_seq", "tenant", "subject", "seq"),
        Index("ix_audit_entries_tenant_run_id", "tenant", "run_id"),
    )

    tenant: Mapped[str] = tenant_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcTime)
    call_id: Mapped[str] = mapped_column(String(64))
    issuer: Mapped[str | None] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(Text)
    action: Mapped[str | None] = mapped_column(String(200))
    decision: Mapped[str | None] = mapped_column(String(16))
    run_id: Mapped[str | None] = mapped_column(String(64))
    resources: Mapped[str] = mapped_column(Text)
    """One a line, with a line feed before the first and after the last."""
    body: Mapped[str] = mapped_column(Text)
    hash: Mapped[str | None] = mapped_column(String(64))


class AuditHeadRow(Base):
    """The last entry of a tenant's chain; who adds entries locks this row first."""

    __tablename__ = "audit_heads"

    tenant: Mapped[str] = tenant_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
