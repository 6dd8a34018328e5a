"""Schedules with everything around them that is real, but for the worker: runs are only made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from saaf_autogen.audit import AuditLog
from saaf_autogen.audit.tables import AuditEntryRow
from saaf_autogen.auth.policy import Policy
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import NotFound
from saaf_autogen.runs import Agent, ClaimRules, Notifier, NoWorker, RunRow, RunService
from saaf_autogen.runs.schedules import Schedule, ScheduleService, ScheduleTicker
from saaf_autogen.runs.tables import ScheduleRow
from saaf_autogen.settings import RunSettings
from saaf_autogen.testing import ManualClock
from tests.runs.house import ANN, find_agent, secret_for

OWNER = ANN.model_copy(update={"scopes": ANN.scopes | {"schedules:manage"}})
MONDAY = datetime(2026, 11, 23, 6, 59, 30, tzinfo=UTC)


@dataclass
class Office:
    database: Database
    clock: ManualClock
    runs: RunService
    schedules: ScheduleService
    ticker: ScheduleTicker
    audit: AuditLog
    agents: set[str]

    def another(self) -> ScheduleTicker:
        """The ticker of another process on the same store."""
        return ScheduleTicker(
            self.database, self.schedules, self.runs, audit=self.audit, clock=self.clock
        )

    async def make(self, cron: str = "0 7 * * *", **more: Any) -> Schedule:
        run = {"agent_id": "flights", "input": "hello", **more.pop("run", {})}
        return await self.schedules.create(OWNER, {"cron": cron, "run": run, **more})

    async def at(self, moment: datetime) -> int:
        """Move to a moment and look; how many runs were made."""
        self.clock.advance((moment - self.clock.now()).total_seconds())
        return await self.ticker.tick()

    async def after(self, **passed: float) -> int:
        return await self.at(self.clock.now() + timedelta(**passed))

    def rows(self, schedule_id: str) -> list[RunRow]:
        with self.database.transaction(read=True) as session:
            query = select(RunRow).where(RunRow.schedule_id == schedule_id).order_by(RunRow.id)
            return list(session.scalars(query))

    async def until_made(self, schedule_id: str) -> None:
        for _ in range(500):
            if self.rows(schedule_id):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("no run was made")

    def end_runs(self) -> None:
        with self.database.transaction() as session:
            session.execute(update(RunRow).values(status="completed"))

    def set(self, schedule_id: str, **values: Any) -> None:
        with self.database.transaction() as session:
            query = update(ScheduleRow).where(ScheduleRow.id == schedule_id).values(**values)
            session.execute(query)

    async def told(self, action: str) -> list[AuditEntryRow]:
        await self.audit.flush()
        with self.database.transaction(read=True) as session:
            query = select(AuditEntryRow).where(AuditEntryRow.action == action)
            return list(session.scalars(query.order_by(AuditEntryRow.seq)))


@asynccontextmanager
async def open_office(url: str) -> AsyncIterator[Office]:
    database = Database(url)
    clock, audit, egress = ManualClock(MONDAY), AuditLog(database, "5a" * 32), EgressClient()
    policy, agents = Policy([], [], {}), {"flights"}

    def agent(agent_id: str) -> Agent:
        if agent_id not in agents:
            raise NotFound("There is no such agent.")
        return find_agent(agent_id)

    runs = RunService(
        database,
        NoWorker(ClaimRules()),
        agent,
        egress,
        secret_for,
        RunSettings(),
        policy=policy,
        audit=audit,
        notifier=Notifier(),
        clock=clock,
    )
    schedules = ScheduleService(database, runs, policy=policy, audit=audit, clock=clock)
    ticker = ScheduleTicker(database, schedules, runs, audit=audit, clock=clock, tick_s=0.01)
    try:
        yield Office(database, clock, runs, schedules, ticker, audit, agents)
    finally:
        await ticker.close()
        await audit.close()
        await egress.aclose()
        database.close()
