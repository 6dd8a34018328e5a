from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import CreateResult, RequestUsage
from autogen_core.tools import ToolResult

from saaf_autogen.actions.spec import ActionOutcome, ActionSpec
from saaf_autogen.errors import (
    ConfigurationError,
    InsufficientScope,
    ResourceDenied,
    Unauthenticated,
    Unavailable,
)
from saaf_autogen.teams.binding import TurnScope
from saaf_autogen.teams.workbench import ActionWorkbench
from tests.teams.support import FunctionPort, Host, flights_port


def content(result: ToolResult) -> Any:
    return json.loads(result.to_text())


def bound(port: FunctionPort, *patterns: str) -> ActionWorkbench:
    bench = ActionWorkbench(patterns or ("*",))
    bench.bind(port)
    return bench


def adder(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


async def test_it_offers_the_actions_that_match_under_names_without_dots() -> None:
    port = flights_port()
    port.handlers["math.add"] = adder
    tools = await bound(port, "warehouse.*", "math.add").list_tools()
    assert [tool["name"] for tool in tools] == ["math_add", "warehouse_query"]
    assert [tool.get("strict") for tool in tools] == [True, True]
    assert tools[0].get("description") == "Adds."


async def test_it_asks_for_the_list_once() -> None:
    port = flights_port()
    bench = bound(port)
    for _ in range(3):
        await bench.list_tools()
        await bench.call_tool("semantic_context", {"question": "x"})
    assert port.listed == 1


async def test_a_call_reaches_the_action_without_its_nulls_and_with_its_key() -> None:
    port = flights_port()
    arguments = {"sql": "SELECT 1", "parameters": None, "warehouse": None, "max_rows": None}
    bench = ActionWorkbench(["*"])
    bench.bind(port, TurnScope("r", 0, port, Host()).ledger("team/a"))
    await bench.list_tools()
    result = await bench.call_tool("warehouse_query", arguments, call_id="3")
    assert not result.is_error
    assert content(result)["rows"] == [[4189]]
    assert port.calls == [("warehouse.query", {"sql": "SELECT 1"}, "r:0:tool:team/a:0:0")]


@pytest.mark.parametrize(
    "sent",
    [{"carrier": "UA", "n": 2}, [{"name": "carrier", "value": "UA"}, {"name": "n", "value": 2}]],
)
async def test_a_map_is_taken_as_a_map_or_as_the_pairs_that_strict_mode_needs(sent: Any) -> None:
    port = flights_port()
    await bound(port).call_tool("warehouse_query", {"sql": "x", "parameters": sent})
    assert port.calls[0][1] == {"sql": "x", "parameters": {"carrier": "UA", "n": 2}}


async def test_a_cut_value_comes_with_the_sentence_that_says_so() -> None:
    port = FunctionPort(a__b=lambda: ActionOutcome([1], cut="at 1 row"))
    assert content(await bound(port).call_tool("a_b")) == {"value": [1], "cut": "at 1 row"}


async def test_a_refusal_is_an_error_result_with_code_detail_and_remedy() -> None:
    def refuse() -> None:
        raise ResourceDenied("No grant covers wh://nyc/main.planes.", remedy="Ask an admin.")

    result = await bound(FunctionPort(a__b=refuse)).call_tool("a_b")
    assert result.is_error
    assert content(result) == {
        "error": "resource_denied",
        "detail": "No grant covers wh://nyc/main.planes.",
        "remedy": "Ask an admin.",
    }


async def test_a_missing_scope_is_named() -> None:
    def refuse() -> None:
        raise InsufficientScope(["warehouse:query"], action="a.b")

    said = content(await bound(FunctionPort(a__b=refuse)).call_tool("a_b"))
    assert said["error"] == "insufficient_scope"
    assert "warehouse:query" in said["detail"]


async def test_the_text_of_a_foreign_exception_never_reaches_the_model() -> None:
    def fail() -> None:
        raise RuntimeError("postgresql://root:hunter2@db")

    result = await bound(FunctionPort(a__b=fail)).call_tool("a_b")
    assert result.is_error
    assert content(result)["error"] == "internal"
    assert "hunter2" not in result.to_text()


async def test_a_tool_that_is_not_offered_cannot_be_called() -> None:
    port = flights_port()
    result = await bound(port, "semantic.*").call_tool("warehouse_query", {"sql": "x"})
    assert result.is_error
    assert content(result)["error"] == "not_found"
    assert port.calls == []


async def test_unbound_every_call_is_refused() -> None:
    bench = ActionWorkbench.load_component(
        {"provider": "saaf_autogen.ActionWorkbench", "config": {"actions": ["*"]}}
    )
    assert isinstance(bench, ActionWorkbench)
    assert content(await bench.call_tool("warehouse_query"))["error"] == "unauthenticated"
    (streamed,) = [item async for item in bench.call_tool_stream("warehouse_query")]
    assert streamed.is_error
    with pytest.raises(Unauthenticated, match="bound to no principal"):
        await bench.list_tools()
    assert bench.dump_component().config == {"actions": ["*"]}


async def test_actions_that_cannot_be_listed_are_told_to_the_run() -> None:
    class Down(FunctionPort):
        async def list_actions(self) -> list[ActionSpec]:
            raise Unavailable("The host is down.")

    scope = TurnScope("r", 0, Down(), Host())
    bench = ActionWorkbench(["*"])
    bench.bind(scope.port, scope.ledger("team/a"))
    with pytest.raises(Unavailable):
        await bench.list_tools()
    with pytest.raises(Unavailable, match=r"The host is down\."):
        await scope.ended


async def test_two_actions_of_one_tool_name_are_an_error() -> None:
    port = FunctionPort()
    port.handlers = {"a.b_c": lambda: 1, "a_b.c": lambda: 2}
    with pytest.raises(ConfigurationError, match="a_b_c"):
        await bound(port).list_tools()


async def test_cancelling_the_token_cancels_the_action() -> None:
    started = asyncio.Event()
    ended = asyncio.Event()

    async def wait() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    token = CancellationToken()
    call = asyncio.create_task(
        bound(FunctionPort(a__b=wait)).call_tool("a_b", cancellation_token=token)
    )
    await started.wait()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert ended.is_set()


async def test_what_cannot_be_stored_is_cleaned_both_ways() -> None:
    port = FunctionPort(a__echo=_echo)
    result = await bound(port).call_tool("a_echo", {"text": "a\x00\ud800"})
    assert port.calls[0][1] == {"text": "a\ufffd\ufffd"}
    assert content(result) == "x\ufffd\ufffd"


def _echo(text: str) -> str:
    return "x\x00\udfff"


@pytest.mark.parametrize("arguments", [[1], "text", 7])
async def test_arguments_that_are_no_object_are_refused_in_words(arguments: Any) -> None:
    port = FunctionPort(a__echo=_echo)
    for bench in (bound(port), ActionWorkbench(["*"])):
        bench.bind(port, TurnScope("r", 0, port, Host()).ledger("a"))
        result = await bench.call_tool("a_echo", arguments)
        assert result.is_error
        assert content(result)["error"] == "invalid_arguments"
    assert port.calls == []


def answer(*ids: str) -> CreateResult:
    calls = [FunctionCall(id=name, name="t", arguments="{}") for name in ids]
    usage = RequestUsage(prompt_tokens=1, completion_tokens=2)
    return CreateResult(finish_reason="function_calls", content=calls, usage=usage, cached=False)


async def test_calls_are_named_by_their_place_not_by_the_ids_of_a_model() -> None:
    scope = TurnScope("run", 4, flights_port(), Host())
    ledger = scope.ledger("team/a")
    ledger.answered(ledger.model_key(), answer("x", "y"))
    assert [str(ledger.tool_key(name)) for name in ("y", "x")] == [
        "run:4:tool:team/a:0:1",
        "run:4:tool:team/a:0:0",
    ]
    ledger.answered(ledger.model_key(), answer("x"))
    assert str(ledger.tool_key("x")) == "run:4:tool:team/a:1:0"
    assert str(ledger.tool_key("unknown")) == "run:4:tool:team/a:1:1"
    assert str(scope.ledger("team/b").tool_key("x")) == "run:4:tool:team/b:0:0"
    assert str(ledger.model_key()) == "run:4:model:team/a:2:0"
