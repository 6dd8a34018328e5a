"""How late the API answers while 100 runs are at work, in the same process or in another.

The model waits 0.2 s and calls a tool in every turn; each run has four turns. From outside,
``/livez`` is asked twenty times a second; inside, a probe in the API's event loop wishes to sleep
5 ms, over and over, and notes how much longer it took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.runs.durable import measure
from benchmarks.runs.load import Figures, Order
from benchmarks.runs.machine import PostgreSQL, use_of
from benchmarks.runs.systems import Host, saaf
from benchmarks.runs.wire import Connection

__all__ = ["lag"]

_RUNS = 100
_LATENCY_S = 0.2
_EVERY_S = 0.05


def lag(options: argparse.Namespace, server: PostgreSQL, console: Console) -> None:
    """Measure and print, on PostgreSQL and on SQLite, idle and loaded."""
    table = Table(title=f"The API's event loop beside {_RUNS} runs at once")
    for heading in ("", "runs/s", "CPU s/s", "loop p50 ms", "loop p99 ms", "loop max ms",
                    "/livez p50 ms", "/livez p99 ms"):  # fmt: skip
        table.add_column(heading, justify="left" if not heading else "right")
    for store, apart in (("PostgreSQL", False), ("PostgreSQL", True), ("SQLite", False)):
        url = server.database() if store == "PostgreSQL" else None
        runs = {"concurrency": _RUNS, "max_turns": 1000}
        with saaf(url, "tools-4", latency_s=_LATENCY_S, apart=apart, runs=runs) as host:
            measure(Order("SaafStream", host.port, 10, 2, 10, host.given), host, server)
            for submitters in (0, _RUNS):
                name = f"{store}{', saaf worker apart' if apart else ''}, {submitters or 'no'} runs"
                seconds = max(options.seconds, 5)
                table.add_row(name, *asyncio.run(_observe(host, submitters, seconds)))
    console.print(table)


async def _observe(host: Host, submitters: int, seconds: float) -> list[str]:
    load = await _start(Order("SaafStream", host.port, submitters, seconds + 4, 0, host.given))
    if submitters:
        await asyncio.sleep(2)  # all of them are at work
    inside = Connection(host.port)
    await inside.get("/_lag")
    before = _used_s(host)
    took = await _ask(host.port, seconds)
    used = (_used_s(host) - before) / seconds
    lags = sorted(await inside.get("/_lag"))
    inside.close()
    said, _ = await load.communicate()
    rate = Figures(**json.loads(said)).rate if submitters else 0
    cells = [rate, used, statistics.median(lags), lags[int(0.99 * len(lags))], lags[-1]]
    cells += [statistics.median(took), took[int(0.99 * len(took))]]
    return [f"{value:.1f}" for value in cells]


def _used_s(host: Host) -> float:
    return sum(use_of(pid).cpu_s for pid in (host.pid, host.worker) if pid)


async def _start(order: Order) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.runs.load", stdin=-1, stdout=-1
    )
    if process.stdin is not None:
        process.stdin.write(json.dumps(asdict(order)).encode())
        process.stdin.close()
    return process


async def _ask(port: int, seconds: float) -> list[float]:
    """How long /livez takes, in ms, at a steady rate that no slow answer holds up."""
    took: list[float] = []
    tasks: set[asyncio.Task[None]] = set()
    connections: list[Connection] = []

    async def once() -> None:
        connection = connections.pop() if connections else Connection(port)
        began = time.perf_counter()
        await connection.get("/livez")
        took.append(1000 * (time.perf_counter() - began))
        connections.append(connection)

    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        task = asyncio.create_task(once())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(_EVERY_S)
    await asyncio.gather(*tasks)
    for connection in connections:
        connection.close()
    return sorted(took)
