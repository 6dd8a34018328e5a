from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from saaf_autogen.errors import ModelFailed, OutcomeUnknown
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.testing.openai_server import Calls, Failure, OpenAIServer, Reply, Slow, Text
from tests.teams.support import (
    FunctionPort,
    Run,
    agent_file,
    assistant,
    memory_of,
    openai_models,
    team,
    workbench,
)

Script = Callable[[dict[str, Any]], Reply]


def human(name: str = "human") -> dict[str, Any]:
    return {"provider": "autogen_agentchat.agents.UserProxyAgent", "config": {"name": name}}


def speaker(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"]).removeprefix("You are ").removesuffix(".")


def tool_results(body: dict[str, Any]) -> list[str]:
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


def talk(body: dict[str, Any]) -> Reply:
    return Text(f"{speaker(body)} heard {body['messages'][-1]['content']}")


@asynccontextmanager
async def running(
    config: dict[str, Any], script: Script = talk, port: FunctionPort | None = None
) -> AsyncIterator[tuple[Run, OpenAIServer]]:
    """A run on a model server; whatever tasks its turns leave behind are an error."""
    with OpenAIServer(script) as server:
        registry = openai_models(server.base_url)
        executor = TeamExecutor(registry, lambda *_: port or FunctionPort())
        before = asyncio.all_tasks()
        yield Run(executor, agent_file(config), "Go on."), server
        assert asyncio.all_tasks() == before
        await registry.close()


SHAPES: dict[str, dict[str, Any]] = {
    "round robin": team(assistant("a"), human(), max_turns=3),
    "nested": team(team(assistant("a"), human(), max_turns=2), max_turns=1),
    "graph": team(
        assistant("a"),
        human(),
        kind="GraphFlow",
        graph={
            "nodes": {
                "a": {"name": "a", "edges": [{"target": "human"}]},
                "human": {"name": "human", "edges": []},
            },
            "default_start_node": "a",
        },
    ),
    "society": team(
        {
            "provider": "autogen_agentchat.agents.SocietyOfMindAgent",
            "config": {
                "name": "s",
                "team": team(assistant("a"), human(), max_turns=2),
                "model_client": {"provider": "saaf_autogen.ModelClient", "config": {}},
            },
        },
        max_turns=1,
    ),
}


async def until_asked(run: Run) -> None:
    while (await run.turn()).question is None:
        pass


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_human_is_asked_and_the_same_turn_goes_on_with_the_answer(shape: str) -> None:
    loop = asyncio.get_running_loop()
    async with running(SHAPES[shape]) as (run, server):
        begun = loop.time()
        await until_asked(run)
        assert loop.time() - begun < 2
        (question,) = run.questions
        assert (question.kind, question.source) == ("input", "human")
        assert question.prompt == "a heard Go on."
        assert question.data == {"speaker": "a"}
        turn = len(run.results)
        assert question.place.startswith(f"{turn}:input:team/")
        assert question.place.endswith("/human:0:0")
        asked = len(server.requests)
        run.say("Only to BOS.")
        result = await run.turn()
        assert result.question is None
        assert ("human", "Only to BOS.") in run.said()
        # Whatever was asked before is not asked again; what comes after hears the answer.
        assert all("Only to BOS." in str(body) for body in server.requests[asked:])


async def test_a_question_that_nobody_answered_is_asked_again_at_the_same_place() -> None:
    async with running(SHAPES["nested"]) as (run, server):
        first, second = (await run.turn()).question, (await run.turn()).question
        assert first == second
        assert first is not None
        assert len(server.requests) == 1
        assert [event.type for event in run.events] == ["message.completed"]


async def test_a_turn_that_stops_for_a_question_leaves_no_state() -> None:
    async with running(team(human(), max_turns=1)) as (run, _):
        result = await run.turn()
        assert (result.state, result.finished, result.output) == (None, False, None)
        run.say("Hello.")
        done = await run.turn()
        assert (done.finished, done.output) == (True, "Hello.")
        assert run.host.usages == []


async def test_a_human_who_is_handed_over_to_answers_whoever_handed_over() -> None:
    def script(body: dict[str, Any]) -> Reply:
        if not tool_results(body):
            return Calls([("transfer_to_human", {})])
        return talk(body)

    config = team(assistant("a", handoffs=["human"]), human(), kind="Swarm", max_turns=3)
    async with running(config, script) as (run, _):
        await until_asked(run)
        run.say("Take the train.")
        await run.finish()
        assert [source for source, _ in run.said()] == ["a", "human", "a"]
        assert "Take the train." in run.said()[-1][1]


def branches(*members: dict[str, Any]) -> dict[str, Any]:
    """A start node and then all others at once."""
    names = [member["config"]["name"] for member in members]
    nodes: dict[str, Any] = {name: {"name": name, "edges": []} for name in names}
    nodes["s"] = {"name": "s", "edges": [{"target": name} for name in names]}
    graph = {"nodes": nodes, "default_start_node": "s"}
    return team(assistant("s"), *members, kind="GraphFlow", graph=graph)


async def test_while_a_human_is_asked_calls_in_flight_end_and_no_other_starts() -> None:
    def script(body: dict[str, Any]) -> Reply:
        if speaker(body) != "worker":
            return talk(body)
        return talk(body) if tool_results(body) else Slow(0.4, Calls([("a_b", {})]))

    port = FunctionPort(a__b=lambda: "done")
    worker = assistant("worker", workbench=workbench("*"), max_tool_iterations=3)
    async with running(branches(worker, human()), script, port) as (run, server):
        await until_asked(run)
        assert "1:model:team/worker:0:0" in memory_of(run.host).entries
        assert port.calls == []
        asked = len(server.requests)
        run.say("Yes.")
        await run.turn()
        assert len(port.calls) == 1
        assert len(server.requests) == asked + 1


async def test_of_two_questions_at_once_the_first_by_path_comes_first_and_both_are_asked() -> None:
    async with running(branches(human("zoe"), human("ann"))) as (run, server):
        await until_asked(run)
        run.say("From Ann.")
        await until_asked(run)
        run.say("From Zoe.")
        await run.turn()
        assert [question.source for question in run.questions] == ["ann", "zoe"]
        assert set(run.said()[-2:]) == {("ann", "From Ann."), ("zoe", "From Zoe.")}
        assert len(server.requests) == 1


async def test_a_failure_beside_a_question_is_the_end_of_the_turn() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return Slow(0.2, Failure(401)) if speaker(body) == "worker" else talk(body)

    async with running(branches(assistant("worker"), human()), script) as (run, _):
        await run.turn()
        with pytest.raises(ModelFailed):
            await run.turn()
        assert run.questions == []


async def test_cancelling_a_turn_that_is_about_to_ask_ends_it_at_once() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return Slow(60, Text("late")) if speaker(body) == "worker" else talk(body)

    async with running(branches(assistant("worker"), human()), script) as (run, _):
        await run.turn()
        turn = asyncio.create_task(run.turn())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(turn), 0.3)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(turn, 1)


class Payments:
    """An action whose outcome is unknown for its first calls."""

    def __init__(self, unknown: int) -> None:
        self.unknown = unknown
        self.made = 0
        self.port = FunctionPort(pay__send=self.send)
        self.port.effects["pay.send"] = "write"

    def send(self, amount: int) -> dict[str, Any]:
        if self.unknown:
            self.unknown -= 1
            raise OutcomeUnknown("It was cut off.", extra={"first_call_id": "call_1"})
        self.made += 1
        return {"paid": amount}


def paying(body: dict[str, Any]) -> Reply:
    if tool_results(body):
        return Text(f"The tool said {tool_results(body)[-1]}")
    return Calls([("pay_send", {"amount": 5})])


PAYER = team(assistant("payer", workbench=workbench("*"), max_tool_iterations=3), max_turns=1)


async def test_a_write_whose_outcome_nobody_knows_is_a_question_with_all_its_facts() -> None:
    payments = Payments(unknown=1)
    async with running(PAYER, paying, payments.port) as (run, server):
        question = (await run.turn()).question
        assert question is not None
        assert (question.kind, question.source) == ("outcome_unknown", "payer")
        assert question.place == "0:input:team/payer:0:0"
        assert "pay.send" in question.prompt
        assert question.data == {
            "action": "pay.send",
            "arguments": {"amount": 5},
            "idempotency_key": "run-1:0:tool:team/payer:0:0",
            "first_call_id": "call_1",
        }
        assert len(server.requests) == 1
        assert run.host.permits == ["model", "tool"]
        assert [usage.kind for usage in run.host.usages] == ["model"]


@pytest.mark.parametrize(
    ("resolution", "made", "said"),
    [
        ({"resolution": "done", "value": {"paid": 5}}, 0, '{"paid": 5}'),
        ({"resolution": "retry"}, 1, '{"paid": 5}'),
        ({"resolution": "failed"}, 0, "had no effect"),
    ],
)
async def test_what_a_human_found_out_is_what_the_model_sees(
    resolution: dict[str, Any], made: int, said: str
) -> None:
    payments = Payments(unknown=1)
    async with running(PAYER, paying, payments.port) as (run, server):
        await run.turn()
        run.resolve(resolution)
        result = await run.turn()
        assert result.output is not None
        assert said in result.output
        assert payments.made == made
        assert len(server.requests) == 2
        (told,) = [event for event in run.events if event.type == "tool.result"]
        assert told.data["is_error"] is (resolution["resolution"] == "failed")
        assert memory_of(run.host).entries["0:tool:team/payer:0:0"]
        keys = {key for _, _, key in payments.port.calls}
        assert keys == {"run-1:0:tool:team/payer:0:0"}


async def test_a_second_attempt_whose_outcome_is_unknown_too_is_asked_about_again() -> None:
    payments = Payments(unknown=2)
    async with running(PAYER, paying, payments.port) as (run, _):
        await run.turn()
        run.resolve({"resolution": "retry"})
        await run.turn()
        run.resolve({"resolution": "done", "value": "by hand"})
        result = await run.turn()
        assert [question.place for question in run.questions] == [
            "0:input:team/payer:0:0",
            "0:input:team/payer:0:0~1",
        ]
        assert result.output == 'The tool said "by hand"'
        assert payments.made == 0


async def test_parallel_calls_are_made_while_one_of_them_waits_for_a_human() -> None:
    payments = Payments(unknown=1)
    payments.port.handlers["a.slow"] = _slow

    def script(body: dict[str, Any]) -> Reply:
        if tool_results(body):
            return Text(json.dumps(tool_results(body)))
        return Calls([("pay_send", {"amount": 5}), ("a_slow", {})], ["x", "y"])

    async with running(PAYER, script, payments.port) as (run, _):
        await run.turn()
        assert "0:tool:team/payer:0:1" in memory_of(run.host).entries
        run.resolve({"resolution": "done", "value": 1})
        result = await run.turn()
        assert json.loads(str(result.output)) == ["1", '"slept"']
        assert [name for name, _, _ in payments.port.calls].count("a.slow") == 1


async def _slow() -> str:
    await asyncio.sleep(0.2)
    return "slept"
