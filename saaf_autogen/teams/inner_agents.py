"""Agents and teams as tools (AgentTool, TeamTool), one call at a time.

Stock, two calls of one tool at once mix in one agent's memory, what fails inside goes to the model
in words with a traceback, and a team that failed once stops early ever after.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.base import Team
from autogen_agentchat.teams import BaseGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.tools._task_runner_tool import TaskRunnerTool, TaskRunnerToolArgs
from autogen_core import AgentId, CancellationToken

from saaf_autogen.teams.content import error_content

__all__ = ["install", "manager_of", "stock_run_stream"]

stock_run_stream: Any = TaskRunnerTool.run_stream


class _FailedInside(Exception):
    """What went wrong within the tool, in words that a model may read."""


async def _run_stream(
    self: TaskRunnerTool, args: TaskRunnerToolArgs, cancellation_token: CancellationToken
) -> AsyncGenerator[Any, None]:
    """Run the task once the calls before it have ended, in the order of the calls."""
    async with _turnstile(self):
        runner = self._task_runner
        try:
            async for item in runner.run_stream(
                task=args.task, cancellation_token=cancellation_token
            ):
                yield item
        except Exception as error:  # the border to an agent as a tool: a model reads the result
            await _ready_again(runner)
            raise _FailedInside(error_content(error)) from None


async def _run(
    self: TaskRunnerTool, args: TaskRunnerToolArgs, cancellation_token: CancellationToken
) -> Any:
    """As ``run_stream``; the result alone."""
    result = None
    async for item in _run_stream(self, args, cancellation_token):
        result = item
    return result


def _turnstile(tool: Any) -> asyncio.Lock:
    lock: asyncio.Lock = tool.__dict__.setdefault("_saaf_turnstile", asyncio.Lock())
    return lock


async def _ready_again(runner: Any) -> None:
    """Forget who was speaking in a team that failed: nobody is."""
    if isinstance(runner, SocietyOfMindAgent):
        runner = runner._team
    if not isinstance(runner, BaseGroupChat) or not runner._initialized:
        return
    (await manager_of(runner))._active_speakers.clear()
    for participant in runner._participants:
        if isinstance(participant, Team | SocietyOfMindAgent):
            await _ready_again(participant)


async def manager_of(team: BaseGroupChat) -> BaseGroupChatManager:
    """The manager of a team that runs on a runtime of its own, as all that are loaded here do."""
    runtime: Any = team._runtime
    if not team._initialized:
        await team._init(runtime)
    address = AgentId(type=team._group_chat_manager_topic_type, key=team._team_id)
    manager: BaseGroupChatManager = await runtime.try_get_underlying_agent_instance(
        address,
        BaseGroupChatManager,
    )
    return manager


def install() -> None:
    """Apply the cures; doing it again changes nothing."""
    TaskRunnerTool.run_stream = _run_stream  # type: ignore[method-assign]  # the cure itself
    TaskRunnerTool.run = _run  # type: ignore[method-assign]  # the cure itself
