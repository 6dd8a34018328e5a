"""The tables of runs and of all that belongs to them, and of the workers that execute them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from saaf_autogen.db import Base, UtcTime, tenant_column

__all__ = [
    "CallbackRow",
    "InputRequestRow",
    "JournalRow",
    "RunEventRow",
    "RunRow",
    "ScheduleRow",
    "TurnRow",
    "UsageRow",
    "WorkerRow",
]


class RunRow(Base):
    """A run: the truth about it.

    While it runs, ``worker`` holds it. ``epoch`` grows each time that a worker takes it up, so
    that a worker which lost it (``epoch`` differs) can write nothing more. A worker that stops in
    good order leaves the run ``running`` without a worker; so does the reaper of a dead one.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key"),
        Index("ix_runs_owner_id", "owner", "id"),
        Index("ix_runs_status_id", "status", "id"),
        Index("ix_runs_worker", "worker"),
        # Few runs are of a schedule; the others cost it nothing.
        Index(
            "ix_runs_schedule_id_id",
            "schedule_id",
            "id",
            sqlite_where=text("schedule_id IS NOT NULL"),
            postgresql_where=text("schedule_id IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    owner: Mapped[str] = mapped_column(String(1024))
    agent_id: Mapped[str] = mapped_column(String(63))
    thread_id: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20))
    input: Mapped[str] = mapped_column(Text)
    output: Mapped[str | None] = mapped_column(Text)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    # `metadata` is a name that the declarative base keeps for itself.
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", JSON)
    principal: Mapped[dict[str, Any]] = mapped_column(JSON)
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    # What it may use and has used: see ``limits.RunLimits`` and ``usage.RunUsage``.
    limits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    usage: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    active_s: Mapped[float] = mapped_column(Float, default=0.0)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[datetime | None] = mapped_column(UtcTime)
    release: Mapped[str] = mapped_column(String(64), default="")
    schedule_id: Mapped[str | None] = mapped_column(String(64))
    worker: Mapped[str | None] = mapped_column(String(64))
    epoch: Mapped[int] = mapped_column(Integer, default=0)
    crashes: Mapped[int] = mapped_column(Integer, default=0)
    turn: Mapped[int] = mapped_column(Integer, default=0)
    webhook_url: Mapped[str | None] = mapped_column(String(2048))
    client_id: Mapped[str | None] = mapped_column(String(255))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(64))
    last_event: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcTime)


class RunEventRow(Base):
    """An entry of a run's append-only log; its key is there once."""

    __tablename__ = "run_events"
    __table_args__ = (UniqueConstraint("run_id", "key"),)

    run_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    tenant: Mapped[str] = tenant_column()
    key: Mapped[str] = mapped_column(String(512))
    type: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcTime)


class CallbackRow(Base):
    """A callback to be sent: written with the run's end, its id is the ``webhook-id``."""

    __tablename__ = "callbacks"
    __table_args__ = (Index("ix_callbacks_state_next_at", "state", "next_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    run_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("runs.id", ondelete="CASCADE"), index=True
    )
    client_id: Mapped[str] = mapped_column(String(255))
    url: Mapped[str] = mapped_column(String(2048))
    host: Mapped[str] = mapped_column(String(300))
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), default="pending")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime] = mapped_column(UtcTime)
    leased_until: Mapped[datetime | None] = mapped_column(UtcTime)
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)


class TurnRow(Base):
    """What a finished turn changed in the state of a run's team: see ``history``."""

    __tablename__ = "run_turns"

    run_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    turn: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    tenant: Mapped[str] = tenant_column()
    change: Mapped[Any] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(UtcTime)


class JournalRow(Base):
    """The outcome of a call in the turn under way; a finished turn needs none of them."""

    __tablename__ = "run_journal"

    run_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[str] = mapped_column(String(512), primary_key=True)
    turn: Mapped[int] = mapped_column(Integer)
    tenant: Mapped[str] = tenant_column()
    digest: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(UtcTime)


class InputRequestRow(Base):
    """What a run waits for a human for. ``state``: open, answered, expired or withdrawn."""

    __tablename__ = "input_requests"
    __table_args__ = (
        Index("ix_input_requests_run_id", "run_id"),
        Index("ix_input_requests_state_expires_at", "state", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    run_id: Mapped[str] = mapped_column(String(64), ForeignKey("runs.id", ondelete="CASCADE"))
    turn: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(20))
    place: Mapped[str] = mapped_column(String(512))
    source: Mapped[str] = mapped_column(String(255))
    prompt: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(20), default="open")
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    answered_by: Mapped[str | None] = mapped_column(String(1024))
    asked_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)


class WorkerRow(Base):
    """A process that executes runs. ``state``: live, draining or gone.

    Whoever finds ``leased_until`` in the past marks it gone and frees its runs.
    """

    __tablename__ = "workers"
    __table_args__ = (Index("ix_workers_state_leased_until", "state", "leased_until"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    # Workers serve all tenants.
    tenant: Mapped[str] = tenant_column()
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    release: Mapped[str] = mapped_column(String(64), default="")
    slots: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), default="live")
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    beat_at: Mapped[datetime] = mapped_column(UtcTime)
    leased_until: Mapped[datetime] = mapped_column(UtcTime)


class ScheduleRow(Base):
    """Runs that start by themselves, at the times of a cron expression in a time zone."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index("ix_schedules_owner_id", "owner", "id"),
        Index("ix_schedules_enabled_next_at", "enabled", "next_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    owner: Mapped[str] = mapped_column(String(1024))
    # Whose rights its runs have: those of who last said what it is.
    principal: Mapped[dict[str, Any]] = mapped_column(JSON)
    name: Mapped[str] = mapped_column(String(200), default="")
    cron: Mapped[str] = mapped_column(String(200))
    zone: Mapped[str] = mapped_column(String(64))
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    overlap: Mapped[str] = mapped_column(String(16), default="skip")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    version: Mapped[int] = mapped_column(Integer, default=1)
    next_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_run_id: Mapped[str | None] = mapped_column(String(64))
    last_error: Mapped[str | None] = mapped_column(String(400))
    refusals: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class UsageRow(Base):
    """What one participant of an ended run used of one model. It outlives the run.

    ``nano_usd`` is billionths of a US dollar, or null where the model has no price.
    """

    __tablename__ = "run_usage"
    __table_args__ = (
        Index("ix_run_usage_tenant_at", "tenant", "at"),
        Index("ix_run_usage_owner_at", "owner", "at"),
    )

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    path: Mapped[str] = mapped_column(String(300), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = tenant_column()
    owner: Mapped[str] = mapped_column(String(1024))
    agent_id: Mapped[str] = mapped_column(String(63))
    calls: Mapped[int] = mapped_column(Integer)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    estimated: Mapped[bool] = mapped_column(Boolean, default=False)
    nano_usd: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcTime)
