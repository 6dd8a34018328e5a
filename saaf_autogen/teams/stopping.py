"""Ending a team that runs, within a second and without leaving tasks behind.

Stock, a cancelled team can wait for ever (a tool call that never posts its end), and leaving its
stream waits until all turns have run. So: cancel the token, give it a moment, then cancel what its
runtimes still do, inner teams first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from autogen_agentchat.teams import BaseGroupChat
from autogen_core import CancellationToken

__all__ = ["stop_team"]

_GRACE_S = 0.3
_SECOND_GRACE_S = 0.2


async def stop_team(
    teams: Iterable[BaseGroupChat], pump: asyncio.Task[Any], token: CancellationToken
) -> None:
    """End a team whose stream ``pump`` reads; returns when it has ended.

    Args:
        teams: the team and the teams within it, inner ones first.
        pump: the task that reads the team's stream.
        token: the token that the stream was started with.
    """
    # A component's own callback may raise; what it kept from ending is cancelled below.
    with suppress(Exception):
        token.cancel()
    await asyncio.wait({pump}, timeout=_GRACE_S)
    if not pump.done():
        for task in _runtime_tasks(teams):
            task.cancel()
        await asyncio.wait({pump}, timeout=_SECOND_GRACE_S)
    if not pump.done():
        pump.cancel()
        await asyncio.wait({pump}, timeout=_SECOND_GRACE_S)
    leftovers = _runtime_tasks(teams)
    for task in leftovers:
        task.cancel()
    if leftovers:
        await asyncio.wait(leftovers, timeout=_SECOND_GRACE_S)
    if pump.done() and not pump.cancelled():
        pump.exception()  # it is the consequence of stopping, and counts as seen


def _runtime_tasks(teams: Iterable[BaseGroupChat]) -> set[asyncio.Task[Any]]:
    tasks: set[asyncio.Task[Any]] = set()
    for team in teams:
        runtime: Any = team._runtime
        tasks |= set(runtime._background_tasks)
        if runtime._run_context is not None:
            tasks.add(runtime._run_context._run_task)
    return {task for task in tasks if not task.done()}
