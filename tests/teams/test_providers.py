from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from saaf_autogen.teams.providers import (
    ALLOWED_PROVIDERS,
    allowed_providers,
    check_providers,
    remedy_for,
)
from tests.teams.durability.shapes import SHAPES, Shape, part
from tests.teams.support import assistant, condition, team, workbench

REFUSED = [
    "autogen_core.tools.FunctionTool",
    "autogen_core.tools.StaticWorkbench",
    "autogen_core.memory.ListMemory",
    "autogen_ext.code_executors.local.LocalCommandLineCodeExecutor",
    "autogen_ext.code_executors.docker.DockerCommandLineCodeExecutor",
    "autogen_ext.code_executors.jupyter.JupyterCodeExecutor",
    "autogen_ext.tools.code_execution.PythonCodeExecutionTool",
    "autogen_ext.tools.mcp.McpWorkbench",
    "autogen_ext.tools.mcp.StdioMcpToolAdapter",
    "autogen_ext.tools.http.HttpTool",
    "autogen_ext.models.cache.ChatCompletionCache",
    "autogen_ext.cache_store.diskcache.DiskCacheStore",
    "autogen_ext.memory.chromadb.ChromaDBVectorMemory",
    "autogen_ext.models.openai.OpenAIChatCompletionClient",
    "autogen_ext.models.replay.ReplayChatCompletionClient",
    "OpenAIChatCompletionClient",
    "azure_openai_chat_completion_client",
    "saaf_autogen.OfflineModel",
    "autogen_agentchat.agents.CodeExecutorAgent",
    "autogen_agentchat.agents.OpenAIAssistantAgent",
    "autogen_agentchat.tools._agent.AgentTool",
    "autogen_agentchat.tools.TaskRunnerTool",
    "autogen_agentchat.conditions.FunctionalTermination",
    "autogen_ext.teams.magentic_one.MagenticOne",
    "autogen_agentchat.agents._assistant_agent.AssistantAgent",
    "autogen_agentchat.teams.RoundRobinGroupChat ",
    "os.system",
    "",
]


def with_model(provider: str) -> dict[str, Any]:
    return team(assistant("a", model_client={"provider": provider, "config": {}}))


@pytest.mark.parametrize("provider", REFUSED)
def test_a_provider_that_is_not_listed_exactly_is_refused_with_a_remedy(provider: str) -> None:
    refusals = check_providers(with_model(provider))
    place = ("config", "participants", 0, "config", "model_client", "provider")
    assert [refusal.place for refusal in refusals] == [place]
    assert repr(provider) in refusals[0].message
    assert len(refusals[0].remedy) > 20


@pytest.mark.parametrize(
    ("provider", "word"),
    [
        ("autogen_core.tools.FunctionTool", "@action"),
        ("autogen_ext.models.openai.OpenAIChatCompletionClient", "saaf_autogen.ModelClient"),
        ("autogen_ext.tools.mcp.McpWorkbench", "@action"),
        ("autogen_ext.tools.http.HttpTool", "@action"),
        ("autogen_ext.models.cache.ChatCompletionCache", "saaf.yaml"),
        ("autogen_ext.memory.chromadb.ChromaDBVectorMemory", "system message"),
        ("autogen_ext.code_executors.local.LocalCommandLineCodeExecutor", "Code execution"),
        ("autogen_agentchat.agents.CodeExecutorAgent", "@action"),
        ("acme.agents.Special", "trusted_providers"),
    ],
)
def test_the_remedy_says_what_to_write_instead(provider: str, word: str) -> None:
    assert word in remedy_for(provider)


def test_a_provider_that_the_deployment_trusts_is_let_through_by_its_exact_name() -> None:
    config = with_model("acme.models.Special")
    assert check_providers(config, ["acme.models.Special"]) == []
    assert check_providers(config, ["acme.models"]) != []
    assert allowed_providers(["x.Y"]) == ALLOWED_PROVIDERS | {"x.Y"}


def test_an_ordinary_team_with_nested_teams_and_conditions_is_let_through() -> None:
    inner = team(assistant("c"), name="inner", max_turns=1)
    config = team(
        assistant("a", workbench=workbench("warehouse.*"), metadata={"team": "sales"}),
        inner,
        termination_condition={
            "provider": "autogen_agentchat.base.OrTerminationCondition",
            "config": {"conditions": [condition("MaxMessageTermination", max_messages=3)]},
        },
    )
    assert check_providers(config) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tool_call_summary_format", "{tool_name}({arguments}) = {result!r} {is_error} {{x}}"),
        ("selector_prompt", "{roles} {participants} {history}"),
        ("format_string", "{verdict} of {score}"),
        ("format_string", None),
        ("tool_overrides", {}),
    ],
)
def test_plain_formats_are_let_through(key: str, value: Any) -> None:
    assert check_providers(team(assistant("a", **{key: value}))) == []


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_every_shape_is_let_through(shape: Shape) -> None:
    assert check_providers(shape.config) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tools", ["os.system"]),
        ("tools", [{"name": "x", "source_code": "1"}]),
        ("tools", "print"),
        ("memory", [{"config": {}}]),
        ("workbench", [{"provider": 7}]),
        ("workbench", "saaf_autogen.ActionWorkbench"),
        ("model_client", "gpt-4o"),
        ("model_context", []),
        ("tool_call_summary_format", "{result.__class__}"),
        ("tool_call_summary_format", "{result:>999999999}"),
        ("tool_call_summary_format", "{"),
        ("selector_prompt", "{roles.__class__}"),
        ("selector_prompt", "{history:>999999999}"),
        ("selector_prompt", "{secrets}"),
        ("format_string", "{verdict.__class__}"),
        ("format_string", "{verdict:>999999999}"),
        ("tool_overrides", {"a": {"name": "b"}}),
    ],
)
def test_what_has_an_unknown_shape_is_refused(key: str, value: Any) -> None:
    assert check_providers(team(assistant("a", **{key: value})))


@pytest.mark.parametrize("config", [None, [], "x", {}, {"config": {}}])
def test_what_is_no_component_at_all_is_refused(config: Any) -> None:
    assert check_providers(config)


EVIL = {
    "provider": "autogen_core.tools.FunctionTool",
    "config": {
        "name": "evil",
        "description": "x",
        "source_code": "def evil() -> str:\n    import antigravity_of_evil\n",
        "global_imports": ["evil_module"],
        "has_cancellation_support": False,
    },
}
NESTED: dict[str, dict[str, Any]] = {
    "root": EVIL,
    "participant": team(EVIL),
    "tools": team(assistant("a", tools=[EVIL])),
    "workbench": team(assistant("a", workbench=[EVIL])),
    "workbench_tools": team(
        assistant(
            "a",
            workbench=[
                {"provider": "autogen_core.tools.StaticWorkbench", "config": {"tools": [EVIL]}}
            ],
        )
    ),
    "model_client": team(assistant("a", model_client=EVIL)),
    "model_context": team(assistant("a", model_context=EVIL)),
    "memory": team(assistant("a", memory=[EVIL])),
    "termination": team(assistant("a"), termination_condition=EVIL),
    "deep_condition": team(
        assistant("a"),
        termination_condition={
            "provider": "autogen_agentchat.base.AndTerminationCondition",
            "config": {"conditions": [condition("MaxMessageTermination", max_messages=1), EVIL]},
        },
    ),
    "nested_team": team(team(team(assistant("a", tools=[EVIL]), name="y"), name="x")),
    "agent_tool": team(
        assistant("a", tools=[part("tools", "AgentTool", agent=assistant("b", tools=[EVIL]))])
    ),
    "team_tool": team(
        assistant("a", tools=[part("tools", "TeamTool", name="t", description="t", team=EVIL)])
    ),
    "answers": team(assistant("a", structured_message_factory=EVIL)),
    "stream_workbench": team(
        assistant(
            "a",
            workbench=[
                {
                    "provider": "autogen_core.tools.StaticStreamWorkbench",
                    "config": {"tools": [EVIL]},
                }
            ],
        )
    ),
    "orchestrator": team(assistant("a"), kind="MagenticOneGroupChat", model_client=EVIL),
    "society": {
        "provider": "autogen_agentchat.agents.SocietyOfMindAgent",
        "config": {"name": "s", "team": team(EVIL), "model_client": EVIL},
    },
    "filtered": {
        "provider": "autogen_agentchat.agents.MessageFilterAgent",
        "config": {"name": "f", "wrapped_agent": EVIL, "filter": {"per_source": []}},
    },
    "unknown_key": team(assistant("a", something={"else": [{"deep": EVIL}]})),
}
# Once everything of ours is imported, an audit hook watches for any import, compile or exec.
CHILD = """
import importlib, json, sys
importlib.import_module("saaf_autogen.teams.loading")
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.teams.loading import load_agent, _session, _Session
from saaf_autogen.teams.providers import ALLOWED_PROVIDERS
from autogen_core import ComponentLoader
configs = json.load(sys.stdin)
seen = []
def hook(event, arguments):
    if event in ("import", "compile", "exec", "os.system", "subprocess.Popen"):
        seen.append((event, str(arguments)[:200]))
refused = {}
sys.addaudithook(hook)
for name, config in configs.items():
    before = len(seen)
    try:
        load_agent(config)
        refused[name] = "loaded"
    except ConfigurationError as error:
        refused[name] = "refused" if "FunctionTool" in error.detail else str(error)
    except BaseException as error:
        refused[name] = repr(error)
    if len(seen) > before:
        refused[name] = seen[before:]
# The second guard alone: nested loads while we load, although the walk saw nothing.
token = _session.set(_Session(ALLOWED_PROVIDERS))
before = len(seen)
try:
    ComponentLoader.load_component(configs["root"], object)
    refused["guard"] = "loaded"
except ConfigurationError:
    refused["guard"] = "refused" if len(seen) == before else seen[before:]
_session.reset(token)
print(json.dumps(refused))
"""


def test_source_code_in_a_config_is_refused_before_anything_is_imported_or_executed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(NESTED),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome == dict.fromkeys([*NESTED, "guard"], "refused")


def test_the_check_alone_imports_no_autogen() -> None:
    code = (
        "import sys; from saaf_autogen.teams.definition import read_definition;"
        "import saaf_autogen; print([m for m in sys.modules if m.startswith('autogen')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
