"""One model call of a turn: its place in the journal, its answer, what it used."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from autogen_core import FunctionCall
from autogen_core.models import CreateResult, LLMMessage
from autogen_core.tools import Tool

from saaf_autogen.journal import Entry
from saaf_autogen.teams.asking import Request
from saaf_autogen.teams.binding import CallLedger
from saaf_autogen.teams.content import clean_value

__all__ = ["ModelCall", "estimated_tokens"]

_CHARS_PER_TOKEN = 4


class ModelCall:
    """Make one when the call starts: that gives it its place.

    Args:
        ledger: the calls of the agent that asks.
        name: the model's name in ``saaf.yaml``.
        request: what is asked.
        counts_exactly: whether the model's word on its tokens is taken even when it is none.
    """

    def __init__(
        self, ledger: CallLedger, name: str, request: Request, *, counts_exactly: bool
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._request = request
        self._counts_exactly = counts_exactly
        self._key = ledger.model_key()
        self._digest = _digest(request)
        self._counted = False

    def recall(self) -> CreateResult | None:
        """The answer that the run remembers; a request that differs from then is only logged."""
        entry = self._ledger.recall(self._key)
        if entry is None:
            return None
        if entry.digest != self._digest:
            self._ledger.drifted(self._key)
        result = CreateResult.model_validate(entry.data["result"])
        self._ledger.answered(self._key, result)
        self._count(result, replayed=True)
        return result

    def answered(self, result: CreateResult) -> None:
        """It ended with this answer."""
        data = clean_value(result.model_dump(mode="json"))
        self._ledger.record(self._key, Entry(self._digest, {"result": data}))
        self._ledger.answered(self._key, result)
        self._count(result)

    def broke_off(self, text_length: int) -> None:
        """It ended after so many characters of text without an answer: they were paid for."""
        if text_length and not self._counted:
            self._used(self._asked_tokens(), _tokens(text_length), estimated=True)

    def _count(self, result: CreateResult, *, replayed: bool = False) -> None:
        prompt = max(result.usage.prompt_tokens, 0)
        completion = max(result.usage.completion_tokens, 0)
        estimated = not (prompt or completion or self._counts_exactly)
        if estimated:
            prompt, completion = self._asked_tokens(), _tokens(_length(result))
        self._used(prompt, completion, estimated=estimated, replayed=replayed)

    def _used(
        self, prompt: int, completion: int, *, estimated: bool, replayed: bool = False
    ) -> None:
        self._counted = True
        self._ledger.used(
            "model", self._name, prompt, completion, estimated=estimated, replayed=replayed
        )

    def _asked_tokens(self) -> int:
        return estimated_tokens(self._request.messages, self._request.arguments["tools"])


def estimated_tokens(messages: list[LLMMessage], tools: list[Any]) -> int:
    """About how many tokens these are, at four characters each.

    An exact count would need a tokenizer that is downloaded at first use.
    """
    characters = sum(len(message.model_dump_json()) for message in messages)
    characters += sum(len(str(tool.schema if isinstance(tool, Tool) else tool)) for tool in tools)
    return characters // _CHARS_PER_TOKEN


def _tokens(characters: int) -> int:
    return max(1, characters // _CHARS_PER_TOKEN)


def _length(result: CreateResult) -> int:
    thought = len(result.thought or "")
    if isinstance(result.content, str):
        return thought + len(result.content)
    return thought + sum(len(call.name) + len(call.arguments) for call in result.content)


def _digest(request: Request) -> str:
    """Of what is asked; what takes long to read and says little, such as images, stays out."""
    tools = [tool.name if isinstance(tool, Tool) else tool["name"] for tool in _tools(request)]
    wants = request.arguments.get("json_output")
    head = [tools, wants.__name__ if isinstance(wants, type) else wants]
    said = hashlib.sha256(json.dumps(head).encode())
    for message in request.messages:
        said.update(f"\0{message.type}\0{getattr(message, 'source', '')}\0".encode())
        content = message.content
        for part in [content] if isinstance(content, str) else content:
            said.update(f"{_said(part)}\0".encode(errors="replace"))
    return said.hexdigest()


def _tools(request: Request) -> list[Any]:
    tools: list[Any] = request.arguments["tools"]
    return tools


def _said(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, FunctionCall):
        return f"{part.id}\0{part.name}\0{part.arguments}"
    # A tool's result; anything else is an image.
    return f"{getattr(part, 'call_id', '')}\0{getattr(part, 'content', type(part).__name__)}"
