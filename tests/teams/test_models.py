from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from autogen_core import CancellationToken
from autogen_core.models import CreateResult, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import ToolSchema

from saaf_autogen.errors import ConfigurationError, ModelFailed
from saaf_autogen.settings import ModelSettings
from saaf_autogen.teams import asking
from saaf_autogen.teams.endpoints import connect, key_variable, model_info
from saaf_autogen.teams.model_faults import retry_after_s, typed_error
from saaf_autogen.teams.models import ModelClient, ModelRegistry
from saaf_autogen.testing.clock import ManualClock
from saaf_autogen.testing.openai_server import (
    Broken,
    Calls,
    Dropped,
    Failure,
    OpenAIServer,
    Reply,
    Slow,
    Text,
)
from tests.teams.support import openai_models

ASKED: list[LLMMessage] = [
    SystemMessage(content="Be brief."),
    UserMessage(content="Hi", source="user"),
]
TOOL = ToolSchema(
    name="add",
    description="Adds.",
    parameters={"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
)


def sequence(*replies: Reply) -> Callable[[dict[str, Any]], Reply]:
    left = list(replies)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


async def create(reply: Reply, **settings: Any) -> CreateResult:
    with OpenAIServer(lambda body: reply) as server:
        registry = openai_models(server.base_url, **settings)
        try:
            return await registry.client("default").create(ASKED, tools=[TOOL])
        finally:
            await registry.close()


async def stream(reply: Reply, **settings: Any) -> list[str | CreateResult]:
    with OpenAIServer(lambda body: reply) as server:
        registry = openai_models(server.base_url, **settings)
        try:
            client = registry.client("default")
            return [piece async for piece in client.create_stream(ASKED, tools=[TOOL])]
        finally:
            await registry.close()


async def test_text_comes_with_its_use_of_tokens() -> None:
    result = await create(Text("Hello there"))
    assert result.content == "Hello there"
    assert result.usage.prompt_tokens > 0
    assert result.usage.completion_tokens > 0


async def test_parallel_tool_calls_come_in_their_order() -> None:
    result = await create(Calls([("add", {"a": 1}), ("add", {"a": 2})]))
    assert isinstance(result.content, list)
    assert [json.loads(call.arguments)["a"] for call in result.content] == [1, 2]


@pytest.mark.parametrize("ids", [["same", "same", "same"], ["", "", ""], ["a", "a", "a-1"]])
async def test_ids_of_calls_that_repeat_or_are_missing_are_made_distinct(ids: list[str]) -> None:
    result = await create(Calls([("add", {"a": index}) for index in range(3)], ids))
    assert isinstance(result.content, list)
    assert len({call.id for call in result.content}) == 3
    assert all(call.id for call in result.content)


async def test_streaming_gives_pieces_then_the_whole_with_its_use_of_tokens() -> None:
    pieces = await stream(Text("one two three"))
    assert [piece for piece in pieces if isinstance(piece, str)] == ["one ", "two ", "three "]
    assert isinstance(pieces[-1], CreateResult)
    assert pieces[-1].usage.completion_tokens > 0


async def test_streamed_tool_calls_are_put_together() -> None:
    (result,) = await stream(Calls([("add", {"a": 1}), ("add", {"a": 2})]))
    assert isinstance(result, CreateResult)
    assert isinstance(result.content, list)
    assert [json.loads(call.arguments) for call in result.content] == [{"a": 1}, {"a": 2}]


FAULTS: list[tuple[Reply, str]] = [
    (Failure(401, message="bad key sk-SECRET"), "unauthenticated"),
    (Failure(403, message="sk-SECRET"), "forbidden"),
    (Failure(404, message="sk-SECRET"), "not_found"),
    (Failure(400, message="sk-SECRET"), "bad_request"),
    (Failure(400, code="context_length_exceeded", message="sk-SECRET"), "too_large"),
    (Failure(429, code="insufficient_quota", message="sk-SECRET"), "quota"),
    (Failure(429, message="sk-SECRET"), "rate_limited"),
    (Failure(500, message="sk-SECRET"), "unavailable"),
    (Failure(503, message="sk-SECRET"), "unavailable"),
    (Broken(b"<html>sk-SECRET</html>", "text/html"), "unreadable"),
    (Broken(b'{"choices": [{"sk-SECRET'), "unreadable"),
    (Broken(b"[]"), "unreadable"),
    (Broken(b'{"choices": [], "model": "x", "usage": null}'), "empty"),
    (Broken(b'{"x": "' + b"sk-SECRET" * 2_000_000 + b'"}'), "too_large"),
    (Dropped(), "connection"),
    (Slow(1, Text("late")), "timeout"),
]


@pytest.mark.parametrize(("reply", "kind"), FAULTS)
async def test_every_fault_is_a_typed_error_without_the_upstreams_words(
    reply: Reply, kind: str
) -> None:
    with pytest.raises(ModelFailed) as failed:
        await create(reply, timeout_s=0.4)
    assert failed.value.extra["kind"] == kind
    assert failed.value.detail.startswith("The model 'default' ")
    assert failed.value.remedy
    assert "SECRET" not in str(failed.value)
    assert failed.value.__suppress_context__


STREAM_FAULTS = [
    *[
        (reply, kind)
        for reply, kind in FAULTS
        if not isinstance(reply, Broken) or reply.content_type != "application/json"
    ],
    (Dropped(after=2), "connection"),
    (Broken(b"data: {half\n\n", "text/event-stream"), "unreadable"),
    (Broken(b"data: [DONE]\n\n", "text/event-stream"), "empty"),
    (Broken(b"", "text/event-stream"), "empty"),
    (Broken(b"data: " + b"x" * 9_000_000, "text/event-stream"), "too_large"),
]


@pytest.mark.parametrize(("reply", "kind"), STREAM_FAULTS)
@pytest.mark.filterwarnings("ignore:No text content or tool calls")
async def test_every_fault_of_a_stream_is_a_typed_error_too(reply: Reply, kind: str) -> None:
    if isinstance(reply, Broken) and reply.content_type == "text/html":
        kind = "empty"
    with pytest.raises(ModelFailed) as failed:
        await stream(reply, timeout_s=0.4)
    assert failed.value.extra["kind"] == kind
    assert "SECRET" not in str(failed.value)


async def test_a_full_server_is_asked_again_after_as_long_as_it_says() -> None:
    busy = Failure(429, {"Retry-After": "7"})
    with OpenAIServer(sequence(busy, Failure(500), Text("at last"))) as server:
        registry = openai_models(server.base_url)
        result = await registry.client("default").create(ASKED)
        await registry.close()
        assert result.content == "at last"
        assert len(server.requests) == 3
        assert registry.waits == [7.0, 1.0]  # type: ignore[attr-defined]  # set by the support


@pytest.mark.parametrize(
    ("reply", "requests"),
    [
        (Failure(500), 3),
        (Dropped(), 3),
        (Failure(429, {"Retry-After": "3600"}), 1),
        (Failure(401), 1),
        (Failure(429, code="insufficient_quota"), 1),
        (Broken(b"{"), 1),
    ],
)
async def test_attempts_are_bounded_and_only_made_where_they_may_help(
    reply: Reply, requests: int
) -> None:
    with OpenAIServer(lambda body: reply) as server:
        registry = openai_models(server.base_url)
        with pytest.raises(ModelFailed):
            await registry.client("default").create(ASKED)
        await registry.close()
        assert len(server.requests) == requests


async def test_a_stream_is_asked_again_only_until_something_was_passed_on() -> None:
    with OpenAIServer(sequence(Failure(500), Text("fine"))) as server:
        registry = openai_models(server.base_url)
        pieces = [piece async for piece in registry.client("default").create_stream(ASKED)]
        assert pieces[0] == "fine "
        await registry.close()
    with OpenAIServer(lambda body: Dropped(after=1)) as server:
        registry = openai_models(server.base_url)
        with pytest.raises(ModelFailed):
            _ = [piece async for piece in registry.client("default").create_stream(ASKED)]
        await registry.close()
        assert len(server.requests) == 1


def test_retry_after_may_be_a_date() -> None:
    clock = ManualClock()

    class Error(Exception):
        class response:  # noqa: N801  # stands for an attribute
            headers = {"retry-after": format_datetime(clock.now() + timedelta(seconds=9))}

    assert retry_after_s(Error(), clock) == 9
    Error.response.headers = {"retry-after": "soon"}
    assert retry_after_s(Error(), clock) is None


async def test_what_cannot_be_stored_is_taken_out_of_both_directions() -> None:
    with OpenAIServer(lambda body: Text("a\x00b\ud800c")) as server:
        registry = openai_models(server.base_url)
        asked = [UserMessage(content="x\ud834y\x00z", source="user")]
        result = await registry.client("default").create(asked)
        await registry.close()
        assert result.content == "a\ufffdb\ufffdc"
        assert server.requests[0]["messages"][0]["content"] == "x\ufffdy\ufffdz"


def test_a_missing_key_is_an_error_that_names_the_variable() -> None:
    registry = ModelRegistry(
        {
            "default": ModelSettings(provider="openai", model="gpt-4o"),
            "azure": ModelSettings(
                provider="azure", model="gpt-4o", base_url="https://x", azure_deployment="d"
            ),
            "claude": ModelSettings(provider="anthropic", model="c", api_key_env="MY_KEY"),
            "local": ModelSettings(provider="openai", model="m", base_url="http://127.0.0.1:1/v1"),
            "off": ModelSettings(provider="offline"),
        },
        environ={"OPENAI_API_KEY": "  "},
    )
    assert registry.missing_keys() == {
        "default": "OPENAI_API_KEY",
        "azure": "AZURE_OPENAI_API_KEY",
        "claude": "MY_KEY",
    }


@pytest.mark.parametrize("streams", [False, True])
async def test_no_offline_model_stands_in_for_a_model_whose_key_is_missing(streams: bool) -> None:
    settings = ModelSettings(provider="openai", model="gpt-4o")
    client = ModelRegistry({"default": settings}, environ={}).client("default")
    call = anext(client.create_stream(ASKED)) if streams else client.create(ASKED)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set"):
        await call


async def test_another_address_is_never_sent_the_key_of_openai(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-REAL")
    with OpenAIServer(lambda body: Text("x")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        settings = {
            "other": ModelSettings(provider="openai", model="m", base_url=server.base_url),
            "keyed": ModelSettings(
                provider="openai", model="m", base_url=server.base_url, api_key_env="OTHER_KEY"
            ),
        }
        registry = ModelRegistry(settings, environ={"OTHER_KEY": "k", "OPENAI_API_KEY": "sk-REAL"})
        await registry.client("other").create(ASKED)
        await registry.client("keyed").create(ASKED)
        inner: Any = connect(
            "x", ModelSettings(provider="openai", model="gemini-x"), {"OPENAI_API_KEY": "sk-REAL"}
        )
        assert str(inner._client.base_url) == "https://api.openai.com/v1/"
        await inner.close()
        await registry.close()
        assert server.authorizations == ["Bearer no-key", "Bearer k"]


async def test_azure_is_asked_at_its_deployment_with_its_key() -> None:
    settings = ModelSettings(
        provider="azure", model="gpt-4o", base_url="https://acme.test", azure_deployment="four"
    )
    inner: Any = connect("a", settings, {"AZURE_OPENAI_API_KEY": "k"})
    assert str(inner._client.base_url) == "https://acme.test/openai/deployments/four/"
    assert inner._client.api_key == "k"
    assert inner._client.max_retries == 0
    await inner.close()


async def test_anthropic_is_connected_and_without_its_sdk_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = ModelSettings(provider="anthropic", model="claude-x", options={"max_tokens": 9})
    inner: Any = connect("c", settings, {"ANTHROPIC_API_KEY": "k"})
    assert inner._client.max_retries == 0
    await inner.close()
    monkeypatch.setitem(sys.modules, "autogen_ext.models.anthropic", None)
    with pytest.raises(ConfigurationError, match=r"saaf-autogen\[anthropic\]"):
        connect("c", settings, {"ANTHROPIC_API_KEY": "k"})


def test_options_and_model_info_with_unknown_keys_are_refused() -> None:
    unknown = ModelSettings(provider="openai", model="m", base_url="http://x", options={"temp": 1})
    with pytest.raises(ConfigurationError, match="unknown options: temp"):
        connect("m", unknown, {})
    reserved = ModelSettings(provider="openai", model="m", base_url="http://x", options={"n": 2})
    with pytest.raises(ConfigurationError, match="unknown options: n"):
        connect("m", reserved, {})
    info = ModelSettings(provider="openai", model="m", base_url="http://x", model_info={"a": 1})
    with pytest.raises(ConfigurationError, match="unknown keys: a"):
        model_info(info)


async def test_options_reach_the_model() -> None:
    with OpenAIServer(lambda body: Text("x")) as server:
        registry = openai_models(server.base_url, options={"temperature": 0, "seed": 7})
        await registry.client("default").create(ASKED)
        await registry.close()
        assert server.requests[0]["temperature"] == 0
        assert server.requests[0]["seed"] == 7


def test_models_that_autogen_knows_have_their_own_capabilities_and_others_a_default() -> None:
    known = model_info(ModelSettings(provider="openai", model="gpt-4o"))
    other = model_info(
        ModelSettings(
            provider="openai", model="llama3", base_url="http://x", model_info={"vision": True}
        )
    )
    assert known["structured_output"]
    assert other["function_calling"]
    assert other["vision"]
    assert not other["structured_output"]


def test_tokens_are_estimated_without_any_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    client = ModelClient()
    assert 10 < client.count_tokens(ASKED, tools=[TOOL]) < 200
    assert client.remaining_tokens(ASKED) < 128_000


async def test_an_unbound_client_refuses_every_call() -> None:
    client = ModelClient.load_component({"provider": "saaf_autogen.ModelClient", "config": {}})
    assert isinstance(client, ModelClient)
    assert client.dump_component().config == {"name": "default"}
    with pytest.raises(ConfigurationError, match="bound to no deployment"):
        await client.create(ASKED)
    with pytest.raises(ConfigurationError, match="no model 'default'"):
        client.bind(ModelRegistry({}))


async def test_a_client_that_is_cancelled_lets_go_at_once() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(body: dict[str, Any]) -> Reply:
        loop.call_soon_threadsafe(asked.set)
        return Slow(30, Text("x"))

    with OpenAIServer(script) as server:
        registry = openai_models(server.base_url, timeout_s=60)
        token = CancellationToken()
        call = asyncio.create_task(
            registry.client("default").create(ASKED, cancellation_token=token)
        )
        await asked.wait()
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(call, 1)
        await registry.close()


async def test_an_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MAX_ANSWER_CHARS", 5)
    for ask in (create, stream):
        with pytest.raises(ModelFailed, match="more than is read"):
            await ask(Text("far too long"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("LengthFinishReasonError", "truncated"),
        ("ContentFilterFinishReasonError", "filtered"),
        ("ValidationError", "unreadable"),
    ],
)
def test_errors_that_the_sdks_raise_of_an_answer_are_typed(name: str, kind: str) -> None:
    error = type(name, (ValueError,), {})("sk-SECRET")
    typed = typed_error("m", error)
    assert typed.extra["kind"] == kind
    assert "SECRET" not in str(typed)


def test_an_error_of_ours_passes_as_it_is() -> None:
    error = ConfigurationError("x")
    assert typed_error("m", error) is error
    assert key_variable(ModelSettings(provider="offline")) is None
