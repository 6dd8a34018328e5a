"""The deployment's actions as an AutoGen workbench."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, cast

from autogen_core import CancellationToken, Component
from autogen_core.tools import (
    ParametersSchema,
    StaticStreamWorkbench,
    TextResultContent,
    ToolResult,
    ToolSchema,
)
from pydantic import BaseModel

from saaf_autogen.actions.spec import ActionPort, ActionSpec
from saaf_autogen.errors import ConfigurationError, NotFound, SaafError, Unauthenticated
from saaf_autogen.journal import CallKey
from saaf_autogen.teams.content import clean_value, error_content, value_content
from saaf_autogen.teams.schema import arguments_for, strict_schema

__all__ = ["ActionWorkbench", "ActionWorkbenchConfig"]

_TOOL_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
ListActions = Callable[[], Awaitable[list[ActionSpec]]]
NameCall = Callable[[str | None], CallKey]


class ActionWorkbenchConfig(BaseModel):
    """``{actions: ["warehouse.*"]}``: patterns of the actions to offer."""

    model_config = {"extra": "forbid"}

    actions: list[str]


class ActionWorkbench(StaticStreamWorkbench, Component[ActionWorkbenchConfig]):
    """Offers the deployment's actions that match its patterns and that its caller may call.

    Loaded from a config it is bound to no one, and every call is refused; the host binds it to the
    actions as one run's principal reaches them. A refusal or a failure is an error result, never
    an exception. (AutoGen streams only from this base class.)

    Args:
        actions: patterns of action names, such as ``warehouse.*``.
    """

    component_type = "workbench"
    component_config_schema = ActionWorkbenchConfig  # type: ignore[assignment]  # its own config in place of StaticWorkbench's
    component_provider_override = "saaf_autogen.ActionWorkbench"

    def __init__(self, actions: Sequence[str]) -> None:
        super().__init__([])
        self._patterns = tuple(actions)
        self._port: ActionPort | None = None
        self._list_actions: ListActions | None = None
        self._name_call: NameCall | None = None
        self._on_failure: Callable[[SaafError], None] | None = None
        self._offered: dict[str, ActionSpec] | None = None
        self._tools_listed: list[ToolSchema] = []

    def bind(
        self,
        port: ActionPort,
        *,
        list_actions: ListActions | None = None,
        name_call: NameCall | None = None,
        on_failure: Callable[[SaafError], None] | None = None,
    ) -> None:
        """Give it the actions as one principal reaches them.

        Args:
            port: lists and calls.
            list_actions: a shared, cached way to list; ``port.list_actions`` by default.
            name_call: gives a call its idempotency key, from the model's id of the call.
            on_failure: told when the actions cannot be listed, or who calls counts no longer.
        """
        self._port = port
        self._list_actions = list_actions
        self._name_call = name_call
        self._on_failure = on_failure
        self._offered = None

    async def list_tools(self) -> list[ToolSchema]:
        """The tools that a model is offered, listed once and then remembered.

        Raises:
            SaafError: nobody is bound, or the actions cannot be listed.
        """
        await self._offer()
        return list(self._tools_listed)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """Call an action by its tool name; never raises but when it is cancelled."""
        try:
            content = await self._call(name, dict(arguments or {}), cancellation_token, call_id)
        except Exception as error:  # the border to tools: a model gets refusals as results
            if isinstance(error, Unauthenticated) and self._on_failure is not None:
                self._on_failure(error)
            return _result(name, error_content(error), is_error=True)
        return _result(name, content)

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any | ToolResult, None]:
        """As ``call_tool``; the result is the only thing it yields."""
        yield await self.call_tool(name, arguments, cancellation_token, call_id)

    async def _call(
        self,
        name: str,
        arguments: dict[str, Any],
        cancellation_token: CancellationToken | None,
        call_id: str | None,
    ) -> str:
        # The key first: parallel calls keep the order in which the model made them.
        key = str(self._name_call(call_id)) if self._name_call else None
        offered = await self._offer()
        if name not in offered:
            raise NotFound(
                f"There is no tool {name!r} for this caller.",
                remedy=f"Use one of: {', '.join(offered) or 'none'}.",
            )
        spec = offered[name]
        sent = arguments_for(spec.parameters, clean_value(arguments))
        call = self._bound().call(spec.name, sent, idempotency_key=key)
        if cancellation_token is None:
            outcome = await call
        else:
            task = asyncio.ensure_future(call)
            cancellation_token.link_future(task)
            outcome = await task
        return value_content(outcome.value, outcome.cut)

    def _bound(self) -> ActionPort:
        if self._port is None:
            raise Unauthenticated(
                "This workbench is bound to no principal, so every call is refused.",
                remedy="Load the agent through its deployment, or use Client(...).workbench(...).",
            )
        return self._port

    async def _offer(self) -> dict[str, ActionSpec]:
        if self._offered is not None:
            return self._offered
        port = self._bound()
        try:
            actions = await (self._list_actions or port.list_actions)()
            self._offered, self._tools_listed = self._select(actions)
        except SaafError as error:
            if self._on_failure is not None:
                self._on_failure(error)
            raise
        return self._offered

    def _select(
        self, actions: Sequence[ActionSpec]
    ) -> tuple[dict[str, ActionSpec], list[ToolSchema]]:
        offered: dict[str, ActionSpec] = {}
        tools: list[ToolSchema] = []
        for spec in sorted(actions, key=lambda action: action.name):
            if not any(fnmatchcase(spec.name, pattern) for pattern in self._patterns):
                continue
            name = spec.tool_name
            if name in offered or not _TOOL_NAME.match(name):
                raise ConfigurationError(
                    f"The action {spec.name} cannot be offered as the tool {name!r}.",
                    remedy="Rename it: tool names are unique, of letters, digits, _ and -.",
                )
            parameters, strict = strict_schema(spec.parameters)
            offered[name] = spec
            tools.append(
                ToolSchema(
                    name=name,
                    description=spec.description,
                    parameters=cast(ParametersSchema, parameters),
                    strict=strict,
                )
            )
        return offered, tools

    async def save_state(self) -> Mapping[str, Any]:
        """Nothing: a workbench holds no state of its own."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""

    def _to_config(self) -> ActionWorkbenchConfig:  # type: ignore[override]  # as above
        return ActionWorkbenchConfig(actions=list(self._patterns))

    @classmethod
    def _from_config(cls, config: ActionWorkbenchConfig) -> ActionWorkbench:  # type: ignore[override]  # as above
        return cls(config.actions)


def _result(name: str, content: str, *, is_error: bool = False) -> ToolResult:
    return ToolResult(name=name, result=[TextResultContent(content=content)], is_error=is_error)
