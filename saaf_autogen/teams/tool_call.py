"""One tool call of a turn: its place in the journal, and what the model saw of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from saaf_autogen.crypto import digest
from saaf_autogen.errors import Conflict, OutcomeUnknown
from saaf_autogen.journal import CallKey, Entry, Question
from saaf_autogen.teams.binding import CallLedger
from saaf_autogen.teams.content import clean_value, error_content, value_content

__all__ = ["Seen", "ToolCall"]


@dataclass(frozen=True)
class Seen:
    """What a model sees of a tool call."""

    content: str
    is_error: bool = False


class ToolCall:
    """Make one when the call starts: that gives it its place among parallel ones.

    Args:
        ledger: the calls of the agent that calls.
        call_id: the model's id of the call.
        tool: the name that the model called it by.
        arguments: as the model gave them.

    Attributes:
        key: its place; its text is the call's idempotency key.
        name: what is called, once it is known to be an action.
    """

    def __init__(
        self, ledger: CallLedger, call_id: str | None, tool: str, arguments: Mapping[str, Any]
    ) -> None:
        self._ledger = ledger
        self._arguments = arguments
        self.name = tool
        body = json.dumps(clean_value([tool, arguments]), sort_keys=True, default=str)
        self._digest = digest(body)
        self.key = ledger.tool_key(call_id)

    def recall(self) -> Seen | None:
        """What the run remembers of it; what it remembers of another call there does not count."""
        while (entry := self._ledger.recall(self.key)) is not None:
            if entry.digest == self._digest:
                self._ledger.used("tool", self.name, replayed=True)
                return Seen(entry.data["content"], bool(entry.data["is_error"]))
            self._ledger.drifted(self.key)
            self.key = self.key.again()
        return None

    def done(self, seen: Seen) -> Seen:
        """It ended with this."""
        data = {"content": seen.content, "is_error": seen.is_error}
        self._ledger.record(self.key, Entry(self._digest, data))
        self._ledger.used("tool", self.name)
        return seen

    def answer(self) -> tuple[CallKey, Seen | None]:
        """What a human said of a call whose outcome nobody knew.

        Returns:
            The place of the answer that is still to come, and what the call came to; None when
            nobody was asked, or the call shall be made again.
        """
        place = replace(self.key, kind="input")
        while (entry := self._ledger.recall(place)) is not None:
            resolution = entry.data["resolution"]
            if resolution == "done":
                return place, Seen(value_content(entry.data.get("value")))
            if resolution != "retry":
                return place, Seen(error_content(_failed(self.name)), is_error=True)
            place = place.again()
        return place, None

    def question(self, place: CallKey, error: OutcomeUnknown, agent: str) -> Question:
        """What a human is asked when nobody knows whether the call took effect."""
        return Question(
            kind="outcome_unknown",
            place=place.place,
            source=agent,
            prompt=(
                f"{self.name} was under way when its host was cut off, and may have taken effect. "
                "Look at the other system: was it done, shall it be tried again, or has it failed?"
            ),
            data={
                "action": self.name,
                "arguments": clean_value(dict(self._arguments)),
                "idempotency_key": str(self.key),
                "first_call_id": error.extra.get("first_call_id"),
            },
        )


def _failed(name: str) -> Conflict:
    return Conflict(
        f"{name} was cut off, and a human found that it had no effect.",
        remedy="Do not repeat it unless you are asked to.",
    )
