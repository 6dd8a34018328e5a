"""Accepting runs: ``POST /v1/runs`` of ``saaf serve --no-worker`` against FastAPI and one insert.

Both have the same PostgreSQL, SQLAlchemy, driver and uvicorn; they take turns, round by round.
Nobody executes the runs meanwhile, so that accepting is all that is counted.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from benchmarks.runs.durable import Measure, measure
from benchmarks.runs.load import Order
from benchmarks.runs.machine import PostgreSQL
from benchmarks.runs.systems import bare_insert, saaf

__all__ = ["accepting"]

_BASELINE = "FastAPI and one insert"
_CONNECTIONS = 16


def accepting(options: argparse.Namespace, server: PostgreSQL, console: Console) -> None:
    """Measure and print."""
    found: dict[str, list[Measure]] = defaultdict(list)
    with ExitStack() as stack:
        targets = {
            _BASELINE: ("Plain", stack.enter_context(bare_insert(server.database()))),
            "SAAF": (
                "SaafAccept",
                stack.enter_context(saaf(server.database(), options=["--no-worker"])),
            ),
        }
        for number in range(options.rounds + 1):
            for name, (flow, host) in targets.items():
                order = Order(flow, host.port, _CONNECTIONS, options.seconds / 2, 0, host.given)
                measured = measure(order, host, server)
                if number:  # the first round warms caches
                    found[name].append(measured)
    console.print(_table(found))


def _table(found: dict[str, list[Measure]]) -> Table:
    table = Table(title=f"Accepting a run, PostgreSQL, {_CONNECTIONS} connections")
    for heading in ("", "requests/s", "p50 ms", "p95 ms", "CPU ms", "store's CPU ms", "× baseline",
                    "failed", "load"):  # fmt: skip
        table.add_column(heading, justify="left" if not heading else "right")
    base = found[_BASELINE]
    for name, measures in found.items():
        ratios = [
            one.figures.rate / two.figures.rate for one, two in zip(measures, base, strict=True)
        ]
        table.add_row(
            name,
            f"{statistics.median(each.figures.rate for each in measures):,.0f}",
            f"{statistics.median(each.figures.p50_ms for each in measures):.1f}",
            f"{statistics.median(each.figures.p95_ms for each in measures):.1f}",
            f"{statistics.median(each.cpu_ms for each in measures):.2f}",
            f"{statistics.median(each.store_cpu_ms for each in measures):.2f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            str(sum(each.figures.failed for each in measures)),
            f"{statistics.median(each.machine_load for each in measures):.1f}",
        )
    return table
