"""A durable run of two messages, from POST to its end as a caller learns of it.

Servers take turns, round by round, each started anew on an empty database; the figures are medians
of rounds, and the ratio to the baseline is the median of each round's own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.runs.environments import NotHere
from benchmarks.runs.load import Figures, Order
from benchmarks.runs.machine import PostgreSQL, use_of
from benchmarks.runs.systems import SYSTEMS, Host, System

__all__ = ["BASELINE", "Measure", "durable", "measure"]

BASELINE = "dbos"
_WARM = 30


@dataclass(frozen=True)
class Measure:
    """One server, one way, one number of submitters, one round; CPU in ms a run, memory in MB."""

    figures: Figures
    cpu_ms: float
    store_cpu_ms: float
    rss_mb: float
    machine_load: float


def durable(options: argparse.Namespace, server: PostgreSQL, console: Console) -> None:
    """Measure all servers and print a table for each number of submitters."""
    found: dict[tuple[str, str, int], list[Measure]] = defaultdict(list)
    missing: dict[str, str] = {}
    for number in range(options.rounds):
        for key in options.systems:
            if key in missing:
                continue
            try:
                _round(key, SYSTEMS[key], options, server, found)
            except NotHere as error:
                missing[key] = str(error)
            console.print(f"[dim]round {number + 1}: {SYSTEMS[key].name}[/]")
    for submitters in options.submitters:
        console.print(_table(submitters, found))
    for key, why in missing.items():
        console.print(f"{SYSTEMS[key].name} is left out: {why}")
    if options.save:
        _save(options.save, found)


def _round(
    key: str,
    system: System,
    options: argparse.Namespace,
    server: PostgreSQL,
    found: dict[tuple[str, str, int], list[Measure]],
) -> None:
    with system.start(server) as host:
        for flow in system.flows if options.all_flows else system.flows[:1]:
            warm = _WARM
            for submitters in options.submitters:
                order = Order(flow, host.port, submitters, options.seconds, warm, host.given)
                found[key, flow, submitters].append(measure(order, host, server))


def measure(order: Order, host: Host, server: PostgreSQL) -> Measure:
    """Have a load generator carry the order out, and count what the host used meanwhile."""
    if order.warm:
        drive(Order(order.flow, order.port, order.submitters, 0, order.warm, order.given))
    order = Order(order.flow, order.port, order.submitters, order.seconds, 0, order.given)
    before, store_before = use_of(host.pid), use_of(server.pid)
    figures = drive(order)
    after, store_after = use_of(host.pid), use_of(server.pid)
    done = max(figures.done, 1)
    return Measure(
        figures,
        1000 * (after.cpu_s - before.cpu_s) / done,
        1000 * (store_after.cpu_s - store_before.cpu_s) / done,
        after.rss_mb,
        os.getloadavg()[0],
    )


def drive(order: Order) -> Figures:
    """The load generator, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.runs.load"],
        input=json.dumps(asdict(order)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Figures(**json.loads(done.stdout))


def _table(submitters: int, found: Mapping[tuple[str, str, int], list[Measure]]) -> Table:
    table = Table(title=f"A run of two messages, {submitters} submitters at once")
    headings = (
        "", "way", "p50 ms", "p95 ms", "runs/s", "CPU ms/run", "× baseline", "store's CPU ms",
        "RSS MB", "failed", "load",
    )  # fmt: skip
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("", "way") else "right")
    base = found.get((BASELINE, SYSTEMS[BASELINE].flows[0], submitters), [])
    for (key, flow, number), measures in found.items():
        if number == submitters:
            name = SYSTEMS[key].name
            cells = _cells(measures, base)
            if "PostgreSQL" not in name:
                cells[5] = "–"  # what the server did meanwhile was not for this one
            table.add_row(name, flow, *cells)
    return table


def _cells(measures: Sequence[Measure], base: Sequence[Measure]) -> list[str]:
    def median(values: list[float], digits: int = 1) -> str:
        return f"{statistics.median(values):,.{digits}f}"

    ratios = [one.cpu_ms / two.cpu_ms for one, two in zip(measures, base, strict=False)]
    return [
        median([each.figures.p50_ms for each in measures]),
        median([each.figures.p95_ms for each in measures]),
        median([each.figures.rate for each in measures]),
        median([each.cpu_ms for each in measures]),
        median(ratios, 2) if ratios else "–",
        median([each.store_cpu_ms for each in measures]),
        median([each.rss_mb for each in measures], 0),
        str(sum(each.figures.failed for each in measures)),
        median([each.machine_load for each in measures]),
    ]


def _save(path: Path, found: Mapping[tuple[str, str, int], list[Measure]]) -> None:
    rows = [
        {"system": key, "flow": flow, "submitters": submitters, **asdict(each)}
        for (key, flow, submitters), measures in found.items()
        for each in measures
    ]
    path.write_text(json.dumps(rows, indent=1))
