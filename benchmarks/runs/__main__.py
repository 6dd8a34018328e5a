"""``python -m benchmarks.runs [PART …]``: what durable runs cost. See benchmarks/README.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from benchmarks.runs.accepting import accepting
from benchmarks.runs.deployment import LENGTHS
from benchmarks.runs.durable import durable
from benchmarks.runs.lag import lag
from benchmarks.runs.machine import postgresql
from benchmarks.runs.messages import messages
from benchmarks.runs.systems import SYSTEMS

__all__ = ["main"]

_PARTS = {"durable": durable, "accepting": accepting, "lag": lag, "messages": messages}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 always, as goals are read by people."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runs", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], help="default: all")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--submitters", nargs="+", type=int, default=[1, 10, 50])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--all-flows", action="store_true", help="polling, too, where one can")
    parser.add_argument(
        "--lengths", nargs="+", type=int, choices=LENGTHS, default=list(LENGTHS),
        help="of the runs with tools, in messages",
    )  # fmt: skip
    parser.add_argument("--save", type=Path, help="a file for each round's figures, as JSON")
    options = parser.parse_args(arguments)
    console = Console(width=200)
    with postgresql() as server:
        for part in options.parts or _PARTS:
            _PARTS[part](options, server, console)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
