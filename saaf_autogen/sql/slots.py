"""Turns at a warehouse, in the order of asking; they outlive any one event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future

__all__ = ["Slots"]


class Slots:
    """A semaphore for waiters in several event loops.

    Attributes:
        total: how many may hold a slot at the same time.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    async def take(self, timeout_s: float) -> None:
        """Wait for a slot. Raises ``TimeoutError``; ``CancelledError`` once it is closed."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn: Future[None] = Future()
            self._waiting.append(turn)
        try:
            await asyncio.wait_for(asyncio.wrap_future(turn), timeout_s)
        except (TimeoutError, asyncio.CancelledError):
            # The turn may have come in the same moment: then it is passed on.
            if not turn.cancel():
                self.give()
            raise

    def give(self) -> None:
        """Pass the slot on to who waits longest."""
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    return
            self._free += 1

    def close(self) -> None:
        """Send away all who wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for turn in waiting:
            turn.cancel()
