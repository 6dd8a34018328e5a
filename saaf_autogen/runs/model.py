"""Runs as their callers see them, and as the engine works on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from saaf_autogen.auth.principal import Principal
from saaf_autogen.runs.text import canonical, clean_json

__all__ = [
    "TERMINAL",
    "Agent",
    "AgentLookup",
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


class Webhook(BaseModel):
    """Where the callback of a run goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(min_length=1, max_length=2048)]


class RunRequest(BaseModel):
    """What a caller asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent_id: Annotated[str, Field(min_length=1, max_length=63)]
    input: Annotated[str, Field(min_length=1, max_length=_MAX_INPUT)]
    metadata: dict[str, Any] = {}
    webhook: Webhook | None = None

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
    """A run as its owner sees it. ``error`` is an RFC 9457 problem document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    agent_id: str
    thread_id: str | None = None
    status: RunStatus
    input: str
    output: str | None = None
    error: dict[str, Any] | None = None
    metadata: dict[str, Any] = {}
    usage: dict[str, int] = {}
    webhook: Webhook | None = None
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
    """What the engine needs of a run."""

    id: str
    agent_id: str
    input: str
    definition: Mapping[str, Any]
    principal: Principal
    cancel_requested: bool
    attempt: int


@dataclass(frozen=True)
class Agent:
    """An agent at the moment of a run's creation: its file, as data, is kept with the run.

    ``scopes`` are the most that a run of it may ever use.
    """

    id: str
    title: str
    scopes: frozenset[str]
    definition: Mapping[str, Any]


class AgentLookup(Protocol):
    """From an agent's id to the agent."""

    def __call__(self, agent_id: str) -> Agent:
        """The agent; raises ``NotFound``."""
        ...
