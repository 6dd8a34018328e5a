"""The name of one call within a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from saaf_autogen.crypto import digest

__all__ = ["CallKey", "CallKind"]

CallKind = Literal["model", "tool", "input"]
# What is stored of a place is bounded, and teams may be nested deeply under long names.
_MAX_PATH = 400


@dataclass(frozen=True)
class CallKey:
    """Where a call stands in a run; stable when the turn is done again.

    Attributes:
        run: the run's id.
        turn: the turn's number, from 0.
        path: the component path of the agent, such as ``team/analyst``.
        ordinal: of a model call or a question to a human: which one of this path in the turn,
            from 0. Of a tool call: the ordinal of the model call that asked for it.
        index: which call among parallel tool calls, from 0.
        kind: what is called.
        attempt: 0, or how often what was asked for at this place turned out to be another call
            than the one that is remembered (the code of an action changed between).
    """

    run: str
    turn: int
    path: str
    ordinal: int
    index: int
    kind: CallKind = "tool"
    attempt: int = 0

    @property
    def place(self) -> str:
        """Its name within the run: what the journal stores it under."""
        path = self.path if len(self.path) <= _MAX_PATH else digest(self.path)
        name = f"{self.turn}:{self.kind}:{path}:{self.ordinal}:{self.index}"
        return f"{name}~{self.attempt}" if self.attempt else name

    def again(self) -> CallKey:
        """The key of another call at the same place."""
        return replace(self, attempt=self.attempt + 1)

    def __str__(self) -> str:
        """The idempotency key that the action receives."""
        return f"{self.run}:{self.place}"
