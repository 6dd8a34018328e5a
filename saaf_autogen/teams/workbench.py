"""The deployment's actions as an AutoGen workbench."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
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
from saaf_autogen.errors import (
    ConfigurationError,
    InvalidArguments,
    NotFound,
    OutcomeUnknown,
    SaafError,
    Unauthenticated,
)
from saaf_autogen.journal import Fenced
from saaf_autogen.teams.binding import CallLedger
from saaf_autogen.teams.content import clean_value, error_content, value_content
from saaf_autogen.teams.schema import arguments_for, strict_schema
from saaf_autogen.teams.tool_call import Seen, ToolCall

__all__ = ["ActionWorkbench", "ActionWorkbenchConfig"]

_TOOL_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


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
        self._ledger: CallLedger | None = None
        self._offered: dict[str, ActionSpec] | None = None
        self._tools_listed: list[ToolSchema] = []

    def bind(self, port: ActionPort, ledger: CallLedger | None = None) -> None:
        """Give it the actions as one principal reaches them.

        Args:
            port: lists and calls.
            ledger: within a turn, the calls of the agent that the workbench belongs to.
        """
        self._port, self._ledger = port, ledger
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
        ledger = self._ledger
        if ledger is None:
            seen = await self._seen(name, arguments, cancellation_token, key=None)
        else:
            seen = await self._call(ledger, name, arguments, cancellation_token, call_id)
        return _result(name, seen)

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
        ledger: CallLedger,
        name: str,
        arguments: Mapping[str, Any] | None,
        cancellation_token: CancellationToken | None,
        call_id: str | None,
    ) -> Seen:
        """Call within a turn: what the run remembers is not done again."""
        # The place first: parallel calls keep the order in which the model made them.
        call = ToolCall(ledger, call_id, name, _plain(arguments))
        spec = (self._offered or {}).get(name)
        call.name = spec.name if spec else name
        known = call.recall()
        if known is not None:
            return known
        place, answered = call.answer()
        if answered is not None:
            return call.done(answered)
        scope = ledger.scope
        try:
            async with scope.call("tool"):
                if spec is None or spec.effect != "read":
                    # Whoever takes the run over must know why this call is made.
                    await scope.demand(scope.host.journal.settle())
                key = str(call.key)
                return call.done(await self._seen(name, arguments, cancellation_token, key=key))
        except OutcomeUnknown as error:
            agent = ledger.path.rpartition("/")[2]
            await scope.ask(place, call.question(place, error, agent))
        except (Fenced, Unauthenticated) as stop:
            scope.fail(stop)
            await scope.wait_for_the_end()

    async def _seen(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        cancellation_token: CancellationToken | None,
        *,
        key: str | None,
    ) -> Seen:
        """What the model sees of a call.

        Raises:
            OutcomeUnknown: within a turn, where a human can be asked.
            Fenced, Unauthenticated: within a turn, which ends with it.
        """
        try:
            value = await self._value(name, arguments, cancellation_token, key)
        except Exception as error:  # the border to tools: a model gets refusals as results
            stops = isinstance(error, Fenced | OutcomeUnknown | Unauthenticated)
            if key is not None and stops:
                raise
            return Seen(error_content(error), is_error=True)
        return Seen(value)

    async def _value(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        cancellation_token: CancellationToken | None,
        key: str | None,
    ) -> str:
        offered = await self._offer()
        if name not in offered:
            raise NotFound(
                f"There is no tool {name!r} for this caller.",
                remedy=f"Use one of: {', '.join(offered) or 'none'}.",
            )
        spec = offered[name]
        if not isinstance(arguments, Mapping | None):
            raise InvalidArguments(
                f"The arguments of {name} are no JSON object.",
                remedy="Give them as an object of names and values.",
            )
        sent = arguments_for(spec.parameters, clean_value(dict(arguments or {})))
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
        port, ledger = self._bound(), self._ledger
        try:
            actions = await (port.list_actions() if ledger is None else ledger.scope.actions())
            self._offered, self._tools_listed = self._select(actions)
        except (SaafError, Fenced) as error:
            if ledger is not None:
                ledger.scope.fail(error)
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


def _plain(arguments: Any) -> dict[str, Any]:
    return dict(arguments) if isinstance(arguments, Mapping) else {"arguments": arguments}


def _result(name: str, seen: Seen) -> ToolResult:
    return ToolResult(
        name=name, result=[TextResultContent(content=seen.content)], is_error=seen.is_error
    )
