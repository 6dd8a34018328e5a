"""Runs the readings of one warehouse: so many at a time, each for so long, and stopped for sure."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from saaf_autogen.errors import TimedOut, WarehouseFailed
from saaf_autogen.sql.reading import Reading
from saaf_autogen.sql.slots import Slots
from saaf_autogen.sql.stream import ArrowStream

__all__ = ["Runner"]

T = TypeVar("T")
# An engine that does not answer an interrupt within it is let go by force.
_PATIENCE_S = 1.0
_CLOSING_S = 3.0


class Runner:
    """Threads for blocking drivers.

    Each step of a query (start it, fetch a batch) runs on a thread; between steps none is held.
    Nothing here belongs to an event loop, so that a query is stopped even if its loop has ended.

    Args:
        name: the warehouse, for messages.
        concurrency: queries that run at the same time; further ones wait for their turn.
    """

    def __init__(self, name: str, concurrency: int) -> None:
        self._name = name
        self._slots = Slots(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=f"warehouse-{name}")
        self._open: set[_Running] = set()
        self._closed = False

    @asynccontextmanager
    async def stream(
        self, reading: Reading, *, max_rows: int, max_bytes: int | None, timeout_s: float
    ) -> AsyncIterator[ArrowStream]:
        """Run a reading. It is over when the block is left, whichever way.

        Args:
            reading: not opened yet.
            max_rows: rows that are handed on.
            max_bytes: bytes of Arrow's buffers that are handed on; None for no bound.
            timeout_s: seconds until the engine is interrupted, from now to the last batch.

        Raises:
            SqlRefused, WarehouseFailed: the reading did.
            TimedOut: no slot or no end within the time.
        """
        deadline = time.monotonic() + timeout_s
        await self._admit(timeout_s)
        running = _Running(reading, self._threads, self._release)
        self._open.add(running)
        # Also while the consumer does something else: what it holds is bounded by the same time.
        timer = asyncio.get_running_loop().call_later(timeout_s, running.stop)
        try:
            schema = await self._step(running, reading.open, deadline, timeout_s)

            async def fetch() -> Any:
                return await self._step(running, reading.next, deadline, timeout_s)

            yield ArrowStream(schema, fetch, max_rows=max_rows, max_bytes=max_bytes)
        finally:
            timer.cancel()
            running.stop()

    async def close(self) -> None:
        """Stop what runs, refuse what waits and comes, and end the threads."""
        if self._closed:
            return
        self._closed = True
        self._slots.close()
        stopping = list(self._open)
        for running in stopping:
            running.stop()
        await asyncio.to_thread(wait, [running.ended for running in stopping], _CLOSING_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _admit(self, timeout_s: float) -> None:
        if self._closed:
            raise _closed(self._name)
        try:
            await self._slots.take(timeout_s)
        except TimeoutError:
            raise TimedOut(
                f"The warehouse {self._name} is busy: {self._slots.total} queries run, and none "
                f"ended within {timeout_s:g} s.",
                remedy="Try again later, or raise the warehouse's `concurrency`.",
            ) from None
        except asyncio.CancelledError:
            if self._closed:
                raise _closed(self._name) from None
            raise
        if self._closed:
            self._slots.give()
            raise _closed(self._name)

    def _release(self, running: _Running) -> None:
        self._open.discard(running)
        self._slots.give()

    async def _step(
        self, running: _Running, work: Callable[[], T], deadline: float, timeout_s: float
    ) -> T:
        future = running.submit(work)
        if future is not None:
            waiting = asyncio.wrap_future(future)
            try:
                left = max(0.0, deadline - time.monotonic())
                done, _ = await asyncio.wait({waiting}, timeout=left)
            except asyncio.CancelledError:
                waiting.cancel()
                raise
            if done and not running.stopped:
                return waiting.result()
            if done and not waiting.cancelled():
                waiting.exception()
            waiting.cancel()
        if self._closed:
            raise _closed(self._name)
        raise TimedOut(
            f"The query took longer than {timeout_s:g} s and was interrupted.",
            remedy="Filter earlier, aggregate, or select fewer columns.",
        )


class _Running:
    """One reading at work: at most one step at a time, and an end that comes once."""

    def __init__(
        self, reading: Reading, threads: ThreadPoolExecutor, release: Callable[[_Running], None]
    ) -> None:
        self.stopped = False
        self.ended: Future[None] = Future()
        self._reading = reading
        self._threads = threads
        self._release = release
        self._step: Future[Any] | None = None
        self._lock = threading.Lock()

    def submit(self, work: Callable[[], T]) -> Future[T] | None:
        """Start a step; None when the reading was stopped."""
        with self._lock:
            if self.stopped:
                return None
            future = self._step = self._threads.submit(work)
            return future

    def stop(self) -> None:
        """Interrupt and close; returns at once, from any thread."""
        with self._lock:
            if self.stopped:
                return
            self.stopped = True
        # On a thread of its own: the caller's event loop may end before the query does.
        threading.Thread(target=self._drain, name="warehouse-drain", daemon=True).start()

    def _drain(self) -> None:
        try:
            self._interrupt()
            self._reading.close()
        finally:
            self._release(self)
            self.ended.set_result(None)

    def _interrupt(self) -> None:
        """Interrupt until the step is over: an engine may forget one that comes too early."""
        step = self._step
        if step is None or step.cancel():
            return
        patience = time.monotonic() + _PATIENCE_S
        while not step.done():
            self._reading.interrupt()
            wait({step}, timeout=self._reading.interrupt_every_s)
            if time.monotonic() > patience and not step.done():
                self._reading.abandon()
                patience = float("inf")


def _closed(name: str) -> WarehouseFailed:
    return WarehouseFailed(f"The warehouse {name} was closed.", remedy="Start the host again.")
