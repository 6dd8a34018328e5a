from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from saaf_autogen.errors import ModelFailed
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.testing.model_faults import FAULTS, TOOL, ModelFault
from saaf_autogen.testing.openai_server import Calls, OpenAIServer, Reply, Text
from tests.teams.support import FunctionPort, Run, agent_file, assistant, openai_models, team
from tests.teams.support import workbench as actions


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def agent(*, streams: bool) -> dict[str, Any]:
    return assistant(
        "a", workbench=actions("*"), max_tool_iterations=4, model_client_stream=streams
    )


async def run_with(fault: ModelFault, *, at: int, streams: bool) -> Run:
    """A run in which the model goes wrong from its nth call on, or once where the run goes on."""
    asked = 0
    reply = fault.stream_reply if streams else fault.reply
    kind = fault.stream_kind if streams else fault.kind

    def script(body: dict[str, Any]) -> Reply:
        nonlocal asked
        asked += 1
        if asked <= at:
            return Calls([(TOOL, {"a": asked, "b": 1})])
        wrong = asked == at + 1 or kind is not None
        return reply if wrong else Text("All is well.")

    with OpenAIServer(script) as server:
        registry = openai_models(server.base_url, timeout_s=0.3 if kind == "timeout" else 5)
        executor = TeamExecutor(registry, lambda *_: FunctionPort(math__add=add))
        config = team(agent(streams=streams), max_turns=1)
        run = Run(executor, agent_file(config), "Go on.")
        before = asyncio.all_tasks()
        try:
            await run.finish()
        finally:
            assert asyncio.all_tasks() == before
            await registry.close()
    return run


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("at", [0, 2], ids=["first", "later"])
@pytest.mark.filterwarnings("ignore:No text content or tool calls")
@pytest.mark.filterwarnings("ignore:Finish reason mismatch")
async def test_every_fault_of_a_model_is_a_typed_error_or_something_to_go_on_from(
    fault: ModelFault, streams: bool, at: int
) -> None:
    kind = fault.stream_kind if streams else fault.kind
    if kind is None:
        run = await run_with(fault, at=at, streams=streams)
        assert run.results[-1].finished
        return
    with pytest.raises(ModelFailed) as failed:
        await run_with(fault, at=at, streams=streams)
    assert failed.value.extra["kind"] == kind
    assert failed.value.extra["model"] == "default"
    assert failed.value.detail.startswith("The model 'default' ")
    assert failed.value.remedy
    assert "SECRET" not in str(failed.value.problem())


BAD_CALLS = [fault for fault in FAULTS if isinstance(fault.reply, Calls)]


@pytest.mark.parametrize("fault", BAD_CALLS, ids=lambda fault: fault.name)
async def test_a_bad_tool_call_is_an_error_result_that_the_model_goes_on_from(
    fault: ModelFault,
) -> None:
    run = await run_with(fault, at=1, streams=False)
    results = [event.data for event in run.events if event.type == "tool.result"]
    assert [result["is_error"] for result in results] == [False, True]
    assert "Traceback" not in str(results[-1])
    assert run.results[-1].output == "All is well."


async def test_a_model_that_nobody_serves_is_a_typed_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    registry = openai_models(f"http://127.0.0.1:{port}/v1")
    run = Run(
        TeamExecutor(registry, lambda *_: FunctionPort(math__add=add)),
        agent_file(team(agent(streams=False), max_turns=1)),
        "Go on.",
    )
    with pytest.raises(ModelFailed) as failed:
        await run.finish()
    await registry.close()
    assert failed.value.extra["kind"] == "connection"
    assert registry.waits == [0.5, 1.0]  # type: ignore[attr-defined]  # set by the support


def test_the_table_names_each_fault_once() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names) >= 15
