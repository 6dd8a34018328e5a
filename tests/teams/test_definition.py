from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.base import Team

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.settings import parse_document, read_document
from saaf_autogen.teams.definition import AgentDefinition, read_definition
from saaf_autogen.teams.loading import load_agent
from tests.teams.support import agent_file, assistant, team

FLIGHTS = Path(__file__).parents[2] / "agents" / "flights.yaml"
SINGLE = """
provider: autogen_agentchat.agents.AssistantAgent
config:
  name: clerk
  description: A clerk.
  model_client: {provider: saaf_autogen.ModelClient, config: {name: default}}
  reflect_on_tool_use: false
  tool_call_summary_format: "{result}"
"""


def findings(text: str, file: str = "clerk.yaml", **options: Any) -> list[str]:
    document = parse_document(text, Path(file))
    assert read_definition(document, **options) is None
    return [str(finding) for finding in document.findings]


def test_the_sample_agent_is_read_with_what_it_may_do() -> None:
    document = read_document(FLIGHTS)
    definition = read_definition(document, models=["default"])
    assert document.findings == []
    assert definition is not None
    assert definition.id == "flights"
    assert definition.scopes == ("warehouse:query", "semantic:read")
    assert definition.resources == ("wh://nyc/*",)
    assert definition.output_from == "analyst"
    assert definition.models() == ("default",)
    assert "saaf" not in definition.config


def test_autogen_itself_loads_the_sample_agent_without_the_saaf_key() -> None:
    config = {key: value for key, value in read_document(FLIGHTS).data.items() if key != "saaf"}
    assert isinstance(Team.load_component(config), Team)


def test_a_snapshot_reads_back_as_the_same_definition() -> None:
    definition = read_definition(read_document(FLIGHTS))
    assert definition is not None
    assert AgentDefinition.from_snapshot("flights", definition.snapshot()) == definition


def test_an_altered_snapshot_is_checked_again() -> None:
    snapshot = agent_file(team(assistant("a")))
    snapshot["config"]["participants"][0]["provider"] = "os.system"
    with pytest.raises(ConfigurationError, match=r"os\.system"):
        AgentDefinition.from_snapshot("a", snapshot)


def test_scopes_are_required_with_the_line_and_what_to_add() -> None:
    (found,) = findings(SINGLE)
    assert "saaf.scopes is required" in found
    assert "add `saaf: {scopes" in found
    (found,) = findings("saaf: {title: x}\n" + SINGLE)
    assert found.startswith("clerk.yaml:1: scopes is required")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("scopes: [warehouse]", "clerk.yaml:2: scopes: warehouse: a scope is written pack:verb"),
        ("scopes: []\n  resources: [nyc]", "clerk.yaml:3: resources: nyc: a resource is written"),
        ("scopes: []\n  nonsense: 1", "clerk.yaml:3: nonsense: unknown key"),
        ("scopes: []\n  output_from: bob", "clerk.yaml:3: output_from names 'bob'"),
    ],
)
def test_a_fault_of_the_head_is_found_at_its_line(head: str, expected: str) -> None:
    (found,) = findings(f"saaf:\n  {head}\n{SINGLE}")
    assert found.startswith(expected)


def test_a_refused_provider_is_found_at_its_line_with_its_remedy() -> None:
    text = "saaf: {scopes: []}\n" + SINGLE.replace(
        "saaf_autogen.ModelClient", "autogen_ext.models.openai.OpenAIChatCompletionClient"
    )
    (found,) = findings(text)
    assert found.startswith("clerk.yaml:7:")
    assert "saaf_autogen.ModelClient" in found


def test_a_model_that_saaf_yaml_does_not_have_is_found() -> None:
    (found,) = findings("saaf: {scopes: []}\n" + SINGLE, models=["fast"])
    assert "saaf.yaml has no model 'default'" in found
    assert "models: fast" in found


@pytest.mark.parametrize("text", ["", "- 1", "x"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    assert "mapping" in findings(text)[0]


def test_a_file_name_that_is_no_id_is_refused() -> None:
    assert "is no agent id" in findings("saaf: {scopes: []}\n" + SINGLE, "My Agent.yaml")[0]


def test_what_autogen_refuses_is_a_configuration_error_that_names_the_place() -> None:
    with pytest.raises(ConfigurationError, match="participants"):
        load_agent({"provider": "autogen_agentchat.teams.RoundRobinGroupChat", "config": {}})
    with pytest.raises(ConfigurationError, match="unique"):
        load_agent(team(assistant("a"), assistant("a")))
    with pytest.raises(ConfigurationError, match="neither a team nor an agent"):
        load_agent({"provider": "saaf_autogen.ModelClient", "config": {}})


def test_a_team_within_a_team_need_not_say_that_it_is_one() -> None:
    for kind in ("RoundRobinGroupChat", "SelectorGroupChat"):
        inner = team(assistant("deep"), name="inner")
        selector = {"model_client": assistant("x")["config"]["model_client"]}
        selector |= {"selector_prompt": "{roles}", "allow_repeated_speaker": True}
        outer = team(assistant("a"), inner, kind=kind)
        outer["config"] |= selector if kind == "SelectorGroupChat" else {}
        assert len(load_agent(outer).teams) == 2


def test_the_parts_of_a_loaded_agent_come_with_their_component_paths() -> None:
    inner = team(assistant("deep"), name="inner")
    loaded = load_agent(team(assistant("top"), inner))
    assert isinstance(loaded.root, Team)
    assert [path for path, _ in loaded.models] == ["team/top", "team/inner/deep"]
    assert [member.name for member in loaded.teams] == ["inner", "RoundRobinGroupChat"]
    assert [path for path, _ in load_agent(assistant("solo")).models] == ["solo"]
