"""Runs of a shape in this process: by AutoGen alone, and turn by turn with crashes.

A crash is what a killed process leaves: nothing that comes after it is recorded or told, and the
turn begins again from the stored state with what the journal holds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import HandoffMessage
from autogen_core import CancellationToken
from autogen_core.models import ChatCompletionClient
from openai import DefaultAsyncHttpxClient

from saaf_autogen.journal import (
    Answer,
    CallKey,
    CallKind,
    CallUsage,
    Entry,
    Question,
    TurnEvent,
    TurnRequest,
    TurnResult,
)
from saaf_autogen.settings import ModelSettings
from saaf_autogen.teams.events import TurnEvents
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.loading import load_agent
from saaf_autogen.teams.models import ModelRegistry
from saaf_autogen.testing.openai_server import Calls, Text, _chunks, _completion
from tests.teams.durability.shapes import ACTION, Shape, note
from tests.teams.support import FunctionPort, principal

Event = tuple[str, str]


class ScriptedModels(ModelRegistry):
    """AutoGen's own client of OpenAI's API, on a transport that asks the shape's script."""

    def __init__(self, shape: Shape) -> None:
        settings = ModelSettings(
            provider="openai",
            model="test-model",
            base_url="http://model/v1",
            model_info={"structured_output": True, "json_output": True},
        )
        super().__init__({"default": settings}, environ={})
        self.asked = 0
        self._shape = shape
        self._client: ChatCompletionClient | None = None

    def connection(self, name: str) -> ChatCompletionClient:
        if self._client is None:
            client: Any = super().connection(name)
            http = DefaultAsyncHttpxClient(transport=httpx2.MockTransport(self._answer))
            client._client = client._client.with_options(http_client=http)
            self._client = client
        return self._client

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        body = json.loads(request.content)
        reply = self._shape.script(body)
        assert isinstance(reply, Text | Calls)
        if not body.get("stream"):
            return httpx2.Response(200, json=_completion(body, reply))
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(body, reply)]
        content = "".join([*lines, "data: [DONE]\n\n"]).encode()
        return httpx2.Response(200, content=content, headers={"Content-Type": "text/event-stream"})


def port() -> FunctionPort:
    return FunctionPort(**{ACTION.replace(".", "__"): note})


@dataclass
class Story:
    """What a run came to, ids and times aside."""

    events: list[Event]
    stop: str
    output: str | None
    state: Any
    asked: int
    called: int
    said: list[tuple[str, str]] = field(default_factory=list)


class Crashed(Exception):
    """The process is gone."""


@dataclass
class Store:
    """What outlives a process: the journal and the log, both through JSON."""

    entries: dict[str, str] = field(default_factory=dict)
    log: dict[str, TurnEvent] = field(default_factory=dict)

    def recall(self, key: CallKey) -> Entry | None:
        kept = self.entries.get(key.place)
        return None if kept is None else Entry(*json.loads(kept))


class Process:
    """Implements ``TurnHost``: one process's life in a turn, until its crash.

    Args:
        store: what outlives it.
        crash_at: which point of the turn is its last, from 0, or None. Points are the moments
            before and after each record, and after each event.
    """

    def __init__(self, store: Store, crash_at: int | None = None) -> None:
        self.store = store
        self.holder = "worker/1"
        self.journal = self
        self.points = 0
        self.dead = False
        self.turn: asyncio.Task[TurnResult] | None = None
        self._crash_at = crash_at

    def point(self) -> None:
        if not self.dead and self.points == self._crash_at:
            self.dead = True
            assert self.turn is not None
            self.turn.cancel()
        self.points += 1

    def recall(self, key: CallKey) -> Entry | None:
        return self.store.recall(key)

    def record(self, key: CallKey, entry: Entry) -> None:
        self.point()
        if not self.dead:
            assert key.place not in self.store.entries
            self.store.entries[key.place] = json.dumps([entry.digest, entry.data])
        self.point()

    async def settle(self) -> None:
        await self._alive()

    def fence(self, session: Any) -> None:
        raise AssertionError("no action of the tests has effects in a store")

    async def emit(self, event: TurnEvent) -> None:
        await self._alive()
        known = self.store.log.setdefault(event.key, event)
        assert known.data == event.data, "an event was told twice, and not the same"
        self.point()

    async def permit(self, kind: CallKind) -> None:
        await self._alive()

    def used(self, usage: CallUsage) -> None:
        """Nobody counts here."""

    async def _alive(self) -> None:
        if self.dead:
            raise asyncio.CancelledError


class Durable:
    """A run of a shape, turn by turn."""

    def __init__(self, shape: Shape, models: ScriptedModels | None = None) -> None:
        self.shape = shape
        self.models = models or ScriptedModels(shape)
        self.port = port()
        self.requests: list[tuple[TurnRequest, list[str]]] = []
        self.points: list[int] = []
        self.answers = list(shape.answers)
        self.store = Store()

    @property
    def made(self) -> int:
        return self.models.asked + len(self.port.calls)

    async def _attempt(self, request: TurnRequest, process: Process) -> TurnResult:
        """Do a turn until it ends or its process crashes.

        Raises:
            Crashed: the process did.
        """
        # Nothing of an executor is kept from one life to the next.
        executor = TeamExecutor(self.models, lambda *_: self.port)
        process.turn = asyncio.create_task(executor.execute(request, process))
        try:
            return await asyncio.wait_for(asyncio.shield(process.turn), 10)
        except asyncio.CancelledError:
            if not process.dead:
                raise
            raise Crashed from None

    async def turn(self, request: TurnRequest, crash_at: Iterable[int] = ()) -> TurnResult:
        """Do a turn to its end: a life crashes at each of the points, and the last at none.

        No call that the journal knew of is made a second time. A question in mid-turn is answered,
        and the turn done again.
        """
        crashes = iter(crash_at)
        passed = 0
        while True:
            process = Process(self.store, next(crashes, None))
            made, known = self.made, self._known()
            try:
                result = await self._attempt(request, process)
            except Crashed:
                lost = self.made - made - (self._known() - known)
                assert 0 <= lost <= 2, "only what was in flight may be lost"
                continue
            passed += process.points
            assert self.made - made == self._known() - known
            if result.state is not None:
                self.points.append(passed)
                return result
            assert result.question is not None
            self._answer(result.question)

    async def run(self, crash: bool = False) -> Story:
        """The whole run; with ``crash``, each turn crashes at each of its points, one by one."""
        request = self._first()
        for _ in range(30):
            self.requests.append((request, list(self.answers)))
            result = await self.turn(request, range(99) if crash else ())
            if result.finished:
                return self._story(result)
            request = self._next(request, result)
        raise AssertionError("not finished")

    async def begin(self) -> TurnResult:
        """The first turn alone."""
        return await self.turn(self._first())

    def _first(self) -> TurnRequest:
        shape = self.shape
        return TurnRequest("run", "probe", shape.definition, principal(), 0, shape.task, None)

    def events_of(self, turn: int) -> list[TurnEvent]:
        return [event for key, event in self.store.log.items() if key.startswith(f"{turn}:")]

    def _next(self, request: TurnRequest, result: TurnResult) -> TurnRequest:
        answer = None
        if result.question is not None:
            answer = Answer(result.question, self.answers.pop(0))
        state = json.loads(json.dumps(result.state))
        return TurnRequest(
            request.run,
            request.agent,
            request.definition,
            request.principal,
            request.turn + 1,
            None,
            state,
            answer,
        )

    def _known(self) -> int:
        return sum(1 for place in self.store.entries if ":input:" not in place)

    def _answer(self, question: Question) -> None:
        text = self.answers.pop(0)
        self.store.entries[question.place] = json.dumps(["", {"text": text}])

    def _story(self, result: TurnResult) -> Story:
        assert result.state is not None
        return Story(
            events=[told(event) for event in self.store.log.values()],
            stop=str(result.stop_reason),
            output=result.output,
            state=plain(result.state["agent"]),
            asked=self.models.asked,
            called=len(self.port.calls),
            said=[
                (event.data["source"], event.data["content"])
                for event in self.store.log.values()
                if event.type == "message.completed"
            ],
        )


async def by_autogen(shape: Shape) -> Story:
    """The run as AutoGen does it: one ``run_stream``, and another for each answer to a handoff."""
    models, actions = ScriptedModels(shape), port()
    agent = load_agent(shape.config)
    answers = list(shape.answers)

    async def input_func(prompt: str, cancellation_token: CancellationToken | None = None) -> str:
        return answers.pop(0)

    for _, model in agent.models:
        model.bind(models)
    for _, workbench in agent.workbenches:
        workbench.bind(actions)
    for _, part in agent.parts:
        if isinstance(part, UserProxyAgent):
            part.input_func, part._is_async = input_func, True
    root: Any = agent.root
    task: Any = shape.task
    numbers, events = TurnEvents(0), []
    while True:
        result = None
        stream: AsyncGenerator[Any, None] = root.run_stream(task=task, output_task_messages=False)
        async for item in stream:
            if isinstance(item, TaskResult):
                result = item
            else:
                events += [told(event) for event in numbers.of(item)]
        assert result is not None
        last = result.messages[-1]
        if not isinstance(last, HandoffMessage) or not answers:
            break
        task = HandoffMessage(source="user", target=last.source, content=answers.pop(0))
    return Story(
        events=events,
        stop=result.stop_reason or "The agent answered.",
        output=last.to_text(),
        state=plain(await root.save_state()),
        asked=models.asked,
        called=len(actions.calls),
    )


def told(event: TurnEvent) -> Event:
    return event.type, json.dumps(event.data, sort_keys=True)


def plain(state: Any) -> Any:
    """A state without ids, times, and the turn that AutoGen forgets when it stops."""
    if isinstance(state, Mapping):
        dropped = {"id", "created_at", "current_turn", "request_id", "full_message_id"}
        return {key: plain(value) for key, value in state.items() if key not in dropped}
    if isinstance(state, list):
        return [plain(item) for item in state]
    return state
