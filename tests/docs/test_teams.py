"""The guide's agents load and run, and its tables name all that configs may."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from saaf_autogen.journal import Answer
from saaf_autogen.settings import Document
from saaf_autogen.teams.definition import read_definition
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.loading import load_agent
from saaf_autogen.teams.providers import AGENTS, TEAMS, TOOLS
from saaf_autogen.testing.openai_server import Calls, Reply, Text
from tests.conftest import ROOT
from tests.teams.durability.machine import ScriptedModels
from tests.teams.durability.shapes import SHAPES, Shape
from tests.teams.support import FunctionPort, Host, Run

GUIDE = (ROOT / "docs" / "teams.md").read_text()
FILES: dict[str, Any] = {
    name: yaml.safe_load(text)
    for text, name in re.findall(r"```yaml\n(# agents/(\w+)\.yaml\n.*?)```", GUIDE, re.DOTALL)
}


@pytest.mark.parametrize("name", FILES)
def test_the_agents_of_the_guide_are_agents(name: str) -> None:
    document = Document(Path(f"{name}.yaml"), FILES[name])
    definition = read_definition(document, models=["default"])
    assert document.findings == []
    assert definition is not None
    assert load_agent(definition.config).models


def test_the_guide_says_of_every_team_agent_and_tool_what_its_turn_is() -> None:
    table = GUIDE.split("## What a turn is")[1].split("`max_turns` of")[0]
    for provider in TEAMS | AGENTS | TOOLS:
        assert f"`{provider.rsplit('.', 1)[1]}`" in table, provider


def test_the_guide_names_paths_as_they_are() -> None:
    paths = {path for shape in SHAPES.values() for path, _ in load_agent(shape.config).models}
    for path in ("team/selector", "team/orchestrator"):
        assert path in paths
        assert f"`{path}`" in GUIDE
    desk = [
        path
        for path, _ in load_agent({k: v for k, v in FILES["desk"].items() if k != "saaf"}).models
    ]
    assert desk == ["editor", "editor/tool:writer/writer"]


def script(body: dict[str, Any]) -> Reply:
    tools = [tool["function"]["name"] for tool in body.get("tools", ())]
    asked = any(message["role"] == "tool" for message in body["messages"])
    if "response_format" in body:
        return Text(json.dumps({"verdict": "fine", "score": 7}))
    if tools and not asked:
        call = {"task": "Write."} if tools[-1] == "writer" else {}
        return Calls([(tools[-1], call)])
    return Text("It is written. DONE")


async def a_run(name: str) -> Run:
    models = ScriptedModels(Shape(name, FILES[name], "Go.", script))
    return Run(TeamExecutor(models, lambda *_: FunctionPort()), FILES[name], "Go.", Host())


async def test_the_editor_of_the_guide_has_its_writer_write() -> None:
    run = await a_run("desk")
    assert (await run.finish()).output == "It is written. DONE"
    assert [source for source, _ in run.said()] == ["user", "writer", "editor"]


async def test_the_judge_of_the_guide_answers_with_data() -> None:
    run = await a_run("judge")
    result = await run.finish()
    assert json.loads(str(result.output)) == {"verdict": "fine", "score": 7}
    assert run.events[-1].data["data"] == {"verdict": "fine", "score": 7}


async def test_the_clerk_of_the_guide_asks_a_human() -> None:
    run = await a_run("support")
    first = await run.turn()
    assert first.question is not None
    assert first.question.data == {"target": "user"}
    assert (await run.turn(Answer(first.question, "Yes."))).finished
