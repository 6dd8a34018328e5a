"""A run in its caller's hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Literal, Protocol

from saaf_autogen.errors import Conflict, InputRequired, TimedOut
from saaf_autogen.runs.model import TERMINAL

__all__ = ["Run", "RunHost", "Runs", "run_body"]


class RunHost(Protocol):
    """What runs need of a host, near or far."""

    async def create_run(self, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Start a run."""
        ...

    async def create_runs(self, bodies: list[dict[str, Any]], key: str | None) -> dict[str, Any]:
        """Start many runs, all or none."""
        ...

    async def list_runs(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of the caller's runs, newest first."""
        ...

    async def get_run(self, run_id: str) -> dict[str, Any]:
        """A run as it stands."""
        ...

    async def cancel_run(self, run_id: str) -> dict[str, Any]:
        """Ask for a run's end."""
        ...

    async def answer_run(
        self, run_id: str, body: dict[str, Any], key: str | None
    ) -> dict[str, Any]:
        """Answer what a run waits for."""
        ...

    def stream_run(self, run_id: str, after: int) -> AsyncGenerator[dict[str, Any], None]:
        """The run's events after number ``after``, until its last."""
        ...


class Run:
    """A run, as it stood when it was last asked for.

    Attributes:
        state: the run's document: ``id``, ``status``, ``output``, ``error``, ``question``,
            ``usage``, times.
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
        """``queued``, ``running``, ``input_required``, or how it ended, such as ``completed``."""
        return str(self.state["status"])

    @property
    def output(self) -> str | None:
        """The answer, once the run is completed."""
        return self.state.get("output")

    @property
    def error(self) -> dict[str, Any] | None:
        """The problem document of a run that failed."""
        return self.state.get("error")

    @property
    def question(self) -> dict[str, Any] | None:
        """What it waits for: ``{id, kind, source, prompt, data, …}``; None when it does not."""
        return self.state.get("question")

    async def stream(self, *, after: int = 0) -> AsyncGenerator[dict[str, Any], None]:
        """Its events as they happen: ``{id, type, at, data}``. Leaving never cancels the run.

        A run that waits for an answer has not ended: after ``run.input_required``, the stream
        stays silent until somebody has answered.
        """
        async with aclosing(self._host.stream_run(self.id, after)) as events:
            async for event in events:
                yield event

    async def wait(
        self, *, timeout_s: float | None = None, until: Literal["end", "input"] = "end"
    ) -> Run:
        """Wait for its end, or until it waits for an answer itself.

        Args:
            timeout_s: seconds to wait; None: for as long as it takes.
            until: ``end`` raises when the run waits for an answer; ``input`` returns it then, with
                its ``question``.

        Raises:
            InputRequired: it goes on only when somebody answers (``answer``).
            TimedOut: neither came within ``timeout_s``.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._come_to_rest()
        except TimeoutError:
            raise TimedOut(
                f"The run is still {self.status} after {timeout_s:g} s.",
                remedy="It goes on: ask again, or cancel it.",
            ) from None
        if self.status == "input_required" and until == "end":
            asked = self.question or {}
            raise InputRequired(
                f"The run waits for an answer to {asked.get('source')}: {asked.get('prompt')}",
                remedy="Answer it with run.answer(…) and wait again.",
                extra={"question": asked},
            )
        return self

    async def answer(
        self,
        text: str | None = None,
        *,
        resolution: Literal["done", "retry", "failed"] | None = None,
        value: Any = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Answer what it waits for; it goes on from there.

        Args:
            text: to an agent that asks, or to a team that handed over.
            resolution: what became of a write whose outcome is unknown: ``done``, with ``value``
                as what it returned; ``retry``; or ``failed``, and it is not to be done.
            value: JSON-able; of ``done`` alone.
            idempotency_key: the same answer with the same key may be sent again.

        Raises:
            Conflict: it waits for nothing, or somebody else has answered.
            InvalidArguments: the question is of another kind.
        """
        if self.question is None:
            await self.refresh()
        if self.question is None:
            raise Conflict(
                f"The run waits for no answer: it is {self.status}.",
                remedy='Let it come to a question with run.wait(until="input").',
            )
        body: dict[str, Any] = {"question_id": self.question["id"]}
        if text is not None:
            body["text"] = text
        if resolution is not None:
            body["resolution"] = resolution
        if resolution == "done" or value is not None:
            body["value"] = value
        self.state = await self._host.answer_run(self.id, body, idempotency_key)
        return self

    async def refresh(self) -> Run:
        """Ask how it stands."""
        self.state = await self._host.get_run(self.id)
        return self

    async def cancel(self) -> Run:
        """Ask for its end."""
        self.state = await self._host.cancel_run(self.id)
        return self

    async def _come_to_rest(self) -> None:
        after = 0
        if self.status not in TERMINAL:
            await self.refresh()
        while self.status not in TERMINAL and self.status != "input_required":
            async with aclosing(self._host.stream_run(self.id, after)) as events:
                async for event in events:
                    after = int(event["id"])
                    # It may be a question of long ago, and answered.
                    if event["type"] == "run.input_required":
                        await self.refresh()
                        if self.status == "input_required":
                            return
            await self.refresh()

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
        **more: Any,
    ) -> Run:
        """Start a run of an agent; with ``webhook``, its end is also called back, signed.

        ``more`` are further fields of the request: ``priority``, ``after_seconds``,
        ``timeout_s``, ``budget``.
        """
        body = run_body(agent_id, input, webhook=webhook, metadata=metadata, **more)
        return Run(self._host, await self._host.create_run(body, idempotency_key))

    async def create_many(
        self, requests: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[Run]:
        """Start up to 100 runs at once, all or none; they come in the order of the requests.

        Each request has the fields of ``create``:
        ``{"agent_id": "flights", "input": "…", "after_seconds": 60}``. The key is that of the
        whole.

        Raises:
            InvalidArguments: some are refused; ``errors`` in ``extra`` names each by its index.
        """
        bodies = [_bodied(each) for each in requests]
        made = await self._host.create_runs(bodies, idempotency_key)
        return [Run(self._host, state) for state in made["data"]]

    async def list(
        self, *, status: str | None = None, agent_id: str | None = None, limit: int = 20
    ) -> list[Run]:
        """Your newest runs, up to ``limit`` (1 to 100): such as those with ``input_required``."""
        query = {"status": status, "agent_id": agent_id, "limit": str(limit)}
        page = await self._host.list_runs({name: each for name, each in query.items() if each})
        return [Run(self._host, state) for state in page["data"]]

    async def get(self, run_id: str) -> Run:
        """A run by its id."""
        return Run(self._host, await self._host.get_run(run_id))


def run_body(
    agent_id: str,
    input: str,  # noqa: A002 - the API's own name
    *,
    webhook: str | None = None,
    metadata: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A request for a run, as hosts take it."""
    body: dict[str, Any] = {"agent_id": agent_id, "input": input, **more}
    if webhook:
        body["webhook"] = {"url": webhook}
    if metadata:
        body["metadata"] = metadata
    return body


def _bodied(request: Mapping[str, Any]) -> dict[str, Any]:
    webhook = request.get("webhook")
    return {**request, "webhook": {"url": webhook}} if isinstance(webhook, str) else dict(request)
