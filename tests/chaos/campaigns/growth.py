"""One process and many runs: its memory, files and threads stay what they were."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from tests.chaos.crowd import Crowd
from tests.chaos.nodes import Node
from tests.chaos.place import Place
from tests.chaos.report import Report
from tests.chaos.site import open_site

__all__ = ["growth", "growth_on"]

_MEMORY_SHARE = 0.10
_MORE_FILES = 8
_WARM = 2


@dataclass(frozen=True)
class _Size:
    megabytes: float
    files: int
    threads: int


def growth(report: Report, place: Place) -> None:
    """Batches of runs, on both databases."""
    for kind in ("sqlite", "postgresql"):
        growth_on(report, place, kind, batches=5 if place.quick else 8,
                  runs=10 if place.quick else 50)  # fmt: skip


def growth_on(report: Report, place: Place, kind: str, *, batches: int, runs: int) -> None:
    """So many batches; after the first two nothing grows."""
    campaign = f"growth, {kind}"
    report.begin(campaign)
    with open_site(
        place.folder(f"growth-{kind}"), place.seed, database=place.database(kind),
        runs={"concurrency": 16},
    ) as site:  # fmt: skip
        node = site.node("host", "both")
        crowd = Crowd(site, f"grow-{kind}")
        crowd.learn()
        sizes = []
        for _ in range(batches):
            crowd.submit(runs, at_once=runs)
            ended = crowd.settle(30 + 2 * runs)
            crowd.called_back(60)
            sizes.append(_size(node))
            if not ended:
                break
        report.add(campaign, "all ended in time", ended, bound="True", ok=ended)
        _compare(report, campaign, sizes)
        crowd.examine(report, campaign)


def _compare(report: Report, campaign: str, sizes: list[_Size]) -> None:
    for each in ("megabytes", "files", "threads"):
        values = [getattr(size, each) for size in sizes]
        report.add(campaign, f"{each} after each batch", [round(value) for value in values])
    warm, last = sizes[min(_WARM, len(sizes) - 1)], sizes[-1]
    share = last.megabytes / warm.megabytes - 1
    report.add(campaign, "memory grew by, %", share * 100, bound=f"<= {_MEMORY_SHARE * 100:g}",
               ok=share <= _MEMORY_SHARE)  # fmt: skip
    for each in ("files", "threads"):
        more = getattr(last, each) - getattr(warm, each)
        report.add(campaign, f"{each} more", more, bound=f"<= {_MORE_FILES}",
                   ok=more <= _MORE_FILES)  # fmt: skip


def _size(node: Node) -> _Size:
    process = psutil.Process(node.pid)
    return _Size(process.memory_info().rss / 2**20, process.num_fds(), process.num_threads())
