"""What termination conditions count, as JSON. AutoGen's own states leave all of it out.

Counted anew from a team's thread it would be wrong where AutoGen hands a condition less than the
thread holds (parallel branches of a graph) or more (events within MagenticOne).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from autogen_agentchat.base import AndTerminationCondition, TerminationCondition
from autogen_agentchat.conditions import TimeoutTermination
from autogen_agentchat.messages import StopMessage

__all__ = ["condition_state", "restore_condition"]


def condition_state(condition: TerminationCondition) -> dict[str, Any]:
    """The numbers, texts and marks of a condition; of a time limit, the seconds since its start."""
    state: dict[str, Any] = {
        name: value
        for name, value in vars(condition).items()
        if value is None or isinstance(value, bool | int | float | str)
    }
    if isinstance(condition, TimeoutTermination):
        state["_start_time"] = round(time.monotonic() - condition._start_time, 3)
    elif isinstance(condition, AndTerminationCondition):
        state["_stop_messages"] = [message.dump() for message in condition._stop_messages]
    return state


def restore_condition(condition: TerminationCondition, state: Mapping[str, Any]) -> None:
    """Bring a fresh condition to a stored state. Time between the turns does not count.

    Raises:
        KeyError: the state is another condition's.
    """
    for name, value in state.items():
        if name not in vars(condition):
            raise KeyError(name)
        if name == "_start_time" and isinstance(condition, TimeoutTermination):
            value = time.monotonic() - value
        elif name == "_stop_messages" and isinstance(condition, AndTerminationCondition):
            value = [StopMessage.load(message) for message in value]
        setattr(condition, name, value)
