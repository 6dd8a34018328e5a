from __future__ import annotations

import asyncio
import threading
import time
from typing import ClassVar

import pyarrow as pa
import pytest

from saaf_autogen.errors import TimedOut, WarehouseFailed
from saaf_autogen.sql.runner import Runner
from saaf_autogen.sql.slots import Slots

_SCHEMA = pa.schema([pa.field("i", pa.int64())])


class Endless:
    """An engine that gives batches without end, and can be made deaf to interrupts."""

    interrupt_every_s: ClassVar[float] = 0.02

    def __init__(self, *, blocks: bool = False, deaf: bool = False) -> None:
        self.blocks, self.deaf = blocks, deaf
        self.batches = self.closed = 0
        self._stopped, self._abandoned = threading.Event(), threading.Event()

    def open(self) -> pa.Schema:
        if self.blocks:
            (self._abandoned if self.deaf else self._stopped).wait(30)
            raise WarehouseFailed("stopped")
        return _SCHEMA

    def next(self) -> pa.RecordBatch | None:
        self.batches += 1
        return pa.record_batch([pa.array(range(100))], schema=_SCHEMA)

    def interrupt(self) -> None:
        self._stopped.set()

    def abandon(self) -> None:
        self._abandoned.set()

    def close(self) -> None:
        self.closed += 1


async def first(runner: Runner, reading: Endless, timeout_s: float = 5) -> None:
    async with runner.stream(reading, max_rows=10, max_bytes=None, timeout_s=timeout_s) as stream:
        async for _ in stream:
            pass


async def ended(*readings: Endless) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if all(reading.closed for reading in readings):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_only_what_is_asked_for_is_fetched() -> None:
    runner, reading = Runner("w", 1), Endless()
    async with runner.stream(reading, max_rows=250, max_bytes=None, timeout_s=5) as stream:
        sizes = [batch.num_rows async for batch in stream]
    assert sizes == [100, 100, 50]
    assert stream.cut == "Cut after 250 rows: there are more."
    assert reading.batches == 3
    assert await ended(reading)
    await runner.close()


async def test_bytes_are_cut_within_a_batch_and_the_cut_is_said() -> None:
    runner, reading = Runner("w", 1), Endless()
    async with runner.stream(reading, max_rows=10_000, max_bytes=1_000, timeout_s=5) as stream:
        table = await stream.table()
    assert table.num_rows == 125
    assert stream.cut == "Cut after 125 rows, at 1000 bytes: there are more."
    await runner.close()


async def test_a_full_warehouse_says_so_and_serves_again_when_a_query_ends() -> None:
    runner = Runner("w", 2)
    held = [Endless(blocks=True) for _ in range(2)]
    tasks = [asyncio.create_task(first(runner, reading)) for reading in held]
    await asyncio.sleep(0.05)
    with pytest.raises(TimedOut, match="busy: 2 queries run"):
        await first(runner, Endless(), timeout_s=0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await first(runner, Endless())
    await runner.close()


async def test_a_consumer_that_dawdles_loses_its_query_at_the_time_limit() -> None:
    runner, reading = Runner("w", 1), Endless()
    async with runner.stream(reading, max_rows=500, max_bytes=None, timeout_s=0.1) as stream:
        batches = aiter(stream)
        await anext(batches)
        await asyncio.sleep(0.3)
        assert reading.closed
        with pytest.raises(TimedOut):
            await anext(batches)
    await first(runner, Endless())
    await runner.close()


async def test_an_engine_that_ignores_interrupts_is_abandoned() -> None:
    runner, deaf = Runner("w", 1), Endless(blocks=True, deaf=True)
    started = time.monotonic()
    with pytest.raises(TimedOut):
        await first(runner, deaf, timeout_s=0.1)
    assert time.monotonic() - started < 1
    assert await ended(deaf)
    await runner.close()


async def test_closing_stops_who_runs_and_sends_away_who_waits() -> None:
    runner, running = Runner("w", 1), Endless(blocks=True)
    tasks = [
        asyncio.create_task(first(runner, reading)) for reading in (running, Endless(), Endless())
    ]
    await asyncio.sleep(0.05)
    await asyncio.wait_for(runner.close(), 3)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, WarehouseFailed) for outcome in outcomes)
    assert running.closed
    with pytest.raises(WarehouseFailed, match="closed"):
        await first(runner, Endless())


async def test_no_thread_is_left_when_all_is_over() -> None:
    before = set(threading.enumerate())
    runner = Runner("leaky", 3)
    await asyncio.gather(*(first(runner, Endless()) for _ in range(20)))
    await runner.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = [t for t in set(threading.enumerate()) - before if t.name.startswith("warehouse-")]
        if not left:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"threads are left: {left}")


async def test_a_turn_given_up_goes_to_the_next_who_waits() -> None:
    slots = Slots(1)
    await slots.take(1)
    waiting = [asyncio.create_task(slots.take(5)) for _ in range(3)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    slots.give()
    await waiting[1]
    slots.give()
    await waiting[2]
    slots.give()
    await slots.take(0.1)
