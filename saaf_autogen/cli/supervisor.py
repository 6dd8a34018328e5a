"""Processes under one that replaces those that die; light, as it lives as long as they do."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType

__all__ = ["INTERRUPTED", "Supervisor", "on_signals", "passes"]

_logger = logging.getLogger(__name__)
INTERRUPTED = 130
"""The exit status of a process that was interrupted twice."""

_KILL_S = 30.0
_STEADY_S = 60.0
_MAX_PAUSE_S = 30.0


class Supervisor:
    """Starts processes, replaces those that die, and ends them all at a signal.

    A process is told of the end by SIGTERM. If this process is killed, its end of the others'
    standard input closes.

    Args:
        command: what each of them executes.
        count: how many there are.
        pause_s: seconds before the first that died is replaced; they double while it keeps dying.
    """

    def __init__(self, command: Sequence[str], count: int, *, pause_s: float = 1.0) -> None:
        self._command = command
        self._count = count
        self._pause_s = pause_s
        self._children: dict[int, asyncio.subprocess.Process] = {}

    async def run(self) -> bool:
        """Until a signal, or until all have ended by themselves; whether in good order."""
        self._stopping = asyncio.Event()
        on_signals(asyncio.get_running_loop(), self._stopping.set, self._kill_all)
        async with asyncio.TaskGroup() as group:
            kept = [group.create_task(self._keep(number)) for number in range(self._count)]
            ending = group.create_task(self._end())
            await asyncio.wait(kept)
            ending.cancel()
        return all(task.result() == 0 for task in kept)

    async def _keep(self, number: int) -> int:
        """One process and those that take its place; the last one's exit status."""
        pause = self._pause_s
        while True:
            began = time.monotonic()
            # In a session of its own: Ctrl-C reaches this process alone, which tells the others.
            child = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, start_new_session=True
            )
            self._children[number] = child
            if self._stopping.is_set():
                child.terminate()
            status = await child.wait()
            if self._stopping.is_set() or status == 0:
                return status
            if time.monotonic() - began > _STEADY_S:
                pause = self._pause_s
            _logger.error("worker %d ended (%d); another starts in %g s", number, status, pause)
            if not await passes(self._stopping, pause):
                return status
            pause = min(pause * 2, _MAX_PAUSE_S)

    async def _end(self) -> None:
        await self._stopping.wait()
        self._each(lambda child: child.terminate())
        await asyncio.sleep(_KILL_S)
        _logger.error("workers that did not stop within %g s are killed", _KILL_S)
        self._each(lambda child: child.kill())

    def _kill_all(self) -> None:
        self._each(lambda child: child.kill())
        os._exit(INTERRUPTED)

    def _each(self, do: Callable[[asyncio.subprocess.Process], None]) -> None:
        for child in self._children.values():
            if child.returncode is None:
                do(child)


def on_signals(
    loop: asyncio.AbstractEventLoop, stop: Callable[[], None], again: Callable[[], object]
) -> None:
    """``stop`` at the first SIGTERM or SIGINT; ``again`` at a second SIGINT."""
    told = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if told and number == signal.SIGINT:
            again()
        told = True
        loop.call_soon_threadsafe(stop)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, handle)


async def passes(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for so long; False when the signal to stop came meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return True
    return False
