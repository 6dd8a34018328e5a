"""A run in its caller's hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from saaf_autogen.errors import TimedOut
from saaf_autogen.runs.model import TERMINAL

__all__ = ["Run", "RunHost", "Runs"]


class RunHost(Protocol):
    """What runs need of a host, near or far."""

    async def create_run(self, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Start a run."""
        ...

    async def get_run(self, run_id: str) -> dict[str, Any]:
        """A run as it stands."""
        ...

    async def cancel_run(self, run_id: str) -> dict[str, Any]:
        """Ask for a run's end."""
        ...

    def stream_run(self, run_id: str, after: int) -> AsyncIterator[dict[str, Any]]:
        """The run's events after number ``after``, until its last."""
        ...


class Run:
    """A run, as it stood when it was last asked for.

    Attributes:
        state: the run's document: ``id``, ``status``, ``output``, ``error``, ``usage``, times.
    """

    def __init__(self, host: RunHost, state: dict[str, Any]) -> None:
        self._host = host
        self.state = state

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.state["id"])

    @property
    def status(self) -> str:
        """``queued``, ``running``, ``completed``, ``failed``, ``cancelled``, ``timed_out``."""
        return str(self.state["status"])

    @property
    def output(self) -> str | None:
        """The answer, once the run is completed."""
        return self.state.get("output")

    @property
    def error(self) -> dict[str, Any] | None:
        """The problem document of a run that failed."""
        return self.state.get("error")

    async def stream(self, *, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Its events as they happen: ``{id, type, at, data}``. Leaving never cancels the run."""
        async for event in self._host.stream_run(self.id, after):
            yield event

    async def wait(self, *, timeout_s: float | None = None) -> Run:
        """Wait for its end. Raises ``TimedOut`` when that takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.status not in TERMINAL:
                    async for _event in self._host.stream_run(self.id, 0):
                        pass
                    await self.refresh()
        except TimeoutError:
            raise TimedOut(
                f"The run is still {self.status} after {timeout_s:g} s.",
                remedy="It goes on: ask again, or cancel it.",
            ) from None
        return self

    async def refresh(self) -> Run:
        """Ask how it stands."""
        self.state = await self._host.get_run(self.id)
        return self

    async def cancel(self) -> Run:
        """Ask for its end."""
        self.state = await self._host.cancel_run(self.id)
        return self

    def __repr__(self) -> str:
        return f"Run({self.id}, {self.status})"


class Runs:
    """Runs of one caller."""

    def __init__(self, host: RunHost) -> None:
        self._host = host

    async def create(
        self,
        agent_id: str,
        input: str,  # noqa: A002 - the API's own name
        *,
        webhook: str | None = None,
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Start a run of an agent; with ``webhook``, its end is also called back, signed."""
        body: dict[str, Any] = {"agent_id": agent_id, "input": input}
        if webhook:
            body["webhook"] = {"url": webhook}
        if metadata:
            body["metadata"] = metadata
        return Run(self._host, await self._host.create_run(body, idempotency_key))

    async def get(self, run_id: str) -> Run:
        """A run by its id."""
        return Run(self._host, await self._host.get_run(run_id))
