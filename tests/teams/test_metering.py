from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from autogen_core.models import UserMessage

from saaf_autogen.errors import ModelFailed
from saaf_autogen.journal import CallUsage, MemoryJournal, TurnEvent
from saaf_autogen.teams.binding import TurnScope
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.models import ModelClient, ModelRegistry
from saaf_autogen.testing.openai_server import (
    Calls,
    Cut,
    Dropped,
    Failure,
    OpenAIServer,
    Reply,
    Text,
)
from tests.teams.support import (
    FunctionPort,
    Host,
    Run,
    agent_file,
    assistant,
    flights_port,
    offline_models,
    openai_models,
    team,
    workbench,
)

MODEL = {"provider": "saaf_autogen.ModelClient", "config": {}}
ASKED = [UserMessage(content="How are you today, my dear model?", source="user")]


def bound(registry: ModelRegistry, host: Host) -> ModelClient:
    client = ModelClient()
    client.bind(registry, TurnScope("run-1", 0, FunctionPort(), host).ledger("team/a"))
    return client


async def metered(reply: Reply, *, streams: bool, host: Host | None = None) -> list[CallUsage]:
    host = host or Host()
    with OpenAIServer(lambda body: reply) as server:
        registry = openai_models(server.base_url)
        client = bound(registry, host)
        try:
            if streams:
                _ = [piece async for piece in client.create_stream(ASKED)]
            else:
                await client.create(ASKED)
        except ModelFailed:
            pass
        finally:
            await registry.close()
    return host.usages


@pytest.mark.parametrize("streams", [False, True])
async def test_a_call_is_counted_as_its_model_counts_it(streams: bool) -> None:
    (usage,) = await metered(Text("Fine, thanks."), streams=streams)
    assert (usage.kind, usage.path, usage.name) == ("model", "team/a", "default")
    assert (usage.prompt_tokens > 10, usage.completion_tokens) == (
        True,
        len("Fine, thanks.") // 4 + 1,
    )
    assert (usage.estimated, usage.replayed) == (False, False)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_model_that_does_not_count_is_estimated_at_four_characters_a_token(
    streams: bool,
) -> None:
    (usage,) = await metered(Text("word " * 80, counted=False), streams=streams)
    assert usage.estimated
    assert 8 <= usage.prompt_tokens <= 40
    assert 95 <= usage.completion_tokens <= 105


async def test_the_offline_model_is_taken_at_its_word() -> None:
    host = Host()
    await bound(offline_models(), host).create(ASKED)
    assert [usage.estimated for usage in host.usages] == [False]


@pytest.mark.parametrize("reply", [Dropped(after=30), Cut(after=30)])
async def test_a_stream_that_breaks_off_is_counted_by_what_came_of_it(reply: Reply) -> None:
    (usage,) = await metered(reply, streams=True)
    sent = sum(len(f"piece {n} ") for n in range(30)) // 4
    assert usage.estimated
    # A reset throws away what was sent and not yet read.
    assert 0 < usage.completion_tokens <= sent
    assert isinstance(reply, Dropped) or usage.completion_tokens == sent


async def test_a_stream_that_nobody_reads_to_its_end_is_counted_too() -> None:
    host = Host()
    with OpenAIServer(lambda body: Text("word " * 80)) as server:
        registry = openai_models(server.base_url)
        stream = bound(registry, host).create_stream(ASKED)
        assert await anext(stream) == "word "
        await stream.aclose()
        await registry.close()
    assert [(usage.completion_tokens, usage.estimated) for usage in host.usages] == [(1, True)]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_call_that_came_to_nothing_is_not_counted(streams: bool) -> None:
    assert await metered(Failure(401), streams=streams) == []


@pytest.mark.parametrize("streams", [False, True])
async def test_what_comes_from_the_journal_is_told_with_its_tokens_but_as_paid_before(
    streams: bool,
) -> None:
    journal = MemoryJournal()
    (first,) = await metered(Text("Fine."), streams=streams, host=Host(journal))
    (second,) = await metered(Text("Fine."), streams=streams, host=Host(journal))
    assert second.replayed
    assert (second.prompt_tokens, second.completion_tokens) == (
        first.prompt_tokens,
        first.completion_tokens,
    )


async def run(config: dict[str, Any], script: Callable[[dict[str, Any]], Reply]) -> Run:
    with OpenAIServer(script) as server:
        registry = openai_models(server.base_url)
        done = Run(TeamExecutor(registry, lambda *_: flights_port()), agent_file(config), "Go on.")
        await done.finish()
        await registry.close()
    return done


async def test_selecting_summing_up_and_reflecting_are_counted_each_under_its_own_path() -> None:
    society = {
        "provider": "autogen_agentchat.agents.SocietyOfMindAgent",
        "config": {"name": "s", "team": team(assistant("x"), max_turns=1), "model_client": MODEL},
    }

    def script(body: dict[str, Any]) -> Reply:
        if "select" in str(body["messages"][0]["content"]):
            return Text("s" if "a said" in str(body["messages"]) else "a")
        if body.get("tools"):
            return Calls([("semantic_context", {"question": "x"})])
        return Text("a said")

    config = team(
        assistant("a", workbench=workbench("semantic.*"), reflect_on_tool_use=True),
        society,
        kind="SelectorGroupChat",
        model_client=MODEL,
        selector_prompt="select {roles} {participants} {history}",
        allow_repeated_speaker=True,
        max_turns=2,
    )
    done = await run(config, script)
    models = [usage.path for usage in done.host.usages if usage.kind == "model"]
    assert len(models) == 6
    assert models.count("team/a") == 2
    assert {"team/a", "team/s"} < set(models)
    tools = [usage for usage in done.host.usages if usage.kind == "tool"]
    assert [(usage.path, usage.name) for usage in tools] == [("team/a", "semantic.context")]
    assert done.host.permits.count("model") == 6
    assert done.host.permits.count("tool") == 1


class Telling(Host):
    """Says when the first event came."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    async def emit(self, event: TurnEvent) -> None:
        await super().emit(event)
        self.told.set()


async def test_cancelling_a_turn_in_mid_stream_counts_what_came() -> None:
    host = Telling()
    with OpenAIServer(lambda body: Text("word " * 100_000)) as server:
        registry = openai_models(server.base_url)
        done = Run(
            TeamExecutor(registry, lambda *_: FunctionPort()),
            agent_file(team(assistant("a", model_client_stream=True))),
            "Go on.",
            host,
        )
        turn = asyncio.create_task(done.turn())
        await host.told.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        await registry.close()
    (usage,) = host.usages
    assert usage.estimated
    assert 0 < usage.completion_tokens < 125_000
