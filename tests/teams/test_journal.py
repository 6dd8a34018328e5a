from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, RequestUsage, UserMessage

from saaf_autogen.errors import (
    LimitReached,
    ModelFailed,
    ResourceDenied,
    SaafError,
    Unauthenticated,
)
from saaf_autogen.journal import CallKind, Entry, Fenced, MemoryJournal, TurnEvent
from saaf_autogen.teams.binding import TurnScope
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.models import ModelClient, ModelRegistry
from saaf_autogen.teams.workbench import ActionWorkbench
from saaf_autogen.testing.openai_server import Calls, Failure, OpenAIServer, Reply, Slow, Text
from tests.teams.support import (
    FunctionPort,
    Host,
    agent_file,
    assistant,
    memory_of,
    openai_models,
    request,
    team,
    workbench,
)

Script = Callable[[dict[str, Any]], Reply]
MODEL = {"provider": "saaf_autogen.ModelClient", "config": {}}


def said_by_tools(body: dict[str, Any]) -> list[str]:
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


def adding(body: dict[str, Any]) -> Reply:
    """Two calls at once, then one more, then an answer."""
    if "select" in str(body["messages"][0]["content"]):
        return Text("a")
    offered = [tool["function"]["name"] for tool in body.get("tools", ())]
    if offered and "math_add" not in offered:
        return Calls([(offered[0], {"task": "Add."})])
    results = len(said_by_tools(body))
    if results < 2 and body.get("tools"):
        return Calls([("math_add", {"a": 1}), ("math_add", {"a": 2})], ["0", "0"])
    if results < 3 and body.get("tools"):
        return Calls([("math_add", {"a": 3})], ["0"])
    return Text("It is done.")


def math_port(effect: Any = "write") -> FunctionPort:
    def add(a: int) -> int:
        return a + 1

    port = FunctionPort(math__add=add)
    port.effects["math.add"] = effect
    return port


def adder(name: str, **config: Any) -> dict[str, Any]:
    return assistant(name, workbench=workbench("*"), max_tool_iterations=5, **config)


class Site:
    """One turn on a model server, to be done as often as one likes."""

    def __init__(self, config: dict[str, Any], port: FunctionPort, script: Script = adding) -> None:
        self.definition = agent_file(config)
        self.port = port
        self.server = OpenAIServer(script)

    async def __aenter__(self) -> Site:
        self.server.__enter__()
        self.registry = openai_models(self.server.base_url, timeout_s=5)
        self.executor = TeamExecutor(self.registry, lambda *_: self.port)
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self.registry.close()
        self.server.__exit__(None, None, None)

    async def turn(self, host: Host) -> list[TurnEvent]:
        asked = request(self.definition, 0, "Go on.")
        await asyncio.wait_for(self.executor.execute(asked, host), 8)
        return host.events


@pytest.mark.parametrize("streams", [False, True])
async def test_a_turn_that_is_done_again_calls_nothing_twice_and_says_the_same(
    streams: bool,
) -> None:
    port = math_port()
    async with Site(team(adder("a", model_client_stream=streams), max_turns=1), port) as site:
        host = Host()
        first = await site.turn(host)
        asked, called = len(site.server.requests), len(port.calls)
        again = Host(host.journal)
        second = await site.turn(again)
        assert (asked, called) == (3, 3)
        assert (len(site.server.requests), len(port.calls)) == (asked, called)
    whole = [event for event in first if event.type != "message.delta"]
    assert second == whole
    assert again.permits == []
    assert all(usage.replayed for usage in again.usages)
    assert [usage.kind for usage in again.usages] == [usage.kind for usage in host.usages]


async def test_wherever_a_turn_was_cut_off_only_what_was_not_recorded_is_done() -> None:
    port = math_port()
    async with Site(team(adder("a"), max_turns=1), port) as site:
        host = Host()
        whole = await site.turn(host)
        entries = list(memory_of(host).entries.items())
        keys = [key for _, _, key in port.calls]
        for kept in range(len(entries) + 1):
            site.server.requests.clear()
            port.calls.clear()
            journal = MemoryJournal()
            journal.entries = dict(entries[:kept])
            assert await site.turn(Host(journal)) == whole
            left = [place for place, _ in entries[kept:]]
            assert len(site.server.requests) == sum(":model:" in place for place in left)
            assert len(port.calls) == sum(":tool:" in place for place in left)
            assert [key for _, _, key in port.calls] == keys[len(keys) - len(port.calls) :]


async def test_branches_that_change_their_order_keep_their_own_answers() -> None:
    slow = {"l": 0.15, "r": 0.0}

    def script(body: dict[str, Any]) -> Reply:
        name = str(body["messages"][0]["content"]).removeprefix("You are ").removesuffix(".")
        reply = adding(body)
        if isinstance(reply, Text):
            reply = Text(f"{name} is done.")
        return Slow(slow.get(name, 0), reply)

    nodes = {"s": ["l", "r"], "l": [], "r": []}
    graph = {
        "nodes": {
            name: {"name": name, "edges": [{"target": target} for target in targets]}
            for name, targets in nodes.items()
        },
        "default_start_node": "s",
    }
    config = team(assistant("s"), adder("l"), adder("r"), kind="GraphFlow", graph=graph)
    port = math_port()
    async with Site(config, port, script) as site:
        host = Host()
        start = await site.executor.execute(request(site.definition, 0, "Go on."), host)
        turn = request(site.definition, 1, None, start.state)
        await site.executor.execute(turn, host)
        kept = dict(memory_of(host).entries)
        keys = {key for _, _, key in port.calls}
        # What was not recorded of one branch is all that is done; the other order changes nothing.
        slow.update(l=0.0, r=0.15)
        journal = MemoryJournal()
        journal.entries = {place: kept[place] for place in kept if "team/l:1" not in place}
        port.calls.clear()
        site.server.requests.clear()
        again = Host(journal)
        await site.executor.execute(turn, again)
        assert len(site.server.requests) == 1
        assert {key for _, _, key in port.calls} == {"run-1:1:tool:team/l:1:0"} < keys
        assert journal.entries.keys() == kept.keys()
        said = {event.data["content"] for event in again.events if "completed" in event.type}
        assert said == {"l is done.", "r is done."}


async def test_the_models_that_select_and_sum_up_are_remembered_under_paths_of_their_own() -> None:
    society = {
        "provider": "autogen_agentchat.agents.SocietyOfMindAgent",
        "config": {"name": "b", "team": team(assistant("x"), max_turns=1), "model_client": MODEL},
    }
    config = team(
        adder("a"),
        society,
        kind="SelectorGroupChat",
        model_client=MODEL,
        selector_prompt="select {roles} {participants} {history}",
        allow_repeated_speaker=True,
        max_turns=1,
    )

    def script(body: dict[str, Any]) -> Reply:
        reply = adding(body)
        return Text("b") if reply == Text("a") else reply

    async with Site(config, math_port(), script) as site:
        host = Host()
        whole = await site.turn(host)
        asked = len(site.server.requests)
        assert await site.turn(Host(host.journal)) == whole
        assert len(site.server.requests) == asked == 3
        paths = [usage.path for usage in host.usages]
        assert len(set(paths)) == 3


async def test_a_request_that_differs_is_only_logged_and_without_its_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with OpenAIServer(lambda body: Text("first")) as server:
        registry = openai_models(server.base_url)
        journal = MemoryJournal()
        answers = []
        for text in ("one SECRET", "another SECRET"):
            client = bound_client(registry, Host(journal))
            answers.append(await client.create([UserMessage(content=text, source="user")]))
        await registry.close()
    assert [answer.content for answer in answers] == ["first", "first"]
    assert len(server.requests) == 1
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "0:model:team/a:0:0" in record.getMessage()
    assert "SECRET" not in caplog.text


def bound_client(registry: ModelRegistry, host: Host) -> ModelClient:
    client = ModelClient()
    client.bind(registry, TurnScope("run-1", 0, FunctionPort(), host).ledger("team/a"))
    return client


async def test_a_stream_that_is_remembered_comes_whole_without_its_pieces() -> None:
    asked = [UserMessage(content="Hi", source="user")]
    with OpenAIServer(lambda body: Text("one two")) as server:
        registry = openai_models(server.base_url)
        journal = MemoryJournal()
        taken = []
        for _ in range(2):
            client = bound_client(registry, Host(journal))
            taken.append([piece async for piece in client.create_stream(asked)])
        await registry.close()
    assert taken[0][:2] == ["one ", "two "]
    assert taken[1] == taken[0][2:]
    assert len(server.requests) == 1


async def test_every_part_of_an_answer_survives_the_journal() -> None:
    host = Host()
    ledger = TurnScope("run-1", 0, FunctionPort(), host).ledger("a")
    answer = CreateResult(
        finish_reason="function_calls",
        content=[FunctionCall(id="1", name="t", arguments='{"a": "ü"}')],
        usage=RequestUsage(prompt_tokens=3, completion_tokens=4),
        cached=False,
        thought="hm",
    )
    key = ledger.model_key()
    ledger.record(key, Entry("", {"result": answer.model_dump(mode="json")}))
    entry = ledger.recall(key)
    assert entry is not None
    assert CreateResult.model_validate(entry.data["result"]) == answer


async def test_a_model_call_that_failed_is_not_remembered() -> None:
    with OpenAIServer(lambda body: Failure(401)) as server:
        registry = openai_models(server.base_url)
        host = Host()
        for _ in range(2):
            client = bound_client(registry, host)
            with pytest.raises(ModelFailed):
                await client.create([UserMessage(content="Hi", source="user")])
        await registry.close()
    assert memory_of(host).entries == {}
    assert host.usages == []
    assert len(server.requests) == 2


def bound_bench(port: FunctionPort, host: Host) -> ActionWorkbench:
    bench = ActionWorkbench(["*"])
    bench.bind(port, TurnScope("run-1", 0, port, host).ledger("team/a"))
    return bench


async def called(port: FunctionPort, host: Host, arguments: dict[str, Any]) -> Any:
    bench = bound_bench(port, host)
    await bench.list_tools()
    result = await bench.call_tool("math_add", arguments)
    return result.is_error, json.loads(result.to_text())


async def test_another_call_at_the_same_place_is_made_under_another_key() -> None:
    port, host = math_port(), Host()
    assert await called(port, host, {"a": 1}) == (False, 2)
    assert await called(port, host, {"a": 7}) == (False, 8)
    assert await called(port, host, {"a": 7}) == (False, 8)
    assert await called(port, host, {"a": 1}) == (False, 2)
    assert [key for _, _, key in port.calls] == [
        "run-1:0:tool:team/a:0:0",
        "run-1:0:tool:team/a:0:0~1",
    ]


async def test_a_refusal_is_remembered_like_a_result() -> None:
    def add(a: int) -> int:
        raise ResourceDenied(f"Not {a}.")

    port, host = FunctionPort(math__add=add), Host()
    first = await called(port, host, {"a": 1})
    assert first[0]
    assert first[1]["error"] == "resource_denied"
    assert await called(port, host, {"a": 1}) == first
    assert len(port.calls) == 1


@pytest.mark.parametrize(("effect", "settled"), [("read", 0), ("idempotent", 1), ("write", 1)])
async def test_what_led_to_an_effect_is_durable_before_it_is_called(
    effect: str, settled: int
) -> None:
    host = Host()
    seen: list[int] = []

    def add(a: int) -> int:
        seen.append(host.settled)
        return a

    port = FunctionPort(math__add=add)
    port.effects["math.add"] = effect  # type: ignore[assignment]  # a parameter of the test
    await called(port, host, {"a": 1})
    assert seen == [settled]


def as_tool(kind: str, **config: Any) -> dict[str, Any]:
    return {
        "provider": f"autogen_agentchat.tools.{kind}",
        "component_type": "tool",
        "config": config,
    }


GRAPH = {"nodes": {"a": {"name": "a", "edges": []}}, "default_start_node": "a"}
SHAPES: dict[str, dict[str, Any]] = {
    "single": adder("a"),
    "stream": team(adder("a", model_client_stream=True)),
    "round robin": team(adder("a")),
    "nested": team(team(adder("a"), name="inner")),
    "swarm": team(adder("a"), kind="Swarm"),
    "graph": team(adder("a"), kind="GraphFlow", graph=GRAPH),
    "selector": team(
        adder("a"),
        assistant("z"),
        kind="SelectorGroupChat",
        model_client=MODEL,
        selector_prompt="select {roles} {participants} {history}",
        allow_repeated_speaker=True,
    ),
    "society": team(
        {
            "provider": "autogen_agentchat.agents.SocietyOfMindAgent",
            "config": {"name": "s", "team": team(adder("a"), max_turns=1), "model_client": MODEL},
        }
    ),
    "agent tool": team(assistant("outer", tools=[as_tool("AgentTool", agent=adder("a"))])),
    "team tool": team(
        assistant(
            "outer",
            tools=[
                as_tool(
                    "TeamTool", team=team(adder("a"), max_turns=1), name="inner", description="-"
                )
            ],
        )
    ),
}
STOPS: list[Exception] = [
    Fenced("another worker has it"),
    LimitReached("The budget is spent.", extra={"reason": "tokens"}),
    RuntimeError("the store is broken"),
]


class Stopping(Host):
    """Stops at the nth permit, at settling or at the first event."""

    def __init__(self, stop: Exception, at: str, permits: int = 0) -> None:
        super().__init__()
        self.with_stop, self.left = stop, permits
        self.stop_settling = stop if at == "settle" else None
        self.stop_emitting = stop if at == "emit" else None
        self.at = at

    async def permit(self, kind: Any) -> None:
        if self.at == "permit":
            if self.left == 0:
                raise self.with_stop
            self.left -= 1
        await super().permit(kind)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: type(stop).__name__)
async def test_what_the_host_says_ends_a_turn_of_any_shape_as_it_says_it(
    shape: str, stop: Exception
) -> None:
    port = math_port()
    loop = asyncio.get_running_loop()
    async with Site(SHAPES[shape], port) as site:
        hosts = [Stopping(stop, "permit", permits) for permits in range(4)]
        for host in [*hosts, Stopping(stop, "settle"), Stopping(stop, "emit")]:
            port.calls.clear()
            before, begun = asyncio.all_tasks(), loop.time()
            with pytest.raises(type(stop)) as ended:
                await site.turn(host)
            assert ended.value is stop
            assert loop.time() - begun < 1.5
            assert asyncio.all_tasks() == before
            if host.at == "settle":
                assert port.calls == []
                assert [event.type for event in host.events if "result" in event.type] == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("error", [Fenced("gone"), Unauthenticated("It was revoked.")])
async def test_what_an_action_says_of_the_run_itself_ends_the_turn(
    shape: str, error: Exception
) -> None:
    def add(a: int) -> int:
        raise error

    port = FunctionPort(math__add=add)
    async with Site(SHAPES[shape], port) as site:
        host = Host()
        with pytest.raises(type(error)) as ended:
            await site.turn(host)
        assert ended.value is error
        assert not [place for place in memory_of(host).entries if ":tool:" in place]


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_first_failure_of_a_model_ends_a_turn_of_any_shape(shape: str) -> None:
    for at in range(3):
        asked = 0

        def script(body: dict[str, Any], at: int = at) -> Reply:
            nonlocal asked
            asked += 1
            return Failure(403) if asked > at else adding(body)

        async with Site(SHAPES[shape], math_port(), script) as site:
            with pytest.raises(SaafError) as failed:
                await site.turn(Host())
            assert failed.value.extra["kind"] == "forbidden"
            assert asked == at + 1


async def test_stopping_one_branch_stops_the_calls_of_the_others() -> None:
    nodes: dict[str, Any] = {
        name: {"name": name, "edges": [{"target": target} for target in targets]}
        for name, targets in {"s": ["l", "r"], "l": [], "r": []}.items()
    }
    config = team(
        *(assistant(name) for name in "slr"),
        kind="GraphFlow",
        graph={"nodes": nodes, "default_start_node": "s"},
    )

    def script(body: dict[str, Any]) -> Reply:
        name = str(body["messages"][0]["content"])
        if "are l" in name:
            return Failure(401)
        return Slow(20, Text("late")) if "are r" in name else Text("go")

    async with Site(config, FunctionPort(), script) as site:
        host = Host()
        start = await site.executor.execute(request(site.definition, 0, "Go on."), host)
        before = asyncio.all_tasks()
        with pytest.raises(ModelFailed):
            await asyncio.wait_for(
                site.executor.execute(request(site.definition, 1, None, start.state), host), 3
            )
        assert asyncio.all_tasks() == before


async def test_a_budget_that_is_spent_lets_the_calls_in_flight_end_and_be_remembered() -> None:
    config = assistant("a", workbench=workbench("a.*"), max_tool_iterations=3)
    done: list[str] = []

    async def slow() -> str:
        await asyncio.sleep(0.3)
        done.append("slow")
        return "slept"

    port = FunctionPort(a__slow=slow)
    port.effects["a.slow"] = "write"

    def script(body: dict[str, Any]) -> Reply:
        return Calls([("a_slow", {}), ("a_slow", {})], ["x", "y"])

    class Frugal(Host):
        async def permit(self, kind: CallKind) -> None:
            await super().permit(kind)
            if self.permits.count("tool") > 1:
                raise LimitReached("One tool call is enough.", extra={"reason": "tool_calls"})

    async with Site(config, port, script) as site:
        host = Frugal()
        with pytest.raises(LimitReached):
            await asyncio.wait_for(site.turn(host), 5)
    assert done == ["slow"]
    assert "0:tool:a:0:0" in memory_of(host).entries
