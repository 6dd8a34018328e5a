"""Wakes those who wait for something in the store, within this process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["CALLBACKS", "Notifier", "rung"]

CALLBACKS = "callbacks"


class Notifier:
    """Says that there is news on a topic, such as a run's id; the news itself is in the store.

    Other processes are not reached: who waits also looks by themselves now and then.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[_Bell]] = defaultdict(set)

    def notify(self, topic: str) -> None:
        """Wake all who listen to a topic; safe from any thread."""
        for bell in tuple(self._waiting.get(topic, ())):
            # The loop of one that was abandoned is closed; whoever has news is not to suffer.
            with suppress(RuntimeError):
                bell.loop.call_soon_threadsafe(bell.event.set)

    @contextmanager
    def listen(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set at each news; clear it before looking."""
        bell = _Bell()
        self._waiting[topic].add(bell)
        try:
            yield bell.event
        finally:
            self._waiting[topic].discard(bell)
            if not self._waiting[topic]:
                del self._waiting[topic]


class _Bell:
    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.loop = asyncio.get_running_loop()


async def rung(event: asyncio.Event, timeout_s: float) -> None:
    """Wait until the event is set, or for ``timeout_s`` seconds."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass
