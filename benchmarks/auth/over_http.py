"""Token endpoint and protected call over HTTP: SAAF, a bare FastAPI app with PyJWT, FastMCP.

Hosts take turns, round by round, so that what else the machine does meets them all; the figures are
medians of rounds, and the ratios medians of each round's own ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.auth.hosts import FASTMCP, Target, bare, fastmcp, saaf
from benchmarks.auth.load import Figures

__all__ = ["main"]

_BASELINE = "FastAPI + PyJWT, RS256"


@dataclass(frozen=True)
class Round:
    """One host's figures in one round."""

    figures: Figures
    cpu_us: float


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 always, as goals are read by people."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.auth.over_http", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3, help="of each round, for each host")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args(arguments)
    hosts: dict[str, Callable[[], AbstractContextManager[Target]]] = {
        _BASELINE: lambda: bare("RS256"),
        "FastAPI + PyJWT, ES256": lambda: bare("ES256"),
        "SAAF": saaf,
    }
    if FASTMCP.exists():
        hosts["FastMCP"] = fastmcp
    console = Console()
    with ExitStack() as stack:
        targets = {name: stack.enter_context(start()) for name, start in hosts.items()}
        for kind in ("call", "token"):
            able = {
                name: (target, request)
                for name, target in targets.items()
                if (request := getattr(target, kind)) is not None
            }
            rounds = _measure(able, options)
            console.print(_table(kind, rounds))
    if "FastMCP" not in hosts:
        console.print(f"FastMCP is left out: its environment, {FASTMCP}, is not there.")
    return 0


def _measure(
    targets: Mapping[str, tuple[Target, bytes]], options: argparse.Namespace
) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = defaultdict(list)
    with Progress(transient=True) as progress:
        # The first round warms caches and is not counted.
        task = progress.add_task("measuring", total=(options.rounds + 1) * len(targets))
        for number in range(options.rounds + 1):
            for name, (target, request) in targets.items():
                result = _round(target, request, options)
                if number:
                    found[name].append(result)
                progress.advance(task)
    return found


def _round(target: Target, request: bytes, options: argparse.Namespace) -> Round:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(request)
        before = target.cpu_s()
        done = subprocess.run(  # noqa: S603 - our own command
            [
                sys.executable, "-m", "benchmarks.auth.load", str(target.port),
                str(options.seconds), str(options.connections), file.name,
            ],
            capture_output=True,
            check=True,
        )  # fmt: skip
        used = target.cpu_s() - before
    figures = Figures(**json.loads(done.stdout))
    return Round(figures, 1e6 * used / (figures.rate * options.seconds))


def _table(kind: str, rounds: Mapping[str, list[Round]]) -> Table:
    title = {"call": "Protected call", "token": "Token endpoint (client_credentials)"}[kind]
    table = Table(title=title)
    for heading in ("", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "× baseline"):
        table.add_column(heading, justify="left" if not heading else "right")
    base = rounds[_BASELINE]
    for name, found in rounds.items():
        ratios = [one.figures.rate / two.figures.rate for one, two in zip(found, base, strict=True)]
        table.add_row(
            name,
            f"{statistics.median(one.figures.rate for one in found):,.0f}",
            f"{statistics.median(one.figures.p50_ms for one in found):.1f}",
            f"{statistics.median(one.figures.p99_ms for one in found):.1f}",
            f"{statistics.median(one.cpu_us for one in found):.0f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        )
    return table


if __name__ == "__main__":
    raise SystemExit(main())
