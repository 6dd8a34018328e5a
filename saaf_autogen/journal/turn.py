"""One turn of a run as plain data: what the run engine stores and what a team gives it.

The run engine knows no AutoGen type; whatever executes a turn speaks this protocol.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from saaf_autogen.auth.principal import Principal

__all__ = ["Emit", "TurnEvent", "TurnExecutor", "TurnRequest", "TurnResult"]

EventType = Literal["message.delta", "message.completed", "tool.call", "tool.result"]


@dataclass(frozen=True)
class TurnEvent:
    """Something that happened within a turn.

    ``key`` names its place in the turn; the log takes the same key with the same data once.
    """

    type: EventType
    key: str
    data: dict[str, Any]


Emit = Callable[[TurnEvent], Awaitable[None]]


@dataclass(frozen=True)
class TurnRequest:
    """All that a turn needs to know.

    Attributes:
        run: the run's id.
        agent: the agent's id.
        definition: the snapshot of the agent's file that the run was started with.
        principal: the caller's snapshot, with the agent as its outermost actor.
        turn: the turn's number, from 0.
        task: the run's input in the first turn, else None.
        state: what the turn before returned, else None.
    """

    run: str
    agent: str
    definition: Mapping[str, Any]
    principal: Principal
    turn: int
    task: str | None
    state: Mapping[str, Any] | None


@dataclass(frozen=True)
class TurnResult:
    """What a turn leaves behind, JSON-able throughout.

    Attributes:
        state: hand it to the next turn.
        finished: whether the team is done.
        stop_reason: why it stopped, when it is finished.
        output: the answer, when it is finished.
        usage: tokens of this turn: ``prompt_tokens`` and ``completion_tokens``.
    """

    state: dict[str, Any]
    finished: bool
    stop_reason: str | None = None
    output: str | None = None
    usage: dict[str, int] = field(default_factory=dict)


class TurnExecutor(Protocol):
    """Executes one turn. Cancelling the task that awaits it cancels the turn."""

    async def execute(self, request: TurnRequest, emit: Emit) -> TurnResult:
        """Do the turn, emitting events as they happen; raises ``SaafError`` when it fails."""
        ...
