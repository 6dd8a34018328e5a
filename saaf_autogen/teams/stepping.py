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

    Args:
        inner: the team's own condition, or None.
        turn: which turn this is since the team had its task, from 0.
        max_turns: how many turns the team may take, or None.
        expects_task: whether the condition is shown the task first, before the turn.

    Attributes:
        stop: why the team stops for good, as the wrapped condition or the number of turns has it.
        stepped: whether the turn came to its end.
    """

    component_type = "termination"

    def __init__(
        self,
        inner: TerminationCondition | None,
        *,
        turn: int,
        max_turns: int | None,
        expects_task: bool,
    ) -> None:
        self._inner = inner
        self._turn = turn
        self._max_turns = max_turns
        self._expects_task = expects_task
        self.stepped = False
        self.stop: StopMessage | None = None

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
        """Nothing: AutoGen resets at every stop, and a mere step must lose no count."""

    async def count_anew(self) -> None:
        """Reset the wrapped condition: the team has stopped for good, or for a human."""
        if self._inner is not None:
            await self._inner.reset()

    def _to_config(self) -> BaseModel:
        raise NotImplementedError("a step is never part of a config")
