"""The models of a deployment, and the client by which agents name them.

``ModelClient`` loads unbound from a config; the host binds it to a ``ModelRegistry``. Between the
agent and the endpoint it retries, meters, cleans and types errors: AutoGen turns every exception
into ``RuntimeError(text)``, so that only here it is known what failed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol
from weakref import WeakKeyDictionary

from autogen_core import CancellationToken, Component, FunctionCall
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.errors import ConfigurationError, SaafError
from saaf_autogen.settings import ModelSettings
from saaf_autogen.teams import faults
from saaf_autogen.teams.content import clean
from saaf_autogen.teams.endpoints import connect, key_variable, model_info
from saaf_autogen.teams.model_faults import is_transient, model_failed, retry_after_s, typed_error

__all__ = ["ModelClient", "ModelClientConfig", "ModelObserver", "ModelRegistry"]

ATTEMPTS = 3
MAX_WAIT_S = 20.0
MAX_ANSWER_CHARS = 4_000_000
_CONTEXT_TOKENS = 128_000
_CHARS_PER_TOKEN = 4
_UNBOUND_INFO = ModelInfo(
    vision=False, function_calling=True, json_output=True, family="unknown", structured_output=True
)
ToolChoice = Tool | Literal["auto", "required", "none"]
Sleep = Callable[[float], Awaitable[None]]

faults.install()


class ModelObserver(Protocol):
    """What a run wants to know of its model calls."""

    def answered(self, result: CreateResult) -> None:
        """A call ended with this result."""
        ...

    def failed(self, error: SaafError) -> None:
        """A call failed for good."""
        ...


class ModelRegistry:
    """The models of saaf.yaml by their names; connects when one is first asked.

    Connections belong to the event loop that made them: close the registry in each loop that used
    it.

    Args:
        models: ``models`` of the settings.
        environ: where keys are; the process's environment by default.
        sleep: waits between attempts, in seconds; tests hand in their own.
        clock: reads dates in Retry-After.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSettings],
        *,
        environ: Mapping[str, str] | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Clock | None = None,
    ) -> None:
        self._models = dict(models)
        self._environ = os.environ if environ is None else environ
        self.sleep = sleep
        self.clock = clock or SystemClock()
        self._connected: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[str, ChatCompletionClient]
        ] = WeakKeyDictionary()

    @property
    def names(self) -> tuple[str, ...]:
        """The models that there are."""
        return tuple(sorted(self._models))

    def settings(self, name: str) -> ModelSettings:
        """The settings of a model.

        Raises:
            ConfigurationError: saaf.yaml has no such model.
        """
        if name not in self._models:
            raise ConfigurationError(
                f"saaf.yaml has no model {name!r}.",
                remedy=f"Add it under `models`, or use one of: {', '.join(self.names) or 'none'}.",
            )
        return self._models[name]

    def missing_keys(self) -> dict[str, str]:
        """The models that lack their key, with the environment variable that should hold it."""
        wanted = {name: key_variable(settings) for name, settings in self._models.items()}
        return {
            name: variable
            for name, variable in wanted.items()
            if variable and not self._environ.get(variable, "").strip()
        }

    def client(self, name: str) -> ModelClient:
        """A client for use outside of runs, such as in a notebook's own agent."""
        client = ModelClient(name)
        client.bind(self)
        return client

    def connection(self, name: str) -> ChatCompletionClient:
        """The AutoGen client of a model, one for each event loop.

        Raises:
            ConfigurationError: its key is missing, or it cannot be connected.
        """
        connected = self._connected.setdefault(asyncio.get_running_loop(), {})
        if name not in connected:
            connected[name] = connect(name, self.settings(name), self._environ)
        return connected[name]

    async def close(self) -> None:
        """Close the connections of this event loop."""
        for client in self._connected.pop(asyncio.get_running_loop(), {}).values():
            await client.close()


class ModelClientConfig(BaseModel):
    """``{name: default}``: a model of saaf.yaml."""

    model_config = {"extra": "forbid"}

    name: str = "default"


class ModelClient(ChatCompletionClient, Component[ModelClientConfig]):
    """A model of the deployment, by its name.

    Loaded from a config it is bound to nothing, and every call is refused; the host binds it.
    """

    component_type = "model"
    component_config_schema = ModelClientConfig
    component_provider_override = "saaf_autogen.ModelClient"

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self._registry: ModelRegistry | None = None
        self._observer: ModelObserver | None = None
        self._used = RequestUsage(prompt_tokens=0, completion_tokens=0)

    def bind(self, registry: ModelRegistry, observer: ModelObserver | None = None) -> None:
        """Give it the deployment's models, and a run that watches.

        Raises:
            ConfigurationError: the registry has no model of this name.
        """
        registry.settings(self.name)
        self._registry, self._observer = registry, observer

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: ToolChoice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """One answer of the model.

        Raises:
            ModelFailed: it could not be asked, or its answer could not be read.
            ConfigurationError: unbound, or its key is missing.
        """
        asked = [_clean_message(message) for message in messages]
        arguments = _arguments(tools, tool_choice, json_output, extra_create_args)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                registry = self._bound()
                inner = registry.connection(self.name)
                async with asyncio.timeout(registry.settings(self.name).timeout_s):
                    result = await inner.create(
                        asked, cancellation_token=cancellation_token, **arguments
                    )
                return self._answer(result)
            except Exception as error:  # the border to foreign clients: all becomes typed
                await self._failure(error, attempt, cancellation_token)
        raise AssertionError("the last attempt returns or raises")

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: ToolChoice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """The answer in pieces of text, and whole at the end.

        Raises:
            ModelFailed: as ``create``; once text was passed on, it is not asked again.
            ConfigurationError: unbound, or its key is missing.
        """
        asked = [_clean_message(message) for message in messages]
        arguments = _arguments(tools, tool_choice, json_output, extra_create_args)
        for attempt in range(1, ATTEMPTS + 1):
            passed_on = False
            try:
                async for piece in self._stream(asked, arguments, cancellation_token):
                    passed_on = True
                    yield piece
                return
            except Exception as error:  # the border to foreign clients: all becomes typed
                last = ATTEMPTS if passed_on else attempt
                await self._failure(error, last, cancellation_token)

    async def _stream(
        self,
        messages: Sequence[LLMMessage],
        arguments: dict[str, Any],
        cancellation_token: CancellationToken | None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        registry = self._bound()
        settings = registry.settings(self.name)
        inner = registry.connection(self.name)
        if settings.provider in ("openai", "azure") and "stream_options" not in settings.options:
            arguments = {**arguments, "include_usage": True}
        stream = inner.create_stream(messages, cancellation_token=cancellation_token, **arguments)
        total, ended = 0, False
        try:
            while True:
                async with asyncio.timeout(settings.timeout_s):
                    piece = await anext(stream, None)
                if piece is None:
                    break
                if isinstance(piece, CreateResult):
                    ended = True
                    yield self._answer(piece)
                    continue
                total += len(piece)
                if total > MAX_ANSWER_CHARS:
                    raise model_failed(self.name, "too_large", "answered with more than is read")
                yield clean(piece)
        finally:
            await stream.aclose()
        if not ended:
            raise model_failed(self.name, "empty", "gave no answer", "Try again later.")

    def _bound(self) -> ModelRegistry:
        if self._registry is None:
            raise ConfigurationError(
                f"The model client {self.name!r} is bound to no deployment.",
                remedy="Load the agent through its deployment, or use Client(...).model(name).",
            )
        return self._registry

    def _answer(self, result: CreateResult) -> CreateResult:
        content = result.content
        if isinstance(content, str):
            if len(content) > MAX_ANSWER_CHARS:
                raise model_failed(self.name, "too_large", "answered with more than is read")
            if not content and result.finish_reason == "unknown":
                raise model_failed(self.name, "empty", "gave no answer", "Try again later.")
            content = clean(content)
        else:
            content = _distinct_calls(content)
        thought = None if result.thought is None else clean(result.thought)
        result = result.model_copy(update={"content": content, "thought": thought})
        self._used = RequestUsage(
            self._used.prompt_tokens + result.usage.prompt_tokens,
            self._used.completion_tokens + result.usage.completion_tokens,
        )
        if self._observer is not None:
            self._observer.answered(result)
        return result

    async def _failure(
        self, error: Exception, attempt: int, cancellation_token: CancellationToken | None
    ) -> None:
        """Wait for the next attempt, or raise the typed error where there is none."""
        typed = typed_error(self.name, error)
        wait = 0.5 * 2 ** (attempt - 1)
        if self._registry is not None:
            asked = retry_after_s(error, self._registry.clock)
            if asked is not None:
                wait = asked
                typed.extra["retry_after_s"] = asked
            if is_transient(typed) and attempt < ATTEMPTS and wait <= MAX_WAIT_S:
                pause = asyncio.ensure_future(self._registry.sleep(wait))
                if cancellation_token is not None:
                    cancellation_token.link_future(pause)
                await pause
                return
        if self._observer is not None:
            self._observer.failed(typed)
        raise typed from None

    async def close(self) -> None:
        """Nothing to do: connections belong to the registry."""

    def actual_usage(self) -> RequestUsage:
        """Tokens that this client used."""
        return self._used

    def total_usage(self) -> RequestUsage:
        """Tokens that this client used."""
        return self._used

    def count_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()
    ) -> int:
        """About how many tokens the messages are, at four characters each.

        An exact count would need a tokenizer that is downloaded at first use.
        """
        characters = sum(len(message.model_dump_json()) for message in messages)
        characters += sum(
            len(str(tool.schema if isinstance(tool, Tool) else tool)) for tool in tools
        )
        return characters // _CHARS_PER_TOKEN

    def remaining_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()
    ) -> int:
        """About how many tokens are left of a context of 128,000."""
        return _CONTEXT_TOKENS - self.count_tokens(messages, tools=tools)

    @property
    def model_info(self) -> ModelInfo:
        """What the model can do; before it is bound, a guess that lets agents load."""
        if self._registry is None:
            return _UNBOUND_INFO
        return model_info(self._registry.settings(self.name))

    @property
    def capabilities(self) -> ModelInfo:
        """The same as ``model_info``."""
        return self.model_info

    def _to_config(self) -> ModelClientConfig:
        return ModelClientConfig(name=self.name)

    @classmethod
    def _from_config(cls, config: ModelClientConfig) -> ModelClient:
        return cls(config.name)


def _arguments(
    tools: Sequence[Tool | ToolSchema],
    tool_choice: ToolChoice,
    json_output: bool | type[BaseModel] | None,
    extra_create_args: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "tools": list(tools),
        "tool_choice": tool_choice,
        "json_output": json_output,
        "extra_create_args": dict(extra_create_args or {}),
    }


def _clean_message(message: LLMMessage) -> LLMMessage:
    if isinstance(message, FunctionExecutionResultMessage):
        results = [
            result.model_copy(update={"content": clean(result.content)})
            for result in message.content
        ]
        return message.model_copy(update={"content": results})
    if isinstance(message.content, str):
        return message.model_copy(update={"content": clean(message.content)})
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
        distinct.append(FunctionCall(id=name, name=call.name, arguments=clean(call.arguments)))
    return distinct
