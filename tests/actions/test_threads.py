"""Handlers that block their threads: the host goes on beside them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path

import pytest
import yaml

from saaf_autogen.actions.port import LocalPort
from saaf_autogen.auth.principal import Principal
from saaf_autogen.project import Project, read_deployment

PACK = '''
"""Handlers that wait in their threads."""

import threading

from saaf_autogen import action

SCOPES = {"tools.slow:use": "Wait."}
GO = threading.Event()


@action(scopes=["tools.slow:use"], effect="read")
def wait(number: int) -> str:
    """Wait until it may go on."""
    GO.wait(30)
    return threading.current_thread().name
'''
WHO = Principal(issuer="local", subject="client:ann", scopes=frozenset({"tools.slow:use"}))
# More than any event loop has threads of its own.
MANY = 40


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    (tmp_path / "saaf.yaml").write_text(yaml.safe_dump({"version": 1, "name": "slow"}))
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "slow.py").write_text(PACK)
    opened = await asyncio.to_thread(Project, read_deployment(tmp_path))
    yield opened
    await opened.close()


async def test_the_store_answers_while_many_handlers_block(project: Project) -> None:
    port = LocalPort(project.invoker, WHO, door="tool")
    go: threading.Event = project.deployment.registry.get("slow.wait").function.__globals__["GO"]
    calls = [asyncio.create_task(port.call("slow.wait", {"number": n})) for n in range(MANY)]
    try:
        await asyncio.sleep(0.2)
        async with asyncio.timeout(5):
            assert (await project.readiness())["store"]
    finally:
        go.set()
    names = {(await call).value for call in calls}
    assert len(names) == MANY


async def test_a_handler_in_a_thread_has_its_callers_context(project: Project) -> None:
    asked: ContextVar[str] = ContextVar("asked", default="nobody")
    asked.set("ann")
    action = project.deployment.registry.get("slow.wait")
    seen: list[str] = []
    action.function.__globals__["GO"] = type(
        "Go", (), {"wait": lambda *_: seen.append(asked.get())}
    )()
    await LocalPort(project.invoker, WHO, door="tool").call("slow.wait", {"number": 1})
    assert seen == ["ann"]
