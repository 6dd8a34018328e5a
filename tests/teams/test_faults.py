from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage, ToolCallExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import CreateResult, RequestUsage
from autogen_core.tools import FunctionTool
from autogen_ext.models.replay import ReplayChatCompletionClient

from saaf_autogen.teams import faults
from saaf_autogen.teams.stopping import stop_team

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


async def test_stock_such_a_tool_hangs_its_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def tool() -> str:
        raise asyncio.CancelledError

    stock = staticmethod(faults._execute_tool_call)
    monkeypatch.setattr(AssistantAgent, "_execute_tool_call", stock)
    agent = agent_that_calls(tool, "tool")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await agent.run(task="go")


class Slow(BaseChatAgent):
    """An agent that takes its time and heeds no token."""

    produced_message_types = (TextMessage,)

    def __init__(self) -> None:
        super().__init__("slow", "slow")
        self.begun = 0
        self.first = asyncio.Event()

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        self.begun += 1
        self.first.set()
        await asyncio.sleep(0.1)
        return Response(chat_message=TextMessage(content="done", source="slow"))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """It remembers nothing."""


async def test_stock_a_time_limit_around_a_team_waits_for_all_its_turns() -> None:
    agent = Slow()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(RoundRobinGroupChat([agent], max_turns=6).run(task="go"), 0.05)
    assert agent.begun == 6


async def test_stock_whoever_leaves_the_stream_waits_for_all_turns() -> None:
    agent = Slow()
    stream = RoundRobinGroupChat([agent], max_turns=6).run_stream(task="go")
    await anext(stream)
    await stream.aclose()
    assert agent.begun == 6


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_a_team_is_stopped_at_once_in_whatever_depth_it_runs(depth: int) -> None:
    agent = Slow()
    teams = [RoundRobinGroupChat([agent], name="team0", max_turns=6)]
    for level in range(1, depth):
        teams.append(RoundRobinGroupChat([teams[-1]], name=f"team{level}", max_turns=6))
    token = CancellationToken()
    pump = asyncio.create_task(teams[-1].run(task="go", cancellation_token=token))
    await agent.first.wait()
    await stop_team(teams, pump, token)
    assert pump.done()
    assert agent.begun == 1


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


def test_installing_the_cures_twice_changes_nothing() -> None:
    before = AssistantAgent._execute_tool_call
    filters = list(logging.getLogger("autogen_core").filters)
    faults.install()
    assert AssistantAgent._execute_tool_call is before
    assert logging.getLogger("autogen_core").filters == filters
