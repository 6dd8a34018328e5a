"""What AutoGen's own states and runs leave out, one gap after the other: stock, and cured."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Team
from autogen_agentchat.conditions import MaxMessageTermination, TimeoutTermination
from autogen_agentchat.messages import MessageFactory, SelectorEvent, TextMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import (
    MagenticOneOrchestrator,
)
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_agentchat.tools._task_runner_tool import TaskRunnerTool
from autogen_core import CancellationToken
from autogen_core.models import SystemMessage
from autogen_core.tools import StaticStreamWorkbench, ToolOverride, ToolResult
from autogen_ext.models.replay import ReplayChatCompletionClient
from openai.types.chat import ParsedChatCompletion
from pydantic import BaseModel

from saaf_autogen.errors import ConfigurationError, TeamFailed
from saaf_autogen.teams import economies, inner_agents, magentic
from saaf_autogen.teams.conditions import condition_state, restore_condition
from saaf_autogen.teams.events import TurnEvents
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.inner_agents import manager_of
from saaf_autogen.teams.loading import LoadedAgent, load_agent
from saaf_autogen.teams.state import load_state, save_state
from saaf_autogen.testing.openai_server import Reply, Text
from tests.teams.durability.machine import Durable, ScriptedModels, port
from tests.teams.durability.shapes import (
    SHAPES,
    TASK,
    Shape,
    agent,
    either,
    part,
    saw,
    stop_at,
    team,
    verdict,
)
from tests.teams.support import Host, Run, agent_file


def bound(config: Mapping[str, Any], shape: Shape) -> LoadedAgent:
    loaded = load_agent(config)
    models = ScriptedModels(shape)
    for _, model in loaded.models:
        model.bind(models)
    for _, workbench in loaded.workbenches:
        workbench.bind(port())
    return loaded


async def saved_after_a_turn(name: str) -> dict[str, Any]:
    run = Durable(SHAPES[name])
    result = await run.begin()
    assert result.state is not None
    return result.state


@pytest.mark.parametrize(
    ("name", "agent_name", "lost"),
    [
        ("agent_tool", "editor", "writer saw 4"),
        ("team_tool", "boss", "x saw 4"),
        ("society", "s", TASK),
    ],
)
async def test_stock_what_an_inner_agent_knows_is_not_in_the_state_of_its_agent(
    name: str, agent_name: str, lost: str
) -> None:
    state = await saved_after_a_turn(name)
    stock = json.dumps(state["agent"]["agent_states"][agent_name]["agent_state"])
    inner = json.dumps(state["inner"])
    assert f'"{lost}", "source": "{lost[:1]}' not in stock
    assert lost in inner


async def test_stock_a_filtered_agent_has_no_state_at_all() -> None:
    run = Durable(SHAPES["filtered"])
    await run.run()
    state = run.requests[-1][0].state
    assert state is not None
    stock = state["agent"]["agent_states"]["f"]["agent_state"]
    assert set(stock) == {"type", "version"}
    assert "inside saw 4" in json.dumps(state["inner"])


async def test_stock_a_condition_forgets_its_count_and_its_start() -> None:
    config = team(
        "RoundRobinGroupChat",
        agent("a"),
        termination_condition=either(
            part("conditions", "MaxMessageTermination", max_messages=9),
            part("conditions", "TimeoutTermination", timeout_seconds=100),
            stop_at("never"),
        ),
    )
    first = bound(config, SHAPES["single"])
    counting = {type(item): item for _, item in first.parts}
    counting[MaxMessageTermination]._message_count = 7
    counting[TimeoutTermination]._start_time -= 50
    second, third = load_agent(config), load_agent(config)
    stock = await first.root.save_state()
    await second.root.load_state(json.loads(json.dumps(stock, default=str)))
    await load_state(third, await save_state(first, finished=False))
    counts = [
        {type(item): item for _, item in loaded.parts}[MaxMessageTermination]._message_count
        for loaded in (second, third)
    ]
    starts = [
        {type(item): item for _, item in loaded.parts}[TimeoutTermination]._start_time
        for loaded in (second, third)
    ]
    assert counts == [0, 7]
    assert 49 < starts[0] - starts[1] < 51


async def test_what_conditions_counted_ends_with_the_run() -> None:
    loaded = load_agent(SHAPES["selector"].config)
    (limit,) = [item for _, item in loaded.parts if isinstance(item, MaxMessageTermination)]
    limit._message_count = 3
    going, done = [await save_state(loaded, finished=finished) for finished in (False, True)]
    assert [len(state["inner"]) for state in (going, done)] == [1, 0]


async def test_a_state_of_another_condition_is_refused() -> None:
    state = condition_state(TimeoutTermination(1))
    with pytest.raises(KeyError, match="_timeout_seconds"):
        restore_condition(MaxMessageTermination(1), state)


async def test_stock_a_graph_forgets_which_of_its_groups_were_triggered() -> None:
    run = Durable(SHAPES["graph_loop"])
    await run.run()
    # After b's first "again", a is ready by the group "loop", which must be armed anew.
    state = run.requests[2][0].state
    assert state is not None
    manager = state["agent"]["agent_states"]["GraphManager"]
    assert manager["ready"] == ["a"]
    assert "triggered" not in json.dumps(manager)
    (groups,) = [value for key, value in state["inner"].items() if key.endswith(":team")]
    assert groups == {"a": ["loop"]}


async def test_stock_magentic_one_fails_without_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MagenticOneOrchestrator, "handle_start", magentic.stock_start)
    # Handlers were found once for the class.
    monkeypatch.setattr(economies, "_handlers", WeakKeyDictionary())
    run = Durable(SHAPES["magentic"])
    with pytest.raises(TeamFailed, match="AssertionError"):
        await run.run()
    assert len(run.requests) == 2


async def test_magentic_one_counts_the_rounds_of_each_task_from_the_start() -> None:
    loaded = bound(SHAPES["magentic"].config, SHAPES["magentic"])
    root: Any = loaded.root
    for _ in range(3):
        await root.run(task=TASK)
    manager: Any = await manager_of(root)
    assert manager._n_rounds == 4  # of each of the three


async def test_magentic_one_tells_no_task_that_it_was_asked_not_to_tell() -> None:
    root: Any = bound(SHAPES["magentic"].config, SHAPES["magentic"]).root
    quiet = await root.run(task=TASK, output_task_messages=False)
    told = await root.run(task=TASK)
    assert [message.source for message in quiet.messages].count("user") == 0
    assert [message.source for message in told.messages].count("user") == 1


def judge(name: str, **schema: Any) -> dict[str, Any]:
    return agent(name, structured_message_factory=verdict(f"{name}_answer"), **schema)


async def test_stock_a_team_knows_no_structured_message() -> None:
    shape = SHAPES["structured"]
    root: Any = Team.load_component(shape.config)
    assert isinstance(root, BaseGroupChat)
    loaded = load_agent(shape.config)
    (message,) = {
        item.StructuredMessage for _, item in loaded.parts if hasattr(item, "StructuredMessage")
    }
    assert not root._message_factory.is_registered(message)
    assert loaded.teams[0]._message_factory.is_registered(message)


async def test_structured_answers_pass_through_teams_within_teams_and_back_out_of_a_state() -> None:
    inner = team("RoundRobinGroupChat", judge("x"), judge("y"), name="inner", max_turns=2)
    shape = Shape("deep", team("RoundRobinGroupChat", inner, agent("b"), max_turns=3), TASK, judges)
    run = Durable(shape)
    story = await run.run()
    assert [source for source, _ in story.said] == ["x", "y", "b", "x", "y"]
    assert json.loads(str(story.output)) == {"verdict": "y saw 6", "score": 7}
    last = list(run.store.log.values())[-1]
    assert last.data["data"] == {"verdict": "y saw 6", "score": 7}


def judges(body: dict[str, Any]) -> Reply:
    if "response_format" not in body:
        return saw(body)
    return Text(json.dumps({"verdict": saw(body).content, "score": 7}))


def test_two_shapes_of_answers_under_one_name_are_refused() -> None:
    other = verdict("x_answer")
    other["config"]["json_schema"] = {
        "type": "object",
        "properties": {"other": {"type": "string"}},
        "required": ["other"],
    }
    config = team("RoundRobinGroupChat", judge("x"), agent("y", structured_message_factory=other))
    with pytest.raises(ConfigurationError, match="x_answer") as refused:
        load_agent(config)
    assert "content_model_name" in str(refused.value.remedy)


def test_answers_without_a_name_are_called_after_their_agents() -> None:
    agents = [judge("x"), judge("y")]
    for config in agents:
        config["config"]["structured_message_factory"]["config"]["content_model_name"] = None
    loaded = load_agent(team("RoundRobinGroupChat", *agents))
    names = {
        item.ContentModel.__name__ for _, item in loaded.parts if hasattr(item, "ContentModel")
    }
    assert names == {"x_answer", "y_answer"}


class Verdict(BaseModel):
    verdict: str
    score: int


@pytest.mark.parametrize("stock", [True, False])
async def test_a_structured_answer_is_not_warned_of_in_its_own_words(
    stock: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ScriptedModels(SHAPES["structured"]).connection("default")
    if stock:
        monkeypatch.setattr(ParsedChatCompletion, "model_dump", BaseModel.model_dump)
    asked = [SystemMessage(content="You are CANARY.")]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        await client.create(asked, json_output=Verdict)
    assert ("CANARY" in "".join(str(item.message) for item in told)) is stock


async def test_stock_a_selector_s_own_events_are_unknown_to_the_team_around_it() -> None:
    assert not MessageFactory().is_registered(SelectorEvent)
    loaded = load_agent(SHAPES["nested"].config)
    assert all(item._message_factory.is_registered(SelectorEvent) for item in loaded.teams)


async def test_a_selector_s_context_does_not_begin_again_with_its_first_messages() -> None:
    context = {
        "provider": "autogen_core.model_context.UnboundedChatCompletionContext",
        "config": {
            "initial_messages": [{"content": "Be fair.", "source": "user", "type": "UserMessage"}]
        },
    }
    config = {**SHAPES["selector"].config}
    config["config"] = {**config["config"], "model_context": context}
    first, second = load_agent(config), load_agent(config)
    root: Any = first.root
    context_of = [(await manager_of(item.root))._model_context for item in (first, second)]  # type: ignore[arg-type, attr-defined]  # selector teams
    await root.reset()
    assert await context_of[0].get_messages() == []
    await second.root.load_state(await first.root.save_state())
    assert len(await context_of[1].get_messages()) == 1
    await load_state(second, await save_state(first, finished=False))
    assert await context_of[1].get_messages() == []


class Unsteady(ReplayChatCompletionClient):
    """Fails at its first call, and says when calls overlap."""

    def __init__(self, fails: int) -> None:
        super().__init__(["one", "two", "three"])
        self.fails, self.now, self.most = fails, 0, 0

    async def create(self, *args: Any, **kwargs: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02)
        self.now -= 1
        self.fails -= 1
        if self.fails >= 0:
            raise RuntimeError("postgresql://root:hunter2@db")
        return await super().create(*args, **kwargs)


async def called(tool: Any, times: int) -> list[ToolResult]:
    workbench = StaticStreamWorkbench([tool])

    async def call() -> ToolResult:
        stream = workbench.call_tool_stream(tool.name, {"task": "go"}, CancellationToken())
        return [item async for item in stream][-1]

    return await asyncio.gather(*(call() for _ in range(times)))


@pytest.mark.parametrize(("stock", "most"), [(True, 2), (False, 1)])
async def test_calls_of_one_agent_as_a_tool_wait_for_one_another(
    stock: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stock:
        monkeypatch.setattr(TaskRunnerTool, "run_stream", inner_agents.stock_run_stream)
    model = Unsteady(0)
    await called(AgentTool(AssistantAgent("a", model), return_value_as_last_message=True), 2)
    assert model.most == most


@pytest.mark.parametrize("stock", [True, False])
async def test_what_fails_within_a_tool_keeps_its_words_to_itself(
    stock: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stock:
        monkeypatch.setattr(TaskRunnerTool, "run_stream", inner_agents.stock_run_stream)
    tools: list[Any] = [
        AgentTool(AssistantAgent("a", Unsteady(1))),
        TeamTool(RoundRobinGroupChat([AssistantAgent("a", Unsteady(1))], max_turns=1), "t", "t"),
    ]
    for tool in tools:
        (result,) = await called(tool, 1)
        assert result.is_error
        assert ("hunter2" in result.to_text()) is stock


@pytest.mark.parametrize("stock", [True, False])
async def test_a_team_that_failed_once_as_a_tool_works_again(
    stock: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stock:
        monkeypatch.setattr(TaskRunnerTool, "run_stream", inner_agents.stock_run_stream)
    inner = RoundRobinGroupChat([AssistantAgent("a", Unsteady(1))], max_turns=2)
    tool = TeamTool(inner, "t", "t")
    await called(tool, 1)
    (result,) = await called(tool, 1)
    assert result.to_text() == ("a: one" if stock else "a: one\n\na: two")


async def test_stock_a_tool_under_another_name_is_not_found() -> None:
    tool = AgentTool(AssistantAgent("a", Unsteady(0)))
    workbench = StaticStreamWorkbench([tool], {"a": ToolOverride(name="b")})
    assert [schema["name"] for schema in await workbench.list_tools()] == ["b"]
    (result,) = [item async for item in workbench.call_tool_stream("b", {"task": "go"})]
    assert "not found" in result.to_text()


async def test_every_loaded_team_has_a_runtime_of_its_own() -> None:
    for shape in SHAPES.values():
        teams = load_agent(shape.config).teams
        assert all(item._embedded_runtime for item in teams)
        assert len({id(item._runtime) for item in teams}) == len(teams)


async def test_the_paths_of_models_name_who_asks() -> None:
    paths = {
        name: [path for path, _ in load_agent(SHAPES[name].config).models]
        for name in ("selector", "magentic", "society", "agent_tool", "team_tool", "filtered")
    }
    assert {name: sorted(set(found)) for name, found in paths.items()} == {
        "selector": ["team/a", "team/b", "team/selector"],
        "magentic": ["team/a", "team/b", "team/orchestrator"],
        "society": ["team/b", "team/s", "team/s/inner/x", "team/s/inner/y"],
        "agent_tool": ["team/b", "team/editor", "team/editor/tool:writer/writer"],
        "team_tool": [
            "team/b",
            "team/boss",
            "team/boss/tool:desk/inner/x",
            "team/boss/tool:desk/inner/y",
        ],
        "filtered": ["team/a", "team/f/inside"],
    }
    clash = {**SHAPES["selector"].config["config"], "participants": [agent("selector"), agent("b")]}
    config = {"provider": "autogen_agentchat.teams.SelectorGroupChat", "config": clash}
    assert "team/selector:model" in {path for path, _ in load_agent(config).models}


async def test_a_tool_of_agents_stands_beside_actions_in_one_agent() -> None:
    helper = part("tools", "AgentTool", agent=agent("helper"), return_value_as_last_message=True)
    bench = {
        "provider": "autogen_core.tools.StaticStreamWorkbench",
        "config": {"tools": [helper]},
    }
    actions = {"provider": "saaf_autogen.ActionWorkbench", "config": {"actions": ["probe.*"]}}
    both = agent("a", workbench=[actions, bench], max_tool_iterations=3)

    def script(body: dict[str, Any]) -> Reply:
        tools = [tool["function"]["name"] for tool in body.get("tools", ())]
        assert tools in ([], ["probe_note", "helper"])
        return Text("done")

    models = ScriptedModels(Shape("both", both, TASK, script))
    run = Run(TeamExecutor(models, lambda *_: port()), agent_file(both), TASK, Host())
    assert (await run.finish()).output == "done"


async def test_two_loads_of_one_config_share_nothing_that_remembers() -> None:
    for shape in SHAPES.values():
        first, second = load_agent(shape.config), load_agent(shape.config)
        assert not {id(item) for _, item in first.parts} & {id(item) for _, item in second.parts}


def test_events_have_the_same_names_in_whatever_order_parallel_branches_come() -> None:
    said = [
        TextMessage(content=content, source=source)
        for source, content in [("user", "a"), ("user", "b"), ("x", "a"), ("user", "a")]
    ]
    names = []
    for order in (said, said[::-1]):
        events = TurnEvents(3)
        names.append({event.key for message in order for event in events.of(message)})
    assert names[0] == names[1]
    assert len(names[0]) == 4
    assert all(name.startswith("3:") for name in names[0])
