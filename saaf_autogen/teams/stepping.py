"""One turn at a time: a termination condition that stops a team after every turn."""

from __future__ import annotations

from collections.abc import Sequence

from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, StopMessage
from pydantic import BaseModel

__all__ = ["StepTermination"]

_STEP = "A turn is done."
Messages = Sequence[BaseAgentEvent | BaseChatMessage]


class StepTermination(TerminationCondition):
    """Wraps a team's own condition and stops the team after each turn.

    A snapshot of a team in the middle of a turn is corrupt, so a turn is what a host can store.
    The host counts turns; the wrapped condition is rebuilt from the messages before.

    Args:
        inner: the team's own condition, or None.
        turn: the number of this turn, from 0.
        max_turns: how many turns the team may take, or None.
        has_task: whether the turn starts with a task, which the condition sees first.
    """

    component_type = "termination"

    def __init__(
        self,
        inner: TerminationCondition | None,
        *,
        turn: int,
        max_turns: int | None,
        has_task: bool,
    ) -> None:
        self._inner = inner
        self._turn = turn
        self._max_turns = max_turns
        self._expects_task = has_task
        self.stepped = False
        self.stop: StopMessage | None = None

    async def replay(self, messages: Messages) -> None:
        """Bring the wrapped condition to where it stood after these messages."""
        if self._inner is None or not messages:
            return
        if await self._inner(messages) is not None:
            await self._inner.reset()

    @property
    def terminated(self) -> bool:
        """Never: a team that is stepped starts again."""
        return False

    async def __call__(self, messages: Messages) -> StopMessage | None:
        """Why the team stops now, or None to go on."""
        if self._inner is not None:
            self.stop = await self._inner(messages)
            if self.stop is not None:
                return self.stop
        if self._expects_task:
            self._expects_task = False
            return None
        self.stepped = True
        if self._max_turns is not None and self._turn + 1 >= self._max_turns:
            content = f"Maximum number of turns {self._max_turns} reached."
            self.stop = StopMessage(content=content, source="SAAF")
            return self.stop
        return StopMessage(content=_STEP, source="SAAF")

    async def reset(self) -> None:
        """Reset the wrapped condition, but not at a mere step."""
        if self.stop is not None and self._inner is not None:
            await self._inner.reset()

    def _to_config(self) -> BaseModel:
        raise NotImplementedError("a step is never part of a config")
