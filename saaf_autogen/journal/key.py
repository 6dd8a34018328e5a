"""The name of one call within a run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CallKey"]


@dataclass(frozen=True)
class CallKey:
    """Where a tool call stands in a run; stable when the turn is done again.

    Attributes:
        run: the run's id.
        turn: the turn's number, from 0.
        path: the component path of the agent, such as ``team/analyst``.
        ordinal: which call of this tool-caller in the turn, from 0.
        index: which call among parallel ones, from 0.
    """

    run: str
    turn: int
    path: str
    ordinal: int
    index: int

    def __str__(self) -> str:
        """The idempotency key that the action receives."""
        return f"{self.run}:{self.turn}:{self.path}:{self.ordinal}:{self.index}"
