"""A small turn executor whose behaviour the run's input names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from saaf_autogen.errors import ModelFailed
from saaf_autogen.journal import CallUsage, TurnEvent, TurnHost, TurnRequest, TurnResult

__all__ = ["Team"]


class Team:
    """``turns N`` | ``sleep S`` | ``stubborn`` | ``refused`` | ``bug`` | ``endless`` | ``dirty`` |
    ``slow N``.

    The word is kept in the state, as only the first turn is told the task.
    """

    def __init__(self) -> None:
        self.turns: list[TurnRequest] = []
        self.cancelled = 0
        self.at_once = 0
        self.most_at_once = 0

    async def until(self, condition: Callable[[], bool]) -> None:
        # Turns are done in the worker's own thread and loop.
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - it changes in another thread
                await asyncio.sleep(0.01)

    async def execute(self, request: TurnRequest, host: TurnHost) -> TurnResult:
        self.turns.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._turn(request, host)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1

    async def _turn(self, request: TurnRequest, host: TurnHost) -> TurnResult:
        task = request.task or (request.state or {})["task"]
        word, _, number = task.partition(" ")
        content = f"{word} {request.turn}"
        await host.permit("model")
        host.used(CallUsage("model", "team/speaker", "default", 10, 1))
        await host.emit(TurnEvent("message.completed", "speaker:0", {"content": content}))
        if word == "sleep":
            await asyncio.sleep(float(number))
        elif word == "stubborn":
            await self._swallow(float(number))
        elif word == "slow":
            await asyncio.sleep(0.2)
            await host.emit(TurnEvent("tool.result", "speaker:1", {"content": content}))
        elif word == "refused":
            raise ModelFailed("The model is out.", remedy="Try later.")
        elif word == "bug":
            raise RuntimeError("postgres://admin:hunter2@db/prod")
        elif word == "dirty":
            dirty = "a\x00b\ud800c"
            await host.emit(
                TurnEvent("tool.result", "dirty\x00:0", {"x": dirty, "y": float("nan")})
            )
            return TurnResult(state={"task": dirty}, finished=True, output=dirty)
        turns = int(number) if word in ("turns", "slow") else 10**9 if word == "endless" else 1
        return TurnResult(
            state={"task": task, "history": [*(request.state or {}).get("history", []), content]},
            finished=request.turn + 1 >= turns,
            stop_reason="done",
            output=f"answer to {task}",
        )

    async def _swallow(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                self.cancelled += 1
