"""AutoGen's messages as the events of a turn, under keys that hold when the turn is done again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    BaseTextChatMessage,
    ModelClientStreamingChunkEvent,
    StructuredMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)

from saaf_autogen.journal import TurnEvent
from saaf_autogen.teams.content import clean, clean_value, parse_content

__all__ = ["TurnEvents", "message_text"]


class TurnEvents:
    """Numbers the events of one turn, for each source by itself.

    An event's key is ``TURN:SOURCE:N``: agents that speak at the same time come in another order
    when the turn is done again. A piece of text on its way has ``TURN:SOURCE:N.K``, so that
    pieces, which differ each time, do not move the numbers of what stays.
    """

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._numbers: Counter[str] = Counter()
        self._pieces: Counter[str] = Counter()

    def of(self, message: BaseAgentEvent | BaseChatMessage) -> Iterator[TurnEvent]:
        """The events of a message; none for AutoGen's internal ones."""
        if isinstance(message, ModelClientStreamingChunkEvent):
            source = message.source
            key = f"{self._turn}:{source}:{self._numbers[source]}.{self._pieces[source]}"
            self._pieces[source] += 1
            piece = {"source": source, "content": clean(message.content)}
            yield TurnEvent("message.delta", key, piece)
        elif isinstance(message, ToolCallRequestEvent):
            for call in message.content:
                arguments = parse_content(call.arguments)
                called = {"call_id": call.id, "name": call.name, "arguments": arguments}
                yield self._event("tool.call", message.source, called)
        elif isinstance(message, ToolCallExecutionEvent):
            for result in message.content:
                returned = {
                    "call_id": result.call_id,
                    "name": result.name,
                    "is_error": bool(result.is_error),
                    "content": parse_content(result.content),
                }
                yield self._event("tool.result", message.source, returned)
        elif isinstance(message, BaseChatMessage):
            usage = message.models_usage
            data: dict[str, Any] = {
                "type": type(message).__name__.partition("[")[0],
                "content": clean(message.to_text()),
                "models_usage": None
                if usage is None
                else {
                    "prompt_tokens": usage.prompt_tokens,
                    "completion_tokens": usage.completion_tokens,
                },
            }
            if isinstance(message, StructuredMessage):
                data["data"] = message.content.model_dump(mode="json")
            yield self._event("message.completed", message.source, data)

    def _event(self, kind: Any, source: str, data: dict[str, Any]) -> TurnEvent:
        key = f"{self._turn}:{source}:{self._numbers[source]}"
        self._numbers[source] += 1
        self._pieces[source] = 0
        return TurnEvent(kind, key, clean_value({"source": source, **data}))


def message_text(message: object) -> str | None:
    """The text of a chat message, structured ones as JSON; None for what is none."""
    if isinstance(message, BaseTextChatMessage | StructuredMessage):
        return clean(message.to_text())
    return None
