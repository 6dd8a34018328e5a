"""AutoGen's own tools, where a deployment trusts them: remembered like actions.

They take no idempotency key: one that is cut off in mid-call is called again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core import CancellationToken
from autogen_core.tools import (
    StaticStreamWorkbench,
    StaticWorkbench,
    TextResultContent,
    ToolResult,
    ToolSchema,
    Workbench,
)

from saaf_autogen.teams.binding import CallLedger
from saaf_autogen.teams.content import clean, error_content
from saaf_autogen.teams.tool_call import Seen, ToolCall
from saaf_autogen.teams.workbench import ActionWorkbench

__all__ = ["bind_stock_tools"]


def bind_stock_tools(agent: AssistantAgent, ledger: CallLedger) -> None:
    """Let the run remember the calls of an agent's workbenches that are not SAAF's."""
    agent._workbench = [
        bench
        if isinstance(bench, ActionWorkbench | _StockWorkbench)
        else _StockWorkbench(bench, ledger)
        for bench in agent._workbench
    ]


class _StockWorkbench(StaticStreamWorkbench):
    """Another workbench within a turn; AutoGen streams only from this base class."""

    def __init__(self, inner: Workbench, ledger: CallLedger) -> None:
        super().__init__([])
        self._inner = inner
        self._ledger = ledger

    async def list_tools(self) -> list[ToolSchema]:
        return await self._inner.list_tools()

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        # The place first: parallel calls keep the order in which the model made them.
        given: Any = arguments
        plain = dict(given) if isinstance(given, Mapping) else {"arguments": given}
        call = ToolCall(self._ledger, call_id, name, plain)
        scope = self._ledger.scope
        seen = call.recall()
        if seen is None:
            async with scope.call("tool"):
                # What the tool does is not known, so it is taken for a write.
                await scope.demand(scope.host.journal.settle())
                seen = call.done(await self._seen(name, arguments, cancellation_token, call_id))
        content = TextResultContent(content=seen.content)
        return ToolResult(name=name, result=[content], is_error=seen.is_error)

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any | ToolResult, None]:
        if isinstance(self._inner, StaticStreamWorkbench) and self._is_agent(name):
            # An agent as a tool: the calls within it are remembered each on its own.
            stream = self._inner.call_tool_stream(name, arguments, cancellation_token, call_id)
            async for item in stream:
                yield item
            return
        yield await self.call_tool(name, arguments, cancellation_token, call_id)

    async def _seen(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        cancellation_token: CancellationToken | None,
        call_id: str | None,
    ) -> Seen:
        try:
            result = await self._inner.call_tool(name, arguments, cancellation_token, call_id)
        except Exception as error:  # the border to foreign tools: nothing may pass it raised
            return Seen(error_content(error), is_error=True)
        if result.is_error and isinstance(self._inner, StaticWorkbench):
            # It puts the words of the exception into the result.
            return Seen(error_content(RuntimeError()), is_error=True)
        return Seen(clean(result.to_text()), result.is_error)

    def _is_agent(self, name: str) -> bool:
        tools = getattr(self._inner, "_tools", ())
        return any(tool.name == name and isinstance(tool, AgentTool | TeamTool) for tool in tools)

    async def start(self) -> None:
        await self._inner.start()

    async def stop(self) -> None:
        await self._inner.stop()

    async def reset(self) -> None:
        await self._inner.reset()

    async def save_state(self) -> Mapping[str, Any]:
        return await self._inner.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self._inner.load_state(state)
