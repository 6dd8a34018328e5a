"""Runs as their callers see them, and as the engine works on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from saaf_autogen.auth.principal import Principal
from saaf_autogen.journal import Answer
from saaf_autogen.runs.hold import Hold
from saaf_autogen.runs.inputs import QuestionView
from saaf_autogen.runs.limits import RunLimits
from saaf_autogen.runs.text import canonical, clean_json
from saaf_autogen.runs.usage import RunUsage
from saaf_autogen.settings import AgentLimitSettings

__all__ = [
    "TERMINAL",
    "Agent",
    "AgentLookup",
    "Budget",
    "EndStatus",
    "Run",
    "RunEvent",
    "RunPage",
    "RunRequest",
    "RunStatus",
    "RunWork",
    "Webhook",
]

RunStatus = Literal[
    "queued", "running", "input_required", "completed", "failed", "cancelled", "timed_out"
]
EndStatus = Literal["completed", "failed", "cancelled", "timed_out"]
TERMINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled", "timed_out"})
_MAX_INPUT = 200_000
_MAX_METADATA = 16_000
# Beyond it, JSON's readers differ on what a number is.
_MOST = 2**53 - 1


class Webhook(BaseModel):
    """Where the callback of a run goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(min_length=1, max_length=2048)]


class Budget(BaseModel):
    """The most that a run may use; what is absent is bounded by the deployment alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    tool_calls: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    turns: Annotated[int, Field(ge=1, le=_MOST)] | None = None


class RunRequest(BaseModel):
    """What a caller asks for.

    ``timeout_s`` bounds the seconds at work; waiting in a queue or for a human does not count.
    ``after_seconds`` delays the start. Of runs that wait, the higher ``priority`` goes first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent_id: Annotated[str, Field(min_length=1, max_length=63)]
    input: Annotated[str, Field(min_length=1, max_length=_MAX_INPUT)]
    metadata: dict[str, Any] = {}
    webhook: Webhook | None = None
    priority: Annotated[int, Field(ge=-10, le=10)] = 0
    after_seconds: Annotated[int, Field(ge=0, le=30 * 86_400)] = 0
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    budget: Budget = Budget()

    @field_validator("metadata")
    @classmethod
    def _small(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            clean: dict[str, Any] = clean_json(value)
            size = len(canonical(clean))
        except RecursionError as error:
            raise ValueError("metadata is nested too deeply") from error
        if size > _MAX_METADATA:
            raise ValueError(f"metadata is over {_MAX_METADATA} bytes of JSON")
        return clean


class Run(BaseModel):
    """A run as its owner sees it. ``error`` is an RFC 9457 problem document.

    ``attempts`` counts how often a worker took it up; ``question`` is what it waits for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    agent_id: str
    thread_id: str | None = None
    status: RunStatus
    input: str
    output: str | None = None
    error: dict[str, Any] | None = None
    metadata: dict[str, Any] = {}
    usage: RunUsage = RunUsage()
    budget: Budget = Budget()
    timeout_s: float | None = None
    webhook: Webhook | None = None
    priority: int = 0
    not_before: datetime | None = None
    schedule_id: str | None = None
    release: str = ""
    question: QuestionView | None = None
    attempts: int = 0
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in TERMINAL


class RunPage(BaseModel):
    """A page of runs, newest first; ``next_cursor`` is None on the last one."""

    data: list[Run]
    next_cursor: str | None = None


class RunEvent(BaseModel):
    """An entry of a run's log. ``id`` counts from 1 within the run."""

    model_config = ConfigDict(frozen=True)

    id: int
    type: str
    data: dict[str, Any]
    at: datetime

    @property
    def last(self) -> bool:
        """Whether the log ends here."""
        return self.type.removeprefix("run.") in TERMINAL


@dataclass(frozen=True)
class RunWork:
    """What a worker needs of a run that it has just taken up.

    Attributes:
        redone: whether the turn may have been begun before, so that its journal counts.
        active_s: seconds that workers have spent on it.
        calls_back: whether its end is told by a callback.
    """

    hold: Hold
    tenant: str
    agent_id: str
    input: str
    definition: Mapping[str, Any]
    principal: Principal
    limits: RunLimits
    usage: Mapping[str, Any]
    turn: int
    state: dict[str, Any] | None
    answer: Answer | None
    redone: bool
    active_s: float
    cancel_requested: bool
    calls_back: bool


@dataclass(frozen=True)
class Agent:
    """An agent at the moment of a run's creation: its file, as data, is kept with the run.

    Attributes:
        scopes: the most that a run of it may ever use.
        limits: the most that a run of it may use up, within what saaf.yaml allows.
        concurrency: how many runs of it may execute at once; None: as saaf.yaml says.
        unpriced: those of its models that have no price.
    """

    id: str
    title: str
    scopes: frozenset[str]
    definition: Mapping[str, Any]
    limits: AgentLimitSettings = field(default_factory=AgentLimitSettings)
    concurrency: int | None = None
    unpriced: tuple[str, ...] = ()


class AgentLookup(Protocol):
    """From an agent's id to the agent."""

    def __call__(self, agent_id: str) -> Agent:
        """The agent; raises ``NotFound``."""
        ...
