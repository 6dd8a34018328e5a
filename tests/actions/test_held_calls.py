"""Calls of a run's worker: by their holder, within their fence, with a key to hand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from saaf_autogen.actions.effects import Fence
from saaf_autogen.actions.port import LocalPort
from saaf_autogen.actions.tables import EffectRow
from saaf_autogen.audit.tables import AuditEntryRow
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import Conflict, OutcomeUnknown, Upstream
from saaf_autogen.project import Project, read_deployment
from saaf_autogen.testing import ManualClock

PACK = '''
"""A till: what it took, and under which keys."""

import asyncio

from saaf_autogen import ActionContext, action

SCOPES = {"tools.till:pay": "Take money."}
TAKEN = []
GO = asyncio.Event()


@action(scopes=["tools.till:pay"], effect="write")
async def pay(amount: int, ctx: ActionContext) -> str | None:
    """Take an amount, once it may."""
    TAKEN.append(amount)
    await GO.wait()
    return ctx.idempotency_key


@action(scopes=["tools.till:pay"], effect="write")
async def pay_and_stumble(amount: int) -> None:
    """Take an amount, and fail after it."""
    TAKEN.append(amount)
    raise ConnectionResetError("the line went dead")


@action(scopes=["tools.till:pay"], effect="write", keyed=True)
async def charge(amount: int, ctx: ActionContext) -> str | None:
    """Take an amount at a bank that remembers keys."""
    TAKEN.append(ctx.idempotency_key)
    await GO.wait()
    return ctx.idempotency_key


@action(scopes=["tools.till:pay"], effect="read")
def count(ctx: ActionContext) -> str | None:
    """Count."""
    return ctx.idempotency_key


@action(scopes=["tools.till:pay"], effect="read")
def proceed(ctx: ActionContext) -> list[str | int]:
    """Let those go on that wait."""
    GO.set()
    return TAKEN
'''
WHO = Principal(
    issuer="local", subject="client:ann", client_id="ann", scopes=frozenset({"tools.till:pay"})
)


class Fenced(Exception):
    pass


class Turnstile:
    """A fence that a test closes."""

    def __init__(self) -> None:
        self.open = True

    def __call__(self, _session: Session) -> None:
        if not self.open:
            raise Fenced


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def project(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Project]:
    settings = {"version": 1, "name": "till", "clients": [{"id": "ann", "scopes": [*WHO.scopes]}]}
    (tmp_path / "saaf.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "till.py").write_text(PACK)
    opened = await asyncio.to_thread(Project, read_deployment(tmp_path), clock=clock)
    yield opened
    await opened.close()


def held(project: Project, holder: str | None = "run_1#1", fence: Fence | None = None) -> LocalPort:
    return LocalPort(project.invoker, WHO, door="tool", run_id="run_1", holder=holder, fence=fence)


async def begun(project: Project, name: str, **more: Any) -> asyncio.Task[Any]:
    """A call of the first worker that is in the middle of its handler."""
    before = len(await taken(project))
    task = asyncio.create_task(held(project, **more).call(name, {"amount": 5}, idempotency_key="k"))
    async with asyncio.timeout(10):
        while len(await taken(project)) == before:  # noqa: ASYNC110 - it changes in the handler
            await asyncio.sleep(0.01)
    return task


async def taken(project: Project) -> list[Any]:
    return list(project.deployment.registry.get("till.count").function.__globals__["TAKEN"])


async def rows(project: Project, kind: Any) -> list[Any]:
    def look(session: Session) -> list[Any]:
        return list(session.scalars(select(kind)))

    return await project.database.read(look)


async def test_every_action_but_a_read_has_a_key_to_hand_on(project: Project) -> None:
    port = held(project)
    assert (await port.call("till.proceed", {})).value == []
    assert (await port.call("till.count", {})).value is None
    paid = (await port.call("till.pay", {"amount": 5}, idempotency_key="k")).value
    assert str(UUID(paid)) == paid
    others = [
        (await port.call("till.pay", {"amount": 5}, idempotency_key=key)).value
        for key in ("k", "k2", None)
    ]
    assert others[0] == paid
    assert len({*others}) == 3


async def test_a_keyed_write_of_a_lost_worker_is_done_again_under_the_same_key(
    project: Project,
) -> None:
    lost = await begun(project, "till.charge")
    taker = await begun(project, "till.charge", holder="run_1#2")
    await held(project).call("till.proceed", {})
    first, second = await asyncio.gather(lost, taker)
    assert first.value == second.value
    assert await taken(project) == [first.value, first.value]
    (row,) = await rows(project, EffectRow)
    assert (row.state, row.holder, row.call_id) == ("done", "run_1#2", second.call_id)


async def test_an_unkeyed_write_of_a_paused_worker_is_made_once_and_its_late_end_counts(
    project: Project,
) -> None:
    paused = await begun(project, "till.pay")
    taker = held(project, "run_1#2")
    with pytest.raises(OutcomeUnknown):
        await taker.call("till.pay", {"amount": 5}, idempotency_key="k")
    assert await taken(project) == [5]
    await taker.call("till.proceed", {})
    late = await paused
    assert await taker.call("till.pay", {"amount": 5}, idempotency_key="k") == late
    assert await taken(project) == [5]


async def test_a_runs_write_that_failed_midway_is_unknown_and_not_a_mere_error(
    project: Project,
) -> None:
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await held(project).call("till.pay_and_stumble", {"amount": 5}, idempotency_key="k")
    assert await taken(project) == [5]
    with pytest.raises(Upstream):
        await held(project, None).call("till.pay_and_stumble", {"amount": 7}, idempotency_key="o")


async def test_a_fenced_call_begins_nothing_and_leaves_its_record(project: Project) -> None:
    fence = Turnstile()
    fence.open = False
    with pytest.raises(Fenced):
        await held(project, fence=fence).call("till.pay", {"amount": 5}, idempotency_key="k")
    assert await taken(project) == []
    assert await rows(project, EffectRow) == []
    await project.audit.flush()
    (record,) = await rows(project, AuditEntryRow)
    assert record.decision == "denied"
    assert "Fenced" in record.body


@pytest.mark.parametrize("taken_over", [False, True])
async def test_a_worker_that_was_paused_before_its_handler_does_not_begin_it(
    project: Project, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, taken_over: bool
) -> None:
    fence, write = Turnstile(), project.audit.write

    async def paused(*entries: Any) -> None:
        await write(*entries)
        clock.advance(30)
        if taken_over:
            with pytest.raises(OutcomeUnknown):
                await held(project, "run_1#2").call("till.pay", {"amount": 5}, idempotency_key="k")
        else:
            fence.open = False

    monkeypatch.setattr(project.audit, "write", paused)
    with pytest.raises(Conflict if taken_over else Fenced):
        await held(project, fence=fence).call("till.pay", {"amount": 5}, idempotency_key="k")
    assert await taken(project) == []
    # It is certain that nothing was done, so nobody needs to be asked.
    assert await rows(project, EffectRow) == []


async def test_a_call_that_was_not_paused_is_not_checked_twice(project: Project) -> None:
    checks = []
    port = held(project, fence=lambda session: checks.append(session))
    await port.call("till.proceed", {})
    await port.call("till.pay", {"amount": 5}, idempotency_key="k")
    assert len(checks) == 1
