"""The actions of a turn, for agents that run in another event loop than the host."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from saaf_autogen.actions.port import LocalPort
from saaf_autogen.actions.spec import ActionOutcome, ActionSpec

__all__ = ["TurnPort"]

Result = TypeVar("Result")


class TurnPort:
    """An ``ActionPort`` whose calls run in the host's own loop, where its connections belong.

    Args:
        port: the actions as the run's principal reaches them.
        loop: the host's event loop.
    """

    def __init__(self, port: LocalPort, loop: asyncio.AbstractEventLoop) -> None:
        self._port = port
        self._loop = loop

    async def list_actions(self) -> list[ActionSpec]:
        """As ``ActionPort.list_actions``."""
        return await self._there(self._port.list_actions())

    async def call(
        self, name: str, arguments: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ActionOutcome:
        """As ``ActionPort.call``; cancelling it cancels the call."""
        return await self._there(self._port.call(name, arguments, idempotency_key=idempotency_key))

    async def _there(self, work: Coroutine[Any, Any, Result]) -> Result:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
