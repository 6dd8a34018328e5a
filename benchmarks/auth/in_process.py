"""A tool call in process: SAAF's workbench, with policy and audit, against AutoGen's, with neither.

``python -m benchmarks.auth.in_process``
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from autogen_core import CancellationToken
from autogen_core.tools import FunctionTool, StaticWorkbench
from rich.console import Console
from rich.table import Table

from benchmarks.auth.hosts import PACK, SETTINGS
from saaf_autogen import Client
from saaf_autogen.auth.principal import Principal

__all__ = ["main"]

_BATCH = 200


async def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.auth.in_process", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=50, help=f"each of {_BATCH} calls")
    asyncio.run(_run(parser.parse_args(arguments).rounds))
    return 0


async def _run(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tools").mkdir()
        (folder / "tools" / "bench.py").write_text(PACK)
        (folder / "saaf.yaml").write_text(SETTINGS)
        caller = Principal(
            issuer="local", subject="ann", kind="user", scopes=frozenset({"tools.bench:add"})
        )
        async with Client(folder, principal=caller) as saaf:
            workbench = saaf.workbench("bench.*")
            tool = FunctionTool(add, "The sum of two numbers.")
            static = StaticWorkbench([tool])
            arguments = {"a": 2, "b": 3}
            ways: dict[str, Callable[[], Awaitable[object]]] = {
                "StaticWorkbench.call_tool": lambda: static.call_tool(
                    "add", arguments, CancellationToken()
                ),
                "FunctionTool.run_json": lambda: tool.run_json(arguments, CancellationToken()),
                "SAAF workbench": lambda: workbench.call_tool(
                    "bench_add", arguments, CancellationToken()
                ),
            }
            await _compare(ways, rounds)


async def _compare(ways: dict[str, Callable[[], Awaitable[object]]], rounds: int) -> None:
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, call in ways.items():
            began = time.perf_counter()
            for _ in range(_BATCH):
                await call()
            if number:
                took[name].append(1e6 * (time.perf_counter() - began) / _BATCH)
    base = took["StaticWorkbench.call_tool"]
    table = Table(title="One tool call in process")
    for heading in ("", "µs", "× StaticWorkbench"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, found in took.items():
        ratio = statistics.median(one / two for one, two in zip(found, base, strict=True))
        table.add_row(name, f"{statistics.median(found):.0f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
