"""A deployment in miniature: actions as plain functions, a semantic context, teams as configs."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from pydantic import TypeAdapter

from saaf_autogen.actions.spec import ActionOutcome, ActionSpec, Effect
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.errors import NotFound
from saaf_autogen.journal import (
    Answer,
    CallKey,
    CallKind,
    CallUsage,
    Entry,
    Journal,
    MemoryJournal,
    Question,
    TurnEvent,
    TurnRequest,
    TurnResult,
)
from saaf_autogen.settings import ModelSettings
from saaf_autogen.teams.executor import TeamExecutor
from saaf_autogen.teams.models import ModelRegistry

Scalar = str | int | float | bool
CARRIERS = {
    "AA": ["American", "American Airlines"],
    "AS": ["Alaska", "Alaska Airlines"],
    "B6": ["JetBlue", "Jet Blue"],
    "DL": ["Delta", "Delta Air Lines"],
    "UA": ["United", "United Air Lines"],
    "US": ["US Airways"],
}
ORIGINS = {"EWR": ["Newark"], "JFK": ["Kennedy"], "LGA": ["LaGuardia"]}


def parameter(
    example: Scalar,
    kind: str = "VARCHAR",
    values: dict[str, list[str]] | None = None,
    column: str | None = None,
    description: str | None = None,
) -> dict[str, Any]:
    return {
        "column": column,
        "type": kind,
        "example": example,
        "description": description,
        "values": values,
    }


CARRIER = parameter("UA", values=CARRIERS, column="flights.carrier", description="an airline")
MONTH = parameter(7, "NUMBER", column="flights.month", description="month of 2013")
ORIGIN = parameter("JFK", values=ORIGINS, column="flights.origin")
DEST = parameter("LAX", values={"LAX": ["Los Angeles"], "BOS": ["Boston"]}, column="flights.dest")
DAY = parameter("2013-07-04", "DATE")
N = parameter(10, "NUMBER")
MINUTES = parameter(60, "NUMBER")
TAIL = parameter("N14228", column="flights.tailnum")


def verified(question: str, sql: str, **parameters: dict[str, Any]) -> dict[str, Any]:
    return {"name": "q", "question": question, "sql": sql, "score": 0.9, "parameters": parameters}


LIBRARY = [
    verified(
        "How many flights did UA have in July?",
        "SELECT COUNT(*) AS flights FROM flights WHERE carrier = :carrier AND month = :month",
        carrier=CARRIER,
        month=MONTH,
    ),
    verified(
        "How many flights went from JFK to LAX?",
        "SELECT COUNT(*) FROM flights WHERE origin = :origin AND dest = :dest",
        origin=ORIGIN,
        dest=DEST,
    ),
    verified("How many flights were cancelled on 2013-07-04?", "SELECT 1 WHERE d = :day", day=DAY),
    verified(
        "Which 10 airlines had the worst average departure delay?",
        "SELECT 1 ORDER BY avg(dep_delay) DESC LIMIT :n",
        n=N,
    ),
    verified(
        "How many flights departed more than 60 minutes late?",
        "SELECT 1 WHERE dep_delay > :minutes",
        minutes=MINUTES,
    ),
    verified("How many flights were cancelled in each month?", "SELECT 2"),
    verified("How many flights did the plane N14228 make?", "SELECT 3 = :tail", tail=TAIL),
    verified("How many flights left in 2013?", "SELECT COUNT(*) FROM flights"),
    verified("How many airports opened in 1990?", "SELECT 1 FROM a WHERE opened = 1990"),
    verified("Which airlines have more cancellations than delays?", "SELECT 4"),
]


def nearest(question: str) -> list[dict[str, Any]]:
    """The library by shared words, best first, as ``semantic.context`` would rank it."""
    words = set(question.lower().replace("?", "").split())
    return sorted(
        LIBRARY, key=lambda known: -len(words & set(known["question"].lower()[:-1].split()))
    )[:5]


Handler = Callable[..., Any]


class FunctionPort:
    """Implements ``ActionPort`` over plain functions, like a host without any policy."""

    def __init__(self, **handlers: Handler) -> None:
        self.handlers = {name.replace("__", "."): handler for name, handler in handlers.items()}
        self.calls: list[tuple[str, dict[str, Any], str | None]] = []
        self.effects: dict[str, Effect] = {}
        self.listed = 0

    async def list_actions(self) -> list[ActionSpec]:
        self.listed += 1
        return [
            ActionSpec(
                name,
                inspect.getdoc(handler) or name,
                (),
                self.effects.get(name, "read"),
                _schema(handler),
            )
            for name, handler in self.handlers.items()
        ]

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        self.calls.append((name, arguments, idempotency_key))
        if name not in self.handlers:
            raise NotFound(f"There is no action {name}.")
        result = self.handlers[name](**arguments)
        if isinstance(result, Awaitable):
            result = await result
        return result if isinstance(result, ActionOutcome) else ActionOutcome(result)


def _schema(handler: Handler) -> dict[str, Any]:
    arguments = inspect.signature(handler, eval_str=True).parameters
    properties = {
        name: TypeAdapter(item.annotation).json_schema() for name, item in arguments.items()
    }
    required = [name for name, item in arguments.items() if item.default is item.empty]
    return {"type": "object", "properties": properties, "required": required}


def flights_port(
    rows: list[list[Any]] | None = None, columns: tuple[str, ...] = ("flights",)
) -> FunctionPort:
    def context(question: str, warehouse: str | None = None) -> dict[str, Any]:
        """What is known of the warehouse for a question."""
        return {
            "warehouse": "nyc",
            "dialect": "duckdb",
            "text": "flights(carrier, month)",
            "tables": ["flights"],
            "verified_queries": nearest(question),
        }

    def query(
        sql: str,
        parameters: dict[str, Scalar] | None = None,
        warehouse: str | None = None,
        max_rows: int | None = None,
    ) -> dict[str, Any]:
        """Run a query."""
        found = [[4189]] if rows is None else rows
        return {
            "columns": [{"name": name, "type": "BIGINT"} for name in columns],
            "rows": found,
            "row_count": len(found),
            "cut": None,
            "sql": sql,
            "warehouse": "nyc",
        }

    return FunctionPort(semantic__context=context, warehouse__query=query)


def assistant(name: str, **config: Any) -> dict[str, Any]:
    return {
        "provider": "autogen_agentchat.agents.AssistantAgent",
        "config": {
            "name": name,
            "description": name,
            "model_client": {"provider": "saaf_autogen.ModelClient", "config": {"name": "default"}},
            "reflect_on_tool_use": False,
            "tool_call_summary_format": "{result}",
            "system_message": f"You are {name}.",
            **config,
        },
    }


def workbench(*actions: str) -> list[dict[str, Any]]:
    return [{"provider": "saaf_autogen.ActionWorkbench", "config": {"actions": list(actions)}}]


def condition(name: str, **config: Any) -> dict[str, Any]:
    return {"provider": f"autogen_agentchat.conditions.{name}", "config": config}


def team(
    *participants: dict[str, Any], kind: str = "RoundRobinGroupChat", **config: Any
) -> dict[str, Any]:
    return {
        "provider": f"autogen_agentchat.teams.{kind}",
        "config": {"participants": list(participants), **config},
    }


def agent_file(config: Mapping[str, Any], **head: Any) -> dict[str, Any]:
    return {"saaf": {"scopes": ["warehouse:query"], **head}, **config}


def principal() -> Principal:
    return Principal(
        issuer="local", subject="client:test", actors=(Actor(subject="agent:flights"),)
    )


def request(
    definition: Mapping[str, Any],
    turn: int = 0,
    task: str | None = None,
    state: Mapping[str, Any] | None = None,
    answer: Answer | None = None,
) -> TurnRequest:
    return TurnRequest("run-1", "flights", definition, principal(), turn, task, state, answer)


class Host:
    """A run's host in memory: it keeps what turns record, tell and use.

    ``stop`` is raised by ``permit`` from then on; ``stop_settling`` and ``stop_emitting`` likewise.
    """

    def __init__(self, journal: Journal | None = None, holder: str = "worker-1/1") -> None:
        self.journal: Journal = _Settling(self, journal or MemoryJournal())
        self.holder = holder
        self.events: list[TurnEvent] = []
        self.usages: list[CallUsage] = []
        self.permits: list[CallKind] = []
        self.settled = 0
        self.stop: Exception | None = None
        self.stop_settling: Exception | None = None
        self.stop_emitting: Exception | None = None

    def fence(self, session: Any) -> None:
        if self.stop is not None:
            raise self.stop

    async def emit(self, event: TurnEvent) -> None:
        if self.stop_emitting is not None:
            raise self.stop_emitting
        json.dumps(event.data, allow_nan=False)
        if event not in self.events:
            self.events.append(event)

    async def permit(self, kind: CallKind) -> None:
        if self.stop is not None:
            raise self.stop
        self.permits.append(kind)

    def used(self, usage: CallUsage) -> None:
        self.usages.append(usage)

    def tokens(self) -> tuple[int, int]:
        """What was paid for: prompt and completion tokens of calls that were made here."""
        paid = [usage for usage in self.usages if not usage.replayed]
        prompt = sum(usage.prompt_tokens for usage in paid)
        return prompt, sum(usage.completion_tokens for usage in paid)


class _Settling:
    """A journal that counts how often it was settled, through JSON as a real one stores it."""

    def __init__(self, host: Host, inner: Journal) -> None:
        self.host, self.inner = host, inner

    def recall(self, key: CallKey) -> Entry | None:
        return self.inner.recall(key)

    def record(self, key: CallKey, entry: Entry) -> None:
        data = json.loads(json.dumps(entry.data, allow_nan=False))
        self.inner.record(key, Entry(entry.digest, data))

    async def settle(self) -> None:
        if self.host.stop_settling is not None:
            raise self.host.stop_settling
        await self.inner.settle()
        self.host.settled += 1


def memory_of(host: Host) -> MemoryJournal:
    """What a host's journal holds, by place."""
    inner: Any = host.journal
    while isinstance(inner, _Settling):
        inner = inner.inner
    return cast(MemoryJournal, inner)


class Run:
    """A run's turns one after the other, its state through JSON between them.

    A turn that stops for a question in mid-turn is done again by ``turn`` from the same state.
    """

    def __init__(
        self,
        executor: TeamExecutor,
        definition: Mapping[str, Any],
        task: str,
        host: Host | None = None,
    ) -> None:
        self.executor = executor
        self.definition = definition
        self.task = task
        self.host = host or Host()
        self.states: list[dict[str, Any]] = []
        self.results: list[TurnResult] = []
        self.questions: list[Question] = []

    @property
    def events(self) -> list[TurnEvent]:
        return self.host.events

    async def turn(self, answer: Answer | None = None) -> TurnResult:
        number = len(self.results)
        state = self.states[-1] if self.states else None
        task = self.task if number == 0 else None
        asked = request(self.definition, number, task, state, answer)
        result = await asyncio.wait_for(self.executor.execute(asked, self.host), 10)
        if result.question is not None:
            self.questions.append(result.question)
        if result.state is not None:
            self.states.append(json.loads(json.dumps(result.state, allow_nan=False)))
            self.results.append(result)
        return result

    def say(self, text: str) -> None:
        """Answer the question that the last turn stopped for."""
        self.resolve({"text": text})

    def resolve(self, data: dict[str, Any]) -> None:
        """Record an answer under the place of the last question."""
        memory_of(self.host).entries[self.questions[-1].place] = Entry("", data)

    async def finish(self, limit: int = 20) -> TurnResult:
        for _ in range(limit):
            result = await self.turn()
            if result.finished:
                return result
        raise AssertionError(f"not finished after {limit} turns")

    def said(self) -> list[tuple[str, str]]:
        return [
            (event.data["source"], event.data["content"])
            for event in self.events
            if event.type == "message.completed"
        ]


def offline_models() -> ModelRegistry:
    return ModelRegistry({"default": ModelSettings(provider="offline")}, environ={})


def openai_models(base_url: str, **settings: Any) -> ModelRegistry:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    said = {"provider": "openai", "model": "test-model", "base_url": base_url, "timeout_s": 5}
    registry = ModelRegistry(
        {"default": ModelSettings.model_validate({**said, **settings})}, environ={}, sleep=sleep
    )
    registry.waits = waits  # type: ignore[attr-defined]  # what the tests look at
    return registry
