"""``saaf serve`` with a scripted model in process, and with the lag of its event loop at ``/_lag``.

``python -m benchmarks.runs.scripted LATENCY_S serve --project FOLDER --port PORT``. Everything else
is as shipped: the script stands where a connection to a model server would.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from unittest.mock import patch

from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from saaf_autogen.api.app import create_app
from saaf_autogen.cli.main import main as saaf

__all__ = ["Scripted"]

_ANSWER = "It is a number like others, and I have looked it up: nothing stands out about it. " * 3
_USAGE = RequestUsage(prompt_tokens=100, completion_tokens=40)


class Scripted(ChatCompletionClient):
    """Where tools are offered it calls the first one, once; then it answers.

    The same messages give the same answer, so that a turn that is done again goes the same way.

    Args:
        latency_s: waited before each answer, in seconds.
    """

    component_type = "model"

    def __init__(self, latency_s: float = 0) -> None:
        self._latency_s = latency_s

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """A tool call, or the answer after one."""
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        if not tools or isinstance(messages[-1], FunctionExecutionResultMessage):
            return CreateResult(finish_reason="stop", content=_ANSWER, usage=_USAGE, cached=False)
        tool = tools[0]
        name = tool.name if isinstance(tool, Tool) else tool["name"]
        arguments = json.dumps({"number": len(messages)})
        call = FunctionCall(id=f"call-{len(messages)}", name=name, arguments=arguments)
        return CreateResult(
            finish_reason="function_calls", content=[call], usage=_USAGE, cached=False
        )

    async def create_stream(
        self, messages: Sequence[LLMMessage], **arguments: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        """The same, in one piece."""
        yield await self.create(messages, **arguments)

    async def close(self) -> None:
        """Nothing to close."""

    def actual_usage(self) -> RequestUsage:
        """Not counted here."""
        return _USAGE

    def total_usage(self) -> RequestUsage:
        """Not counted here."""
        return _USAGE

    def count_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()
    ) -> int:
        """Not counted."""
        return 0

    def remaining_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()
    ) -> int:
        """As many as are wanted."""
        return 1_000_000

    @property
    def model_info(self) -> ModelInfo:
        """Tools, and nothing else."""
        return ModelInfo(
            vision=False,
            function_calling=True,
            json_output=False,
            family="unknown",
            structured_output=False,
        )

    @property
    def capabilities(self) -> ModelInfo:
        """The same as ``model_info``."""
        return self.model_info


class LagProbe:
    """An ASGI app around another, in whose loop it measures how late a wish to sleep 5 ms ends."""

    _SLEEP_S = 0.005

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lags: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer ``/_lag`` with the lags in ms since it was last asked; the app has the rest."""
        if self._task is None:
            self._task = asyncio.create_task(self._probe())
        if scope["type"] != "http" or scope["path"] != "/_lag":
            await self._app(scope, receive, send)
            return
        lags, self._lags = self._lags, []
        content = json.dumps(lags).encode()
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _probe(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(self._SLEEP_S)
            self._lags.append(1000 * (time.perf_counter() - began - self._SLEEP_S))


def main() -> None:
    """Put the script and the probe in their places, and serve."""
    latency_s = float(sys.argv.pop(1))
    with (
        patch("saaf_autogen.teams.models.connect", lambda *_: Scripted(latency_s)),
        patch("saaf_autogen.cli.serve.create_app", lambda project: LagProbe(create_app(project))),
    ):
        saaf()


if __name__ == "__main__":
    main()
