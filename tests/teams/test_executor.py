from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage

from saaf_autogen.actions.spec import ActionSpec
from saaf_autogen.errors import (
    ConfigurationError,
    ModelFailed,
    ResourceDenied,
    SaafError,
    Unavailable,
)
from saaf_autogen.journal import TurnEvent, TurnExecutor
from saaf_autogen.settings import read_document
from saaf_autogen.teams.definition import read_definition
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.loading import load_agent
from saaf_autogen.teams.models import ModelRegistry
from saaf_autogen.testing.openai_server import Calls, Failure, OpenAIServer, Reply, Slow, Text
from tests.teams.support import (
    FunctionPort,
    Host,
    Run,
    agent_file,
    assistant,
    condition,
    flights_port,
    offline_models,
    openai_models,
    request,
    team,
    workbench,
)

FLIGHTS = Path(__file__).parents[2] / "agents" / "flights.yaml"
QUESTION = "How many flights did Delta have in March?"
Script = Callable[[dict[str, Any]], Reply]


def flights() -> dict[str, Any]:
    definition = read_definition(read_document(FLIGHTS))
    assert definition is not None
    return definition.snapshot()


def speaker(body: dict[str, Any]) -> str:
    """Whose request it is, by the system message of ``assistant``."""
    first = body["messages"][0]["content"]
    return str(first).removeprefix("You are ").removesuffix(".")


def tool_results(body: dict[str, Any]) -> int:
    return sum(1 for message in body["messages"] if message["role"] == "tool")


def talk(body: dict[str, Any]) -> Reply:
    """Each participant counts what it was shown: the same conversation, the same words."""
    return Text(f"{speaker(body)} saw {len(body['messages'])}")


async def run(
    script: Script, config: dict[str, Any], port: FunctionPort | None = None, **head: Any
) -> Run:
    with OpenAIServer(script) as server:
        registry = openai_models(server.base_url)
        executor = TeamExecutor(registry, lambda *_: port or FunctionPort())
        done = Run(executor, agent_file(config, **head), "Go on.")
        try:
            await done.finish()
        finally:
            await registry.close()
    return done


async def test_it_is_what_the_run_engine_asks_for() -> None:
    executor: TurnExecutor = TeamExecutor(offline_models(), lambda *_: flights_port())
    assert executor


async def test_the_flights_team_answers_offline_from_the_warehouse() -> None:
    port = flights_port()
    done = Run(TeamExecutor(offline_models(), lambda *_: port), flights(), QUESTION)
    result = await done.finish()
    assert result.stop_reason == "Text 'APPROVED' mentioned"
    assert result.output is not None
    assert result.output.startswith("flights: **4189**.")
    assert [source for source, _ in done.said()] == ["planner", "analyst", "reviewer"]
    assert [(name, key) for name, _, key in port.calls] == [
        ("semantic.context", "run-1:1:tool:team/analyst:0:0"),
        ("warehouse.query", "run-1:1:tool:team/analyst:1:0"),
    ]
    assert port.calls[1][1]["parameters"] == {"carrier": "DL", "month": 3}


async def test_events_tell_calls_results_and_messages_in_order_under_stable_keys() -> None:
    done = Run(TeamExecutor(offline_models(), lambda *_: flights_port()), flights(), QUESTION)
    await done.finish()
    assert [(event.key.rsplit(":", 2)[0], event.type) for event in done.events] == [
        ("0:planner", "message.completed"),
        ("1:analyst", "tool.call"),
        ("1:analyst", "tool.result"),
        ("1:analyst", "tool.call"),
        ("1:analyst", "tool.result"),
        ("1:analyst", "message.completed"),
        ("2:reviewer", "message.completed"),
    ]
    assert len({event.key for event in done.events}) == len(done.events)
    call, answer = done.events[3].data, done.events[4].data
    assert call["name"] == answer["name"] == "warehouse_query"
    assert call["call_id"] == answer["call_id"]
    assert call["arguments"]["parameters"]["carrier"] == "DL"
    assert answer["content"]["rows"] == [[4189]]
    assert answer["is_error"] is False
    assert set(done.events[0].data) == {"source", "type", "content", "models_usage"}


async def test_a_turn_that_is_done_again_gives_the_same_events_and_the_same_calls() -> None:
    port = flights_port()
    done = Run(TeamExecutor(offline_models(), lambda *_: port), flights(), QUESTION)
    await done.turn()
    seen: list[list[TurnEvent]] = []
    for _ in range(2):
        host = Host()
        await done.executor.execute(request(flights(), 1, None, done.states[0]), host)
        seen.append(host.events)
    assert seen[0] == seen[1]
    assert port.calls[:2] == port.calls[2:]


async def test_a_refused_query_is_reported_honestly_and_ends_the_run() -> None:
    def refuse(**arguments: Any) -> None:
        raise ResourceDenied("No grant covers wh://nyc/main.flights.", remedy="Ask an admin.")

    port = flights_port()
    query = port.handlers["warehouse.query"]
    refuse.__signature__ = inspect.signature(query, eval_str=True)  # type: ignore[attr-defined]  # the same arguments
    port.handlers["warehouse.query"] = refuse
    done = Run(TeamExecutor(offline_models(), lambda *_: port), flights(), QUESTION)
    result = await done.finish()
    assert result.output is not None
    assert "No grant covers wh://nyc/main.flights. Ask an admin." in result.output
    assert result.stop_reason == "Text 'APPROVED' mentioned"
    assert [event.data["is_error"] for event in done.events if event.type == "tool.result"] == [
        False,
        True,
    ]


async def test_a_user_who_writes_the_closing_word_does_not_close_the_run() -> None:
    done = Run(
        TeamExecutor(offline_models(), lambda *_: flights_port()), flights(), "APPROVED flights?"
    )
    result = await done.finish()
    assert len(done.results) == 3
    assert result.output is not None
    assert result.output.startswith("Not without a model:")


async def test_the_flights_team_runs_on_a_model_over_http_with_parallel_calls() -> None:
    def script(body: dict[str, Any]) -> Reply:
        system = body["messages"][0]["content"]
        if system.startswith("You plan"):
            return Text("Count them.")
        if system.startswith("You check"):
            return Text("Fine.\nAPPROVED")
        if tool_results(body) == 0:
            query: dict[str, Any] = {"sql": "SELECT 1", "parameters": [{"name": "m", "value": 3}]}
            query |= {"warehouse": None, "max_rows": None}
            context = {"question": QUESTION, "warehouse": None}
            return Calls([("semantic_context", context), ("warehouse_query", query)], ["0", "0"])
        return Text("4189 flights.")

    port = flights_port()
    with OpenAIServer(script) as server:
        registry = openai_models(server.base_url)
        done = Run(TeamExecutor(registry, lambda *_: port), flights(), QUESTION)
        result = await done.finish()
        await registry.close()
        analyst = next(body for body in server.requests if body.get("tools"))
    assert result.output == "4189 flights."
    assert [(name, arguments) for name, arguments, _ in port.calls] == [
        ("semantic.context", {"question": QUESTION}),
        ("warehouse.query", {"sql": "SELECT 1", "parameters": {"m": 3}}),
    ]
    assert [key for _, _, key in port.calls] == [
        "run-1:1:tool:team/analyst:0:0",
        "run-1:1:tool:team/analyst:0:1",
    ]
    assert all(tool["function"]["strict"] for tool in analyst["tools"])
    assert [usage.path for usage in done.host.usages if usage.kind == "model"] == [
        "team/planner",
        "team/analyst",
        "team/analyst",
        "team/reviewer",
    ]


async def test_stepping_says_the_same_as_autogen_without_steps() -> None:
    config = team(
        assistant("a"),
        assistant("b"),
        termination_condition=condition("MaxMessageTermination", max_messages=6),
    )
    with OpenAIServer(talk) as server:
        registry = openai_models(server.base_url)
        loaded = load_agent(config)
        for _, model in loaded.models:
            model.bind(registry)
        whole = await loaded.root.run(task="Go on.")
        await registry.close()
    assert isinstance(whole, TaskResult)
    done = await run(talk, config)
    expected = [
        (message.source, message.to_text())
        for message in whole.messages
        if isinstance(message, BaseChatMessage)
    ]
    assert [("user", "Go on."), *done.said()] == expected
    assert done.results[-1].stop_reason == whole.stop_reason
    assert len(done.results) == 5


TOKENS: dict[str, Any] = condition(
    "TokenUsageTermination",
    max_total_token=None,
    max_prompt_token=None,
    max_completion_token=12,
)
BOTH: dict[str, Any] = {
    "provider": "autogen_agentchat.base.AndTerminationCondition",
    "config": {
        "conditions": [
            condition("SourceMatchTermination", sources=["b"]),
            condition("MaxMessageTermination", max_messages=5),
        ]
    },
}


@pytest.mark.parametrize(
    ("termination", "turns", "reason"),
    [
        (condition("MaxMessageTermination", max_messages=4), 3, "Maximum number of messages"),
        (condition("TextMentionTermination", text="b saw"), 2, "mentioned"),
        (TOKENS, 6, "Token usage"),
        (condition("SourceMatchTermination", sources=["b"]), 2, "'b' answered"),
        (BOTH, 4, ""),
    ],
)
async def test_conditions_count_across_turns(
    termination: dict[str, Any], turns: int, reason: str
) -> None:
    config = team(assistant("a"), assistant("b"), termination_condition=termination, max_turns=9)
    done = await run(talk, config)
    assert len(done.results) == turns
    assert reason in str(done.results[-1].stop_reason)
    assert done.results[0].stop_reason is None


async def test_a_time_limit_runs_on_across_turns() -> None:
    def slow(body: dict[str, Any]) -> Reply:
        return Slow(0.15, Text("x"))

    limit = condition("TimeoutTermination", timeout_seconds=0.4)
    done = await run(slow, team(assistant("a"), termination_condition=limit, max_turns=9))
    assert 2 <= len(done.results) <= 4
    assert "Timeout" in str(done.results[-1].stop_reason)


async def test_the_number_of_turns_is_the_hosts_and_ends_the_run() -> None:
    done = await run(talk, team(assistant("a"), assistant("b"), max_turns=3))
    assert [result.finished for result in done.results] == [False, False, True]
    assert done.results[-1].stop_reason == "Maximum number of turns 3 reached."
    assert done.results[-1].output == done.said()[-1][1]


async def test_the_output_is_the_last_message_of_the_participant_that_is_named() -> None:
    done = await run(talk, team(assistant("a"), assistant("b"), max_turns=4), output_from="a")
    assert done.results[-1].output == done.said()[2][1]
    assert done.said()[2][0] == "a"


async def test_text_on_its_way_is_told_before_the_whole_message() -> None:
    done = await run(talk, team(assistant("a", model_client_stream=True), max_turns=1))
    assert [event.key for event in done.events[:-1]] == ["0:a:0.0", "0:a:0.1", "0:a:0.2"]
    types = [event.type for event in done.events]
    assert types == ["message.delta"] * 3 + ["message.completed"]
    assert done.host.tokens()[1] > 0


async def test_a_single_agent_is_a_run_of_one_turn() -> None:
    port = flights_port()
    config = assistant("solo", workbench=workbench("*"), max_tool_iterations=8)
    executor = TeamExecutor(offline_models(), lambda *_: port)
    done = Run(executor, agent_file(config), QUESTION)
    result = await done.finish()
    assert len(done.results) == 1
    assert result.output is not None
    assert result.output.startswith("flights: **4189**.")
    assert port.calls[0][2] == "run-1:0:tool:solo:0:0"


async def test_a_selector_team_steps_and_its_selections_are_metered() -> None:
    def script(body: dict[str, Any]) -> Reply:
        if "select the next role" in str(body["messages"][0]["content"]):
            return Text("b" if "a saw" in str(body["messages"]) else "a")
        return talk(body)

    config = team(
        assistant("a"),
        assistant("b"),
        kind="SelectorGroupChat",
        model_client={"provider": "saaf_autogen.ModelClient", "config": {}},
        selector_prompt="{roles} {participants} {history} select the next role",
        allow_repeated_speaker=True,
        max_turns=3,
    )
    done = await run(script, config)
    assert [source for source, _ in done.said()] == ["a", "b", "b"]
    told = sum(
        event.data["models_usage"]["prompt_tokens"]
        for event in done.events
        if event.type == "message.completed"
    )
    assert done.host.tokens()[0] > told


async def test_a_swarm_hands_over_across_turns() -> None:
    def script(body: dict[str, Any]) -> Reply:
        if speaker(body) == "a" and tool_results(body) == 0:
            return Calls([("transfer_to_b", {})])
        return talk(body)

    config = team(assistant("a", handoffs=["b"]), assistant("b"), kind="Swarm", max_turns=3)
    done = await run(script, config)
    assert [source for source, _ in done.said()] == ["a", "b", "b"]


def graph(nodes: dict[str, Iterable[dict[str, Any]]], start: str) -> dict[str, Any]:
    return {
        "nodes": {
            name: {"name": name, "edges": list(edges), "activation": "all"}
            for name, edges in nodes.items()
        },
        "default_start_node": start,
    }


async def test_a_graph_runs_its_branches_and_ends_by_itself() -> None:
    plan = graph(
        {
            "s": [{"target": "l"}, {"target": "r"}],
            "l": [{"target": "j"}],
            "r": [{"target": "j"}],
            "j": [],
        },
        "s",
    )
    members = [assistant(name) for name in "slrj"]
    done = await run(talk, team(*members, kind="GraphFlow", graph=plan))
    said = [source for source, _ in done.said()]
    assert said[0] == "s"
    assert sorted(said[1:3]) == ["l", "r"]
    assert said[3:] == ["j"]
    assert "complete" in str(done.results[-1].stop_reason)
    assert len(done.results) == 3


async def test_a_graph_with_a_loop_loops_across_turns() -> None:
    def script(body: dict[str, Any]) -> Reply:
        rounds = sum(1 for message in body["messages"] if message["role"] == "assistant")
        if speaker(body) == "b":
            return Text("done" if rounds >= 2 else "again")
        return Text("work")

    plan = graph(
        {
            "a": [{"target": "b"}],
            "b": [
                {"target": "a", "condition": "again", "activation_group": "loop"},
                {"target": "c", "condition": "done"},
            ],
            "c": [],
        },
        "a",
    )
    members = [assistant(name) for name in "abc"]
    done = await run(script, team(*members, kind="GraphFlow", graph=plan))
    assert [source for source, _ in done.said()] == ["a", "b", "a", "b", "a", "b", "c"]


async def test_a_team_within_a_team_is_one_turn_of_it() -> None:
    inner = team(assistant("x"), assistant("y"), name="inner", max_turns=2)
    done = await run(talk, team(assistant("a"), inner, max_turns=3), output_from="y")
    assert [source for source, _ in done.said()] == ["a", "x", "y", "a"]
    assert len(done.results) == 3
    assert done.results[-1].output == done.said()[2][1]


async def test_a_society_of_mind_and_a_filtered_agent_keep_what_they_know_across_turns() -> None:
    society = {
        "provider": "autogen_agentchat.agents.SocietyOfMindAgent",
        "config": {
            "name": "s",
            "team": team(assistant("x"), name="inner", max_turns=1),
            "model_client": {"provider": "saaf_autogen.ModelClient", "config": {}},
        },
    }
    filtered = {
        "provider": "autogen_agentchat.agents.MessageFilterAgent",
        "config": {
            "name": "f",
            "wrapped_agent": assistant("f"),
            "filter": {"per_source": [{"source": "s", "position": "last", "count": 1}]},
        },
    }
    done = await run(talk, team(society, filtered, max_turns=4))
    by_x = [text for source, text in done.said() if source == "x"]
    by_f = [text for source, text in done.said() if source == "f"]
    assert by_x == ["x saw 2", "x saw 4"]
    assert by_f == ["f saw 2", "f saw 4"]


async def failing(
    script: Script, config: dict[str, Any], port: FunctionPort | None = None
) -> SaafError:
    with pytest.raises(SaafError) as failed:
        await run(script, config, port)
    return failed.value


async def test_a_model_error_comes_out_of_the_team_as_it_went_in() -> None:
    for config in (
        team(assistant("a")),
        team(team(assistant("a"), name="inner")),
        assistant("solo"),
        team(assistant("a", model_client_stream=True)),
    ):
        error = await failing(lambda body: Failure(401), config)
        assert isinstance(error, ModelFailed)
        assert error.extra["kind"] == "unauthenticated"


async def test_a_missing_key_comes_out_of_the_team_with_its_variable() -> None:
    from saaf_autogen.settings import ModelSettings

    models = ModelRegistry(
        {"default": ModelSettings(provider="openai", model="gpt-4o")}, environ={}
    )
    done = Run(
        TeamExecutor(models, lambda *_: FunctionPort()), agent_file(team(assistant("a"))), "x"
    )
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        await done.turn()


async def test_a_host_that_cannot_list_its_actions_is_the_error() -> None:
    class Down(FunctionPort):
        async def list_actions(self) -> list[ActionSpec]:
            raise Unavailable("The host is down.")

    error = await failing(talk, team(assistant("a", workbench=workbench("*"))), Down())
    assert isinstance(error, Unavailable)


async def test_any_other_failure_of_a_team_is_typed_and_keeps_its_text_to_itself() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return Calls([("x", {})]) if "select" in str(body["messages"]) else talk(body)

    config = team(
        assistant("a"),
        assistant("b"),
        kind="SelectorGroupChat",
        model_client={"provider": "saaf_autogen.ModelClient", "config": {}},
        selector_prompt="select {roles} {participants} {history}",
        allow_repeated_speaker=True,
    )
    error = await failing(script, config)
    assert error.code == "team_failed"
    assert "failed in turn 0" in error.detail
    assert "Traceback" not in str(error)


async def test_a_state_that_does_not_fit_is_refused() -> None:
    executor = TeamExecutor(offline_models(), lambda *_: FunctionPort())
    done = Run(executor, agent_file(team(assistant("a"), max_turns=2)), "x")
    await done.turn()
    broken = {**done.states[0], "agent": {"agent_states": {}}}
    definition = agent_file(team(assistant("a")))
    for state in ({"version": 0}, broken):
        with pytest.raises(ConfigurationError, match="state"):
            await executor.execute(request(definition, 1, None, state), done.host)


async def test_the_state_is_json_and_holds_no_key_and_no_config() -> None:
    done = Run(TeamExecutor(offline_models(), lambda *_: flights_port()), flights(), QUESTION)
    await done.finish()
    stored = json.dumps(done.states[-1])
    assert "system_message" not in stored
    assert "You answer questions" not in stored
    assert len(stored) < 30_000


def waiting(event: asyncio.Event, *, stubborn: bool = False) -> Callable[[], Any]:
    async def wait() -> str:
        event.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if not stubborn:
                raise
            await asyncio.sleep(0.1)
        return "late"

    return wait


async def cancelled(
    config: dict[str, Any], port: FunctionPort, started: asyncio.Event, script: Script
) -> float:
    """Seconds from cancelling a turn to its end; no task of it may be left."""
    loop = asyncio.get_running_loop()
    with OpenAIServer(script) as server:
        registry = openai_models(server.base_url, timeout_s=60)
        done = Run(TeamExecutor(registry, lambda *_: port), agent_file(config), "Go on.")
        before = asyncio.all_tasks()
        turn = asyncio.create_task(done.turn())
        await asyncio.wait_for(started.wait(), 5)
        await asyncio.sleep(0.02)
        begin = loop.time()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        took = loop.time() - begin
        assert asyncio.all_tasks() - before == set()
        await registry.close()
    return took


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("shape", ["flat", "nested", "single"])
async def test_cancelling_during_a_tool_ends_within_a_second_and_leaves_no_task(
    shape: str, stubborn: bool
) -> None:
    started = asyncio.Event()
    port = FunctionPort(a__wait=waiting(started, stubborn=stubborn))
    agent = assistant("a", workbench=workbench("*"), max_tool_iterations=3)
    config = {
        "flat": team(agent, assistant("b")),
        "nested": team(team(team(agent, name="y"), name="x")),
        "single": agent,
    }[shape]
    took = await cancelled(config, port, started, lambda body: Calls([("a_wait", {})] * 2))
    assert took < 1


async def test_cancelling_what_knows_of_no_token_ends_within_a_second_too() -> None:
    started = asyncio.Event()

    class Stuck(FunctionPort):
        async def list_actions(self) -> list[ActionSpec]:
            started.set()
            await asyncio.sleep(60)
            return []

    agent = assistant("a", workbench=workbench("*"))
    for config in (team(agent), team(team(agent, name="x")), agent):
        started.clear()
        assert await cancelled(config, Stuck(), started, talk) < 1


async def test_cancelling_during_a_model_call_ends_within_a_second() -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(body: dict[str, Any]) -> Reply:
        loop.call_soon_threadsafe(started.set)
        return Slow(30, Text("late"))

    assert await cancelled(team(assistant("a")), FunctionPort(), started, script) < 1


async def test_an_event_that_cannot_be_stored_ends_the_turn_with_that_error() -> None:
    executor = TeamExecutor(offline_models(), lambda *_: flights_port())

    host = Host()
    host.stop_emitting = Unavailable("The store is down.")
    before = asyncio.all_tasks()
    with pytest.raises(Unavailable, match="store is down"):
        await asyncio.wait_for(executor.execute(request(flights(), 0, QUESTION), host), 5)
    assert asyncio.all_tasks() == before


async def test_runs_at_the_same_time_do_not_mix() -> None:
    def port_for(index: int) -> FunctionPort:
        return flights_port([[index]])

    async def one(index: int) -> str | None:
        executor = TeamExecutor(offline_models(), lambda *_: port_for(index))
        return (await Run(executor, flights(), QUESTION).finish()).output

    outputs = await asyncio.gather(*(one(index) for index in range(20)))
    assert [str(output).split("**")[1] for output in outputs] == [str(n) for n in range(20)]
