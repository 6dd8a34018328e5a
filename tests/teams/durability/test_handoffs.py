from __future__ import annotations

import json
from typing import Any

import pytest

from saaf_autogen.journal import Answer, TurnResult
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.loading import load_agent
from saaf_autogen.testing.openai_server import Calls, Reply, Text
from tests.teams.durability.machine import ScriptedModels, port
from tests.teams.durability.shapes import (
    MODEL,
    SHAPES,
    TASK,
    Config,
    Script,
    Shape,
    agent,
    either,
    orchestrates,
    part,
    speaker,
    team,
)
from tests.teams.support import Host, Run, agent_file, request

TO_USER = part("conditions", "HandoffTermination", target="user")


def asks(body: dict[str, Any]) -> Reply:
    """Whoever may hand over to the user does so until the user has said yes."""
    told = [str(message["content"]) for message in body["messages"] if message["role"] == "user"]
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    over = [name for name in names if name.startswith("transfer_to")]
    if over and "yes" not in told:
        return Calls([(over[0], {})])
    return Text(f"{speaker(body)} saw {len(told)} of others")


def a_run(config: Config, script: Script = asks) -> Run:
    models = ScriptedModels(Shape("handoff", config, TASK, script))
    return Run(TeamExecutor(models, lambda *_: port()), agent_file(config), TASK, Host())


def answer(result: TurnResult, text: str = "yes") -> Answer:
    assert result.question is not None
    return Answer(result.question, text)


@pytest.mark.parametrize("kind", ["Swarm", "RoundRobinGroupChat"])
async def test_a_handoff_to_the_user_ends_the_turn_with_a_question(kind: str) -> None:
    run = a_run(
        team(kind, agent("a", handoffs=["user"]), termination_condition=TO_USER, max_turns=3)
    )
    first = await run.turn()
    assert first.question is not None
    assert (first.finished, first.stop_reason, first.output) == (False, None, None)
    assert first.state is not None
    assert first.question.kind == "handoff"
    assert first.question.place == "0:handoff"
    assert first.question.source == "a"
    assert first.question.prompt == "Transferred to user, adopting the role of user immediately."
    assert first.question.data == {"target": "user"}
    second = await run.turn(answer(first))
    assert second.question is None
    assert run.said()[-1] == ("a", "a saw 2 of others")


async def test_the_answer_goes_to_whoever_handed_over() -> None:
    config = team(
        "Swarm",
        agent("a", handoffs=["b"]),
        agent("b", handoffs=["user"]),
        termination_condition=TO_USER,
        max_turns=3,
    )
    run = a_run(config)
    assert (await run.turn()).question is None
    second = await run.turn()
    assert second.question is not None
    assert (second.question.source, second.question.place) == ("b", "1:handoff")
    await run.turn(answer(second))
    assert [source for source, _ in run.said()] == ["a", "b", "b"]


async def test_a_single_agent_hands_over_and_takes_the_answer() -> None:
    run = a_run(agent("solo", handoffs=["boss"]))
    first = await run.turn()
    assert first.question is not None
    assert first.question.data == {"target": "boss"}
    second = await run.turn(answer(first))
    assert second.finished
    assert second.output == "solo saw 2 of others"


async def test_a_question_may_come_again() -> None:
    run = a_run(agent("solo", handoffs=["user"]))
    first = await run.turn()
    second = await run.turn(answer(first, "not yet"))
    assert second.question is not None
    assert second.question.place == "1:handoff"
    third = await run.turn(answer(second))
    assert third.output == "solo saw 3 of others"


async def test_conditions_and_turns_count_anew_after_an_answer_as_in_autogen() -> None:
    limit = part("conditions", "MaxMessageTermination", max_messages=3)
    config = team(
        "RoundRobinGroupChat",
        agent("a", handoffs=["user"]),
        agent("b"),
        termination_condition=either(TO_USER, limit),
        max_turns=2,
    )
    run = a_run(config)
    result = await run.turn()
    for _ in range(2):
        if result.question is None:
            break
        result = await run.turn(answer(result))
    # The answer, b, then a: three messages, though the task and the handoff came before.
    assert not result.finished
    result = await run.turn()
    assert result.finished
    assert str(result.stop_reason).startswith("Maximum number of messages 3")
    assert [source for source, _ in run.said()] == ["a", "b", "a"]
    run = a_run({**config, "config": {**config["config"], "termination_condition": TO_USER}})
    await run.turn(answer(await run.turn()))
    result = await run.turn()
    assert result.stop_reason == "Maximum number of turns 2 reached."


async def test_a_limit_that_is_reached_with_the_handoff_ends_the_run() -> None:
    limit = part("conditions", "MaxMessageTermination", max_messages=2)
    config = team(
        "Swarm", agent("a", handoffs=["user"]), termination_condition=either(TO_USER, limit)
    )
    result = await a_run(config).turn()
    assert result.finished
    assert result.question is None


async def test_a_handoff_within_the_team_asks_nobody() -> None:
    config = team(
        "Swarm",
        agent("a", handoffs=["b"]),
        agent("b"),
        termination_condition=part("conditions", "HandoffTermination", target="b"),
    )
    result = await a_run(config).turn()
    assert result.finished
    assert "Handoff to b" in str(result.stop_reason)


async def test_stock_a_swarm_fails_at_a_handoff_that_nothing_stops_and_here_it_asks() -> None:
    config = team("Swarm", agent("a", handoffs=["user"]), max_turns=3)
    loaded = load_agent(config)
    models = ScriptedModels(Shape("handoff", config, TASK, asks))
    for _, model in loaded.models:
        model.bind(models)
    root: Any = loaded.root
    with pytest.raises(RuntimeError, match="AssertionError"):
        await root.run(task=TASK)
    run = a_run(config)
    first = await run.turn()
    assert first.question is not None
    assert (await run.turn(answer(first))).question is None


async def test_an_answer_goes_on_with_the_plan_of_magentic_one() -> None:
    def script(body: dict[str, Any]) -> Reply:
        if speaker(body):
            return asks(body)
        if str(body["messages"][-1]["content"]).startswith("\nRecall"):
            heard = [str(message["content"]) for message in body["messages"][:-1]]
            ledger = json.loads(str(orchestrates_ledger))
            ledger["is_request_satisfied"]["answer"] = any("saw" in item for item in heard)
            return Text(json.dumps(ledger))
        return orchestrates(body)

    entry = {
        "is_request_satisfied": False,
        "is_in_loop": False,
        "is_progress_being_made": True,
        "instruction_or_question": "Ask.",
        "next_speaker": "a",
    }
    orchestrates_ledger = json.dumps(
        {key: {"reason": "so", "answer": item} for key, item in entry.items()}
    )
    config = team(
        "MagenticOneGroupChat",
        agent("a", handoffs=["user"]),
        model_client=MODEL,
        max_turns=8,
        max_stalls=3,
        final_answer_prompt="\nWe are working on the following task: sum up.",
        termination_condition=TO_USER,
    )
    run = a_run(config, script)
    first = await run.turn()
    assert first.question is not None
    second = await run.turn(answer(first))
    assert second.state is not None
    manager = second.state["agent"]["agent_states"]["MagenticOneOrchestrator"]
    assert (manager["task"], manager["n_rounds"]) == (TASK, 2)
    assert "yes" in [message["content"] for message in manager["message_thread"]]
    assert run.said()[-1] == ("a", "a saw 4 of others")
    assert (await run.turn()).output == "the final answer"


async def test_the_next_run_of_a_thread_counts_anew() -> None:
    shape = SHAPES["selector"]
    done = await a_run(shape.config, shape.script).finish()
    run = a_run(shape.config, shape.script)
    asked = request(run.definition, 0, "Once more.", json.loads(json.dumps(done.state)))
    first = await run.executor.execute(asked, run.host)
    assert first.state is not None
    assert not first.finished
    assert first.state["host"] == {"first_turn": 0, "output": run.said()[-1][1]}
    (counted,) = [item for key, item in first.state["inner"].items() if key.endswith("team")]
    assert counted["_message_count"] == 2
