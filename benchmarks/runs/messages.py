"""What SAAF adds to each message of a long run with tools, and how many bytes it stores for it.

A team of two agents takes turns; each turn is a tool call, its result, and an answer: two model
calls and one call of an action. AutoGen alone runs the same team in one ``team.run()``, with a
``StaticWorkbench`` and nothing stored.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sqlite3
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import psycopg
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.tools import FunctionTool, StaticWorkbench
from rich.console import Console
from rich.table import Table

from benchmarks.runs.flows import SaafStream
from benchmarks.runs.machine import PostgreSQL, use_of
from benchmarks.runs.scripted import Scripted
from benchmarks.runs.systems import Host, saaf

__all__ = ["messages"]

_WARM = 10
_TABLES = ("runs", "run_events", "run_turns", "run_journal", "action_effects", "audit_entries")


def messages(options: argparse.Namespace, server: PostgreSQL, console: Console) -> None:
    """Measure and print."""
    table = Table(title="A run with tools, for each message")
    for heading in ("messages", "", "CPU ms", "wall ms", "store's CPU ms", "kept bytes",
                    "written bytes"):  # fmt: skip
        table.add_column(heading, justify="left" if not heading else "right")
    url = server.database()
    with saaf(url, latency_s=0) as postgres, saaf(None, latency_s=0) as sqlite:
        for host in (postgres, sqlite):
            asyncio.run(_run_there(host.port, {**host.given, "agent": f"tools-{_WARM}"}, 3))
        for turns in options.lengths:
            times = _times(turns, options.rounds)
            table.add_row(str(turns), "AutoGen alone", *_bare(turns, times), "", "", "")
            sizes = _sizes(lambda: _kept_by_postgresql(url), server.written)
            table.add_row("", "SAAF, PostgreSQL", *_saaf(postgres, server, turns, times, sizes))
            file = _folder(sqlite) / "saaf.sqlite"
            sizes = _sizes(partial(_kept_by_sqlite, file), lambda: _disk(sqlite))
            table.add_row("", "SAAF, SQLite", *_saaf(sqlite, server, turns, times, sizes))
    console.print(table)


Sizes = Callable[[], tuple[int, int]]


def _sizes(kept: Callable[[], int], written: Callable[[], int]) -> Sizes:
    return lambda: (kept(), written())


def _times(turns: int, rounds: int) -> int:
    return max(1, rounds * 30 // turns)


def _bare(turns: int, times: int) -> list[str]:
    cpu, wall = [], []
    for _ in range(times):
        began, used = time.perf_counter(), _cpu_s()
        asyncio.run(_run_team(turns))
        wall.append(1000 * (time.perf_counter() - began) / turns)
        cpu.append(1000 * (_cpu_s() - used) / turns)
    return [f"{statistics.median(values):.2f}" for values in (cpu, wall)]


async def _run_team(turns: int) -> None:
    async def look_up(number: int) -> str:
        """What is known about a number."""
        return f"{number} is a number, and about {number % 7} others are like it."

    def agent(name: str) -> AssistantAgent:
        tool = FunctionTool(look_up, "What is known about a number.", name="bench_look_up")
        return AssistantAgent(
            name, Scripted(), workbench=[StaticWorkbench([tool])], system_message="Greet.",
            reflect_on_tool_use=True, max_tool_iterations=2, tool_call_summary_format="{result}",
        )  # fmt: skip

    result = await RoundRobinGroupChat([agent("first"), agent("second")], max_turns=turns).run(
        task="Say hello."
    )
    if len([each for each in result.messages if isinstance(each, TextMessage)]) != turns + 1:
        raise RuntimeError("the team did not say what it should")


def _saaf(host: Host, server: PostgreSQL, turns: int, times: int, sizes: Sizes) -> list[str]:
    given = {**host.given, "agent": f"tools-{turns}"}
    (kept, written), used, stored = sizes(), use_of(host.pid).cpu_s, use_of(server.pid).cpu_s
    began = time.perf_counter()
    asyncio.run(_run_there(host.port, given, times))
    wall = time.perf_counter() - began
    used, stored = use_of(host.pid).cpu_s - used, use_of(server.pid).cpu_s - stored
    kept_after, written_after = sizes()
    each = times * turns
    return [
        f"{1000 * used / each:.2f}",
        f"{1000 * wall / each:.2f}",
        f"{1000 * stored / each:.2f}",
        f"{(kept_after - kept) / each:,.0f}",
        f"{(written_after - written) / each:,.0f}",
    ]


async def _run_there(port: int, given: dict[str, object], times: int) -> None:
    flow = SaafStream(port, given)
    for _ in range(times):
        await flow.run()
    flow.http.close()


def _folder(host: Host) -> Path:
    return Path(psutil.Process(host.pid).cwd()) / ".saaf"


def _disk(host: Host) -> int:
    return int(psutil.Process(host.pid).io_counters().write_bytes)


def _kept_by_postgresql(url: str) -> int:
    """Bytes of the rows themselves: pages fill up over time, rows do not change any more."""
    total = 0
    with psycopg.connect(url) as connection:
        for table in _TABLES:
            row = connection.execute(
                f"SELECT COALESCE(sum(pg_column_size(t.*)), 0) FROM {table} t"  # noqa: S608 - ours
            ).fetchone()
            total += int(row[0]) if row else 0
    return total


def _kept_by_sqlite(file: Path) -> int:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        row = connection.execute("SELECT sum(pgsize - unused) FROM dbstat").fetchone()
    return int(row[0])


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
