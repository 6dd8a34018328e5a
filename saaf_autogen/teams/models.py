"""The models of a deployment, and the client by which agents name them.

``ModelClient`` loads unbound from a config; the host binds it to a ``ModelRegistry``. Between the
agent and the endpoint it remembers, meters, tries again and types errors: AutoGen turns every
exception into ``RuntimeError(text)``, so that only here it is known what failed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal
from weakref import WeakKeyDictionary

from autogen_core import CancellationToken, Component
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
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
from saaf_autogen.teams.asking import Patience, Request, Sleep
from saaf_autogen.teams.binding import CallLedger
from saaf_autogen.teams.endpoints import connect, key_variable, model_info
from saaf_autogen.teams.model_call import ModelCall, estimated_tokens

__all__ = ["ModelClient", "ModelClientConfig", "ModelRegistry"]

_CONTEXT_TOKENS = 128_000
_UNBOUND_INFO = ModelInfo(
    vision=False, function_calling=True, json_output=True, family="unknown", structured_output=True
)
ToolChoice = Tool | Literal["auto", "required", "none"]

faults.install()


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
        self._ledger: CallLedger | None = None
        self._used = RequestUsage(prompt_tokens=0, completion_tokens=0)

    def bind(self, registry: ModelRegistry, ledger: CallLedger | None = None) -> None:
        """Give it the deployment's models, and within a turn the calls of the agent that asks.

        Raises:
            ConfigurationError: the registry has no model of this name.
        """
        registry.settings(self.name)
        self._registry, self._ledger = registry, ledger

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
        """One answer of the model; within a turn, the one that the run remembers.

        Raises:
            ModelFailed: it could not be asked, or its answer could not be read.
            ConfigurationError: unbound, or its key is missing.
        """
        arguments = _arguments(tools, tool_choice, json_output, extra_create_args)
        request = Request.of(messages, arguments, cancellation_token)
        model = Patience(self._bound(), self.name)
        ledger = self._ledger
        if ledger is None:
            return self._count(await model.create(request))
        call = self._call(ledger, request)
        known = call.recall()
        if known is not None:
            return known
        async with ledger.scope.call("model"):
            try:
                result = await model.create(request)
            except SaafError as error:
                ledger.scope.fail(error)
                raise
            call.answered(result)
        return self._count(result)

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

        One that the run remembers comes whole only: its pieces were told when it was made.

        Raises:
            ModelFailed: as ``create``; once text was passed on, it is not asked again.
            ConfigurationError: unbound, or its key is missing.
        """
        arguments = _arguments(tools, tool_choice, json_output, extra_create_args)
        request = Request.of(messages, arguments, cancellation_token)
        model = Patience(self._bound(), self.name)
        ledger = self._ledger
        if ledger is None:
            async for piece in model.stream(request):
                yield piece if isinstance(piece, str) else self._count(piece)
            return
        call = self._call(ledger, request)
        known = call.recall()
        if known is not None:
            yield known
            return
        passed_on = 0
        async with ledger.scope.call("model"):
            try:
                async for piece in model.stream(request):
                    if isinstance(piece, str):
                        passed_on += len(piece)
                    else:
                        call.answered(self._count(piece))
                    yield piece
            except SaafError as error:
                ledger.scope.fail(error)
                raise
            finally:
                call.broke_off(passed_on)

    def _bound(self) -> ModelRegistry:
        if self._registry is None:
            raise ConfigurationError(
                f"The model client {self.name!r} is bound to no deployment.",
                remedy="Load the agent through its deployment, or use Client(...).model(name).",
            )
        return self._registry

    def _call(self, ledger: CallLedger, request: Request) -> ModelCall:
        offline = self._bound().settings(self.name).provider == "offline"
        return ModelCall(ledger, self.name, request, counts_exactly=offline)

    def _count(self, result: CreateResult) -> CreateResult:
        self._used = RequestUsage(
            self._used.prompt_tokens + result.usage.prompt_tokens,
            self._used.completion_tokens + result.usage.completion_tokens,
        )
        return result

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
        """About how many tokens the messages are, at four characters each."""
        return estimated_tokens([*messages], [*tools])

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
