"""Where keyed effects are remembered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from saaf_autogen.db import Base, UtcTime, tenant_column

__all__ = ["EffectRow"]


class EffectRow(Base):
    """One keyed call of an action, and what became of it.

    ``state`` is ``in_flight`` until the handler ended, then ``done``, or ``unknown`` when nobody
    can know whether it took effect. A call that certainly had no effect leaves no row.
    ``holder`` names who made the call, such as one worker's hold on a run.
    """

    __tablename__ = "action_effects"
    __table_args__ = (Index("ix_action_effects_started_at", "started_at"),)

    tenant: Mapped[str] = tenant_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    action: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    call_id: Mapped[str] = mapped_column(String(64))
    holder: Mapped[str | None] = mapped_column(String(160))
    value: Mapped[Any] = mapped_column(JSON, nullable=True)
    cut: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    lease_until: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
