"""AutoGen's messages as the events of a turn, under keys that hold when the turn is done again."""

from __future__ import annotations

import json
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

from saaf_autogen.crypto import digest
from saaf_autogen.journal import TurnEvent
from saaf_autogen.teams.content import clean, clean_value, parse_content

__all__ = ["TurnEvents", "message_text"]

_MARK = 12


class TurnEvents:
    """Names the events of one turn.

    Agents that speak at the same time come in another order when the turn is done again, so an
    event is named by what it says: ``TURN:SOURCE:DIGEST:N``, with N counting what was said before
    in the same words. A piece of text on its way is ``TURN:SOURCE:N.K``, the K-th after N events.
    """

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._told: Counter[str] = Counter()
        self._pieces: Counter[str] = Counter()

    def of(self, message: BaseAgentEvent | BaseChatMessage) -> Iterator[TurnEvent]:
        """The events of a message; none for AutoGen's internal ones."""
        if isinstance(message, ModelClientStreamingChunkEvent):
            source = message.source
            key = f"{self._turn}:{source}:{self._told[source]}.{self._pieces[source]}"
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
        said = clean_value({"source": source, **data})
        mark = digest(json.dumps([kind, said], sort_keys=True))[:_MARK]
        name = f"{self._turn}:{source}:{mark}"
        key = f"{name}:{self._told[name]}"
        self._told[name] += 1
        self._told[source] += 1
        self._pieces[source] = 0
        return TurnEvent(kind, key, said)


def message_text(message: object) -> str | None:
    """The text of a chat message, structured ones as JSON; None for what is none."""
    if isinstance(message, BaseTextChatMessage | StructuredMessage):
        return clean(message.to_text())
    return None
