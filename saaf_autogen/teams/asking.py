"""Asking a model: tried again where that may help, bounded, cleaned, its failures typed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
)

from saaf_autogen.clock import Clock
from saaf_autogen.settings import ModelSettings
from saaf_autogen.teams.content import clean
from saaf_autogen.teams.model_faults import (
    filtered,
    is_transient,
    model_failed,
    out_of_tokens,
    retry_after_s,
    typed_error,
)

__all__ = ["Connections", "Patience", "Request", "Sleep"]

ATTEMPTS = 3
MAX_WAIT_S = 20.0
MAX_ANSWER_CHARS = 4_000_000
_TRY_LATER = "Try again later."
Sleep = Callable[[float], Awaitable[None]]


class Connections(Protocol):
    """What asking a model needs of a deployment's models."""

    sleep: Sleep
    clock: Clock

    def settings(self, name: str) -> ModelSettings:
        """The settings of a model."""
        ...

    def connection(self, name: str) -> ChatCompletionClient:
        """The AutoGen client of a model."""
        ...


@dataclass(frozen=True)
class Request:
    """What a model is asked: cleaned messages, and the further arguments of AutoGen's clients."""

    messages: list[LLMMessage]
    arguments: dict[str, Any]
    token: CancellationToken | None

    @classmethod
    def of(
        cls,
        messages: Sequence[LLMMessage],
        arguments: dict[str, Any],
        token: CancellationToken | None,
    ) -> Request:
        """A request with what cannot be sent or stored taken out of its messages."""
        return cls([_clean_message(message) for message in messages], arguments, token)


class Patience:
    """One model of the deployment, asked with patience.

    Args:
        models: the deployment's models.
        name: which one.
    """

    def __init__(self, models: Connections, name: str) -> None:
        self._models = models
        self._name = name
        self._settings = models.settings(name)

    async def create(self, request: Request) -> CreateResult:
        """One answer.

        Raises:
            ModelFailed: it could not be asked, or its answer could not be read.
            ConfigurationError: its key is missing.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                inner = self._models.connection(self._name)
                async with asyncio.timeout(self._settings.timeout_s):
                    result = await inner.create(
                        request.messages, cancellation_token=request.token, **request.arguments
                    )
                return self._answer(result)
            except Exception as error:  # the border to foreign clients: all becomes typed
                await self._failure(error, attempt, request.token)
        raise AssertionError("the last attempt returns or raises")

    async def stream(self, request: Request) -> AsyncGenerator[str | CreateResult, None]:
        """One answer in pieces of text, and whole at the end.

        Raises:
            ModelFailed: as ``create``; once text was passed on, it is not asked again.
            ConfigurationError: its key is missing.
        """
        for attempt in range(1, ATTEMPTS + 1):
            passed_on = False
            try:
                async for piece in self._pieces(request):
                    passed_on = True
                    yield piece
                return
            except Exception as error:  # the border to foreign clients: all becomes typed
                last = ATTEMPTS if passed_on else attempt
                await self._failure(error, last, request.token)

    async def _pieces(self, request: Request) -> AsyncGenerator[str | CreateResult, None]:
        settings, arguments = self._settings, request.arguments
        inner = self._models.connection(self._name)
        speaks_openai = settings.provider in ("openai", "azure")
        if speaks_openai and "stream_options" not in settings.options:
            arguments = {**arguments, "include_usage": True}
        stream = inner.create_stream(
            request.messages, cancellation_token=request.token, **arguments
        )
        total, ended = 0, False
        try:
            while True:
                async with asyncio.timeout(settings.timeout_s):
                    piece = await anext(stream, None)
                if piece is None:
                    break
                if isinstance(piece, CreateResult):
                    ended = True
                    if speaks_openai and _is_cut_off(piece):
                        raise model_failed(
                            self._name, "connection", "broke off its answer", _TRY_LATER
                        )
                    yield self._answer(piece)
                    continue
                total += len(piece)
                if total > MAX_ANSWER_CHARS:
                    raise self._too_large()
                yield clean(piece)
        finally:
            await stream.aclose()
        if not ended:
            raise self._empty()

    def _answer(self, result: CreateResult) -> CreateResult:
        content = result.content
        if isinstance(content, str):
            if len(content) > MAX_ANSWER_CHARS:
                raise self._too_large()
            if not content and result.finish_reason == "content_filter":
                raise filtered(self._name)
            if not content and result.finish_reason == "length":
                raise out_of_tokens(self._name)
            if not content and result.finish_reason == "unknown":
                raise self._empty()
            content = clean(content)
        else:
            content = _distinct_calls(content)
        thought = None if result.thought is None else clean(result.thought)
        return result.model_copy(update={"content": content, "thought": thought})

    def _too_large(self) -> Exception:
        return model_failed(
            self._name, "too_large", "answered with more than is read", "Ask for less."
        )

    def _empty(self) -> Exception:
        return model_failed(self._name, "empty", "gave no answer", _TRY_LATER)

    async def _failure(
        self, error: Exception, attempt: int, token: CancellationToken | None
    ) -> None:
        """Wait for the next attempt, or raise the typed error where there is none."""
        typed = typed_error(self._name, error)
        wait = 0.5 * 2 ** (attempt - 1)
        asked = retry_after_s(error, self._models.clock)
        if asked is not None:
            wait = asked
            typed.extra["retry_after_s"] = asked
        if not is_transient(typed) or attempt >= ATTEMPTS or wait > MAX_WAIT_S:
            raise typed from None
        pause = asyncio.ensure_future(self._models.sleep(wait))
        if token is not None:
            token.link_future(pause)
        await pause


def _is_cut_off(result: CreateResult) -> bool:
    """Whether a stream ended without saying why, nor what it used: both come at its end."""
    usage = result.usage
    return (
        result.finish_reason == "unknown"
        and bool(result.content)
        and not usage.prompt_tokens
        and not usage.completion_tokens
    )


def _clean_message(message: LLMMessage) -> LLMMessage:
    if isinstance(message, FunctionExecutionResultMessage):
        results = [
            result.model_copy(update={"content": clean(result.content)})
            for result in message.content
        ]
        return message.model_copy(update={"content": results})
    if isinstance(message.content, str):
        text = clean(message.content)
        same = text is message.content
        return message if same else message.model_copy(update={"content": text})
    if isinstance(message, AssistantMessage):
        return message
    parts = [clean(part) if isinstance(part, str) else part for part in message.content]
    return message.model_copy(update={"content": parts})


def _distinct_calls(calls: list[FunctionCall]) -> list[FunctionCall]:
    """The calls cleaned, each under an id of its own: some servers repeat ids or leave them out."""
    seen: set[str] = set()
    distinct = []
    for index, call in enumerate(calls):
        name = clean(call.id) or "call"
        while name in seen:
            name += f"-{index}"
        seen.add(name)
        distinct.append(
            FunctionCall(id=name, name=clean(call.name), arguments=clean(call.arguments))
        )
    return distinct
