"""One turn of a run as plain data, and what a turn may ask of its host while it goes on.

The run engine knows no AutoGen type; whatever executes a turn speaks this protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from saaf_autogen.auth.principal import Principal
from saaf_autogen.journal.journal import Journal
from saaf_autogen.journal.key import CallKind

__all__ = [
    "Answer",
    "CallUsage",
    "Fenced",
    "Question",
    "TurnEvent",
    "TurnExecutor",
    "TurnHost",
    "TurnRequest",
    "TurnResult",
]

EventType = Literal["message.delta", "message.completed", "tool.call", "tool.result"]


class Fenced(Exception):
    """This process may not go on with the run: another worker has it, or it is being stopped.

    It is never an error of the run: whoever holds the run now goes on from what is stored.
    """


@dataclass(frozen=True)
class TurnEvent:
    """Something that happened within a turn.

    ``key`` names its place in the turn; the log takes the same key with the same data once.
    """

    type: EventType
    key: str
    data: dict[str, Any]


@dataclass(frozen=True)
class CallUsage:
    """What one call used: a model call with its tokens, or a tool call.

    Attributes:
        kind: ``model`` or ``tool``.
        path: the component path of the agent that called.
        name: the model's name in ``saaf.yaml``, or the action's.
        prompt_tokens, completion_tokens: of a model call.
        estimated: the model did not say, so that tokens were counted at four characters each.
        replayed: the outcome came from the journal: the call was paid for before.
    """

    kind: CallKind
    path: str
    name: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    replayed: bool = False


@dataclass(frozen=True)
class Question:
    """What a run needs a human for.

    Attributes:
        kind: ``input``: an agent asks in mid-turn (UserProxyAgent). ``handoff``: the team handed
            over to someone outside of it, at the end of a turn. ``outcome_unknown``: nobody knows
            whether a write took effect.
        place: the journal's name of what waits (``CallKey.place``); its answer is recorded there.
            Of a handoff: ``TURN:handoff``.
        source: the name of the agent that asks.
        prompt: what it asks, in words.
        data: further facts, JSON-able. Of ``outcome_unknown``: ``action``, ``arguments``,
            ``idempotency_key``, ``first_call_id``. Of a handoff: ``target``.
    """

    kind: Literal["input", "handoff", "outcome_unknown"]
    place: str
    source: str
    prompt: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A human's answer to the handoff that ended the turn before."""

    question: Question
    text: str


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
        answer: what a human said to the handoff that ended the turn before.
    """

    run: str
    agent: str
    definition: Mapping[str, Any]
    principal: Principal
    turn: int
    task: str | None
    state: Mapping[str, Any] | None
    answer: Answer | None = None


@dataclass(frozen=True)
class TurnResult:
    """What a turn leaves behind, JSON-able throughout.

    Attributes:
        state: hand it to the next turn. None when ``question`` stands in mid-turn: the turn is
            then done again from the same state once there is an answer.
        finished: whether the team is done.
        stop_reason: why it stopped, when it is finished.
        output: the answer, when it is finished.
        question: what a human must say before the run goes on.
    """

    state: dict[str, Any] | None
    finished: bool
    stop_reason: str | None = None
    output: str | None = None
    question: Question | None = None


class TurnHost(Protocol):
    """What a turn has of its host while it goes on; all of it belongs to one run."""

    @property
    def journal(self) -> Journal:
        """What the run remembers of this turn."""
        ...

    @property
    def holder(self) -> str:
        """Names this worker's hold on the run; whoever takes the run over has another."""
        ...

    def fence(self, session: Any) -> None:
        """Within a transaction of SAAF's store: lock the hold, so that nobody takes the run over.

        Raises:
            Fenced: somebody has.
        """
        ...

    async def emit(self, event: TurnEvent) -> None:
        """Add an event to the run's log."""
        ...

    async def permit(self, kind: CallKind) -> None:
        """Ask before each call that is not in the journal.

        Raises:
            Fenced: no further call may start here.
            LimitReached: the run's budget is spent; ``extra["reason"]`` says of what.
        """
        ...

    def used(self, usage: CallUsage) -> None:
        """Count a call that has ended."""
        ...


class TurnExecutor(Protocol):
    """Executes one turn. Cancelling the task that awaits it cancels the turn."""

    async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
        """Do the turn, emitting events as they happen.

        Raises:
            SaafError: it fails.
            Fenced: as the host said.
        """
        ...
