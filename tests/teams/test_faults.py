from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import os
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.messages import TextMessage, ToolCallExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken, FunctionCall
from autogen_core._single_threaded_agent_runtime import RunContext
from autogen_core.models import CreateResult, RequestUsage
from autogen_core.tools import FunctionTool
from autogen_ext.models.replay import ReplayChatCompletionClient

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.teams import faults

INFO: Any = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "family": "unknown",
    "structured_output": True,
}


def agent_that_calls(tool: Any, *names: str) -> AssistantAgent:
    calls = [
        FunctionCall(id=str(index), name=name, arguments="{}") for index, name in enumerate(names)
    ]
    asked = CreateResult(
        finish_reason="function_calls",
        content=calls,
        usage=RequestUsage(prompt_tokens=1, completion_tokens=1),
        cached=False,
    )
    model = ReplayChatCompletionClient([asked, "done"], model_info=INFO)
    tools: list[Any] = [FunctionTool(tool, description="x", name="tool")]
    return AssistantAgent("a", model, tools=tools, max_tool_iterations=3)


async def results_of(agent: AssistantAgent) -> list[Any]:
    stream: AsyncGenerator[Any, None] = agent.run_stream(task="go")
    found: list[Any] = []
    async with asyncio.timeout(3):
        async for message in stream:
            if isinstance(message, ToolCallExecutionEvent):
                found += message.content
    return found


async def test_a_tool_that_raises_cancelled_does_not_hang_its_agent() -> None:
    async def tool() -> str:
        raise asyncio.CancelledError

    (result,) = await results_of(agent_that_calls(tool, "tool"))
    assert result.is_error
    assert "cancelled" in result.content


async def test_whatever_a_workbench_raises_becomes_an_error_result_of_that_call() -> None:
    agent = agent_that_calls(lambda: "fine", "tool", "tool")

    class Broken(Exception):
        pass

    async def fails(*args: Any, **kwargs: Any) -> Any:
        raise Broken("postgresql://root:hunter2@db")

    agent._workbench[0].list_tools = fails  # type: ignore[method-assign]  # a broken workbench
    calls = [FunctionCall(id=str(index), name="tool", arguments="{}") for index in range(2)]
    queue: asyncio.Queue[Any] = asyncio.Queue()
    for call in calls:
        _, result = await AssistantAgent._execute_tool_call(
            call, agent._workbench, [], "a", CancellationToken(), queue
        )
        assert result.is_error
        assert "hunter2" not in result.content


async def test_arguments_that_are_no_json_become_an_error_result() -> None:
    call = FunctionCall(id="1", name="tool", arguments="{broken")
    _, result = await AssistantAgent._execute_tool_call(
        call, [], [], "a", CancellationToken(), asyncio.Queue()
    )
    assert result.is_error


async def test_the_sources_of_a_text_mention_survive_loading() -> None:
    config = {
        "provider": "autogen_agentchat.conditions.TextMentionTermination",
        "config": {"text": "APPROVED", "sources": ["reviewer"]},
    }
    condition = TextMentionTermination.load_component(config)
    by_user = TextMessage(content="say APPROVED", source="user")
    by_reviewer = TextMessage(content="APPROVED", source="reviewer")
    assert await condition([by_user]) is None
    assert await condition([by_reviewer]) is not None
    assert condition.dump_component().config == config["config"]


async def test_logs_of_autogen_carry_neither_messages_nor_arguments_nor_results(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def tool() -> str:
        raise RuntimeError("CANARY in the error")

    caplog.set_level(logging.DEBUG)
    agent = agent_that_calls(tool, "tool")
    team = RoundRobinGroupChat([agent], max_turns=1)
    result = await team.run(task="CANARY in the task")
    assert isinstance(result, TaskResult)
    with pytest.raises(RuntimeError):
        await RoundRobinGroupChat([agent], max_turns=1).run(task="CANARY again")
    logging.getLogger("autogen_agentchat").warning("The model said %s", "CANARY")
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert any(record.name == "autogen_core.events" for record in caplog.records)
    assert "CANARY" not in logged


def test_runtime_tracing_which_leaks_messages_is_off() -> None:
    assert os.environ["AUTOGEN_DISABLE_RUNTIME_TRACING"] == "true"


def test_another_version_of_autogen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    faults.check_autogen()
    monkeypatch.setattr(faults, "version", lambda name: "0.7.6")
    with pytest.raises(ConfigurationError, match=r"0\.7\.6 is installed"):
        faults.check_autogen()
    assert importlib.metadata.version("autogen-core") == faults.AUTOGEN_VERSION


def test_a_private_part_that_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RunContext, "_run")
    with pytest.raises(ConfigurationError, match="lacks _run"):
        faults.check_autogen()


def test_installing_the_cures_twice_changes_nothing() -> None:
    before = AssistantAgent._execute_tool_call
    filters = list(logging.getLogger("autogen_core").filters)
    faults.install()
    assert AssistantAgent._execute_tool_call is before
    assert logging.getLogger("autogen_core").filters == filters
