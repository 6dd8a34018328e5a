"""The chaos campaign: what runs survive, on real processes and both databases.

    python -m tests.chaos [--seed N] [--quick] [--only NAME …]

It prints what it did and measured, writes the same to ``build/chaos/`` as JSON and Markdown, and
fails if anything was lost, doubled or stuck.
"""

from __future__ import annotations

import argparse
import functools
import secrets
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.campaigns.cancel import cancel
from tests.chaos.campaigns.disk import disk
from tests.chaos.campaigns.faults import faults
from tests.chaos.campaigns.growth import growth
from tests.chaos.campaigns.kills import kills
from tests.chaos.campaigns.restarts import restarts
from tests.chaos.campaigns.shapes import shapes
from tests.chaos.campaigns.takeover import takeover
from tests.chaos.place import Place
from tests.chaos.postgres import own_postgres
from tests.chaos.report import Report

__all__ = ["main"]

CAMPAIGNS: dict[str, Callable[[Report, Place], None]] = {
    "kills": kills,
    "cancel": cancel,
    "disk": disk,
    "faults": faults,
    "growth": growth,
    "shapes": shapes,
    "takeover": takeover,
    "restarts": restarts,
}
RESULTS = Path(__file__).parent.parent.parent / "build" / "chaos"


def main(arguments: list[str] | None = None) -> int:
    """Run it; 0 if nothing was lost, doubled or stuck."""
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--quick", action="store_true", help="about a tenth of the work")
    parser.add_argument("--only", action="append", choices=CAMPAIGNS, help="default: all")
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it there")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    report = Report(options.seed)
    with ExitStack() as stack:
        root = options.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="saaf-chaos-"))
        )
        postgres = functools.cache(lambda: stack.enter_context(own_postgres()))
        place = Place(options.seed, lambda name: root / name, postgres, quick=options.quick)
        for name in options.only or CAMPAIGNS:
            CAMPAIGNS[name](report, place)
    page = report.write(RESULTS)
    print(f"\n{len(report.faults)} faults; {page}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
