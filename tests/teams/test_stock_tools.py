from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

import pytest
from autogen_core import CancellationToken, Component
from autogen_core.tools import BaseTool
from pydantic import BaseModel

from saaf_autogen.journal import Fenced
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.testing.openai_server import Calls, OpenAIServer, Reply, Text
from tests.teams.support import (
    FunctionPort,
    Host,
    agent_file,
    assistant,
    memory_of,
    openai_models,
    request,
    team,
)

PROVIDER = f"{__name__}.Counter"


class _Step(BaseModel):
    step: int


class _Nothing(BaseModel):
    pass


class _Said(BaseModel):
    text: str


class Counter(BaseTool[_Step, _Said], Component[_Nothing]):
    """A tool that a deployment brings along."""

    component_config_schema = _Nothing
    component_provider_override = PROVIDER
    called: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__(_Step, _Said, "counter", "Counts.")

    async def run(self, args: _Step, cancellation_token: CancellationToken) -> _Said:
        self.called.append(args.step)
        if args.step < 0:
            raise ValueError("postgresql://root:hunter2@db")
        return _Said(text=f"counted {args.step}")

    def _to_config(self) -> _Nothing:
        return _Nothing()

    @classmethod
    def _from_config(cls, config: _Nothing) -> Counter:
        return cls()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Counter.called.clear()


def counting(name: str = "a") -> dict[str, Any]:
    tool = {"provider": PROVIDER, "component_type": "tool", "config": {}}
    return assistant(name, tools=[tool], max_tool_iterations=3)


async def turn(config: dict[str, Any], steps: list[int], *hosts: Host) -> OpenAIServer:
    def script(body: dict[str, Any]) -> Reply:
        results = [each["content"] for each in body["messages"] if each["role"] == "tool"]
        name = body["tools"][0]["function"]["name"]
        if results:
            return Text(json.dumps(results))
        if name == "counter":
            return Calls([(name, {"step": step}) for step in steps])
        return Calls([(name, {"task": "Count."})])

    with OpenAIServer(script) as server:
        registry = openai_models(server.base_url)
        executor = TeamExecutor(registry, lambda *_: FunctionPort(), (PROVIDER,))
        try:
            for host in hosts:
                asked = request(agent_file(config), 0, "Go on.")
                await asyncio.wait_for(executor.execute(asked, host), 5)
        finally:
            await registry.close()
    return server


async def test_a_tool_of_autogen_is_called_once_however_often_the_turn_is_done() -> None:
    first = Host()
    again = Host(first.journal)
    await turn(team(counting(), max_turns=1), [1, 2], first, again)
    assert Counter.called == [1, 2]
    assert first.events == again.events
    said = json.loads(first.events[-1].data["content"])
    assert [json.loads(each)["text"] for each in said] == ["counted 1", "counted 2"]
    assert first.permits == ["model", "tool", "tool", "model"]
    tools = [usage for usage in first.usages if usage.kind == "tool"]
    assert [(usage.path, usage.name) for usage in tools] == [("team/a", "counter")] * 2
    assert again.permits == []


async def test_what_a_tool_does_is_not_known_so_that_its_cause_is_durable_first() -> None:
    host = Host()
    host.stop_settling = Fenced("another worker has it")
    with pytest.raises(Fenced):
        await turn(team(counting(), max_turns=1), [1], host)
    assert Counter.called == []


async def test_the_words_of_its_exception_stay_out_of_the_conversation() -> None:
    host = Host()
    server = await turn(team(counting(), max_turns=1), [-1], host)
    (result,) = [event.data for event in host.events if event.type == "tool.result"]
    assert result["is_error"]
    assert result["content"]["error"] == "internal"
    assert "hunter2" not in str(server.requests) + str(memory_of(host).entries)


async def test_an_agent_as_a_tool_is_remembered_by_the_calls_within_it() -> None:
    outer = assistant(
        "outer",
        tools=[
            {
                "provider": "autogen_agentchat.tools.AgentTool",
                "component_type": "tool",
                "config": {"agent": counting("inner"), "return_value_as_last_message": True},
            }
        ],
        max_tool_iterations=3,
    )
    first = Host()
    again = Host(first.journal)
    await turn(team(outer, max_turns=1), [1], first, again)
    assert Counter.called == [1]
    places = list(memory_of(first).entries)
    (tool,) = [place for place in places if ":tool:" in place]
    assert tool.endswith("/inner:0:0")
    assert again.permits == []
    assert len(again.usages) == len(first.usages) == 5
