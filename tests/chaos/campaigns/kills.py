"""Hundreds of runs while the processes that execute them are killed, on both databases."""

from __future__ import annotations

import time
from collections import Counter

from tests.chaos.checks import percentile
from tests.chaos.crowd import Crowd
from tests.chaos.killing import Kill, Killer
from tests.chaos.nodes import Node
from tests.chaos.place import Place
from tests.chaos.report import Report
from tests.chaos.site import Site, open_site

__all__ = ["kills", "kills_on"]

RECOVERY_P95_S = 15.0
_MOMENTS_A_RUN = 10


def kills(report: Report, place: Place) -> None:
    """500 runs and 30 kills on SQLite, and the same on PostgreSQL."""
    runs, deaths = (60, 5) if place.quick else (500, 30)
    for kind in ("sqlite", "postgresql"):
        kills_on(report, place, kind, runs=runs, deaths=deaths)


def kills_on(
    report: Report, place: Place, kind: str, *, runs: int, deaths: int,
    recovery_s: float = RECOVERY_P95_S,
) -> None:  # fmt: skip
    """So many runs and deaths on one database: an embedded host, or an API and two workers.

    The embedded host's recovery includes the start of a new process; ``recovery_s`` bounds it.
    """
    campaign = f"kill -9, {kind}"
    report.begin(campaign)
    killer = Killer(place.seed, deaths, runs * _MOMENTS_A_RUN / (deaths + 1))
    started = time.monotonic()
    slots = {"concurrency": 16 if kind == "sqlite" else 8, "max_crashes": 100}
    with open_site(
        place.folder(f"kills-{kind}"), place.seed, database=place.database(kind), runs=slots,
        watch=killer.watch,
    ) as site:  # fmt: skip
        nodes = [site.node("host", "both")] if kind == "sqlite" else site.fleet()
        crowd = Crowd(site, f"kill-{kind}")
        crowd.learn()
        killer.begin(nodes, site.store)
        crowd.submit(runs, until=lambda: killer.is_done)
        ended = crowd.settle(120 + 2 * runs + 20 * deaths, also=lambda: killer.is_done)
        for node in nodes:
            site.ready(node)
        report.add(campaign, "all ended in time", ended, bound="True", ok=ended)
        crowd.called_back(60)
        report.add(campaign, "kills", len(killer.kills), bound=str(deaths),
                   ok=len(killer.kills) == deaths)  # fmt: skip
        report.add(campaign, "they struck", dict(Counter(each.moment for each in killer.kills)))
        crowd.examine(report, campaign)
        _recovery(report, campaign, site, killer.kills, recovery_s)
        starts = [each for node in nodes for each in _starts(site, node)]
        report.add(campaign, "a process works so long after its start: p50, s",
                   percentile(starts, 0.5))  # fmt: skip
        report.add(campaign, "seconds", time.monotonic() - started)


def _starts(site: Site, node: Node) -> list[float]:
    """Seconds from each start of a process until its worker was registered."""
    registered = site.store.workers_at()
    return [
        registered[pid].timestamp() - at for pid, at in node.started.items() if pid in registered
    ]


def _recovery(
    report: Report, campaign: str, site: Site, deaths: list[Kill], recovery_s: float
) -> None:
    """Seconds from each kill until each run that the dead process held went on."""
    for work, name in ((False, "taken up again"), (True, "worked on again")):
        waits, never = [], 0
        for each in deaths:
            for held in each.held:
                at = site.store.next_event_at(held.run, held.last_event, work=work)
                if at is None:
                    never += 1
                else:
                    waits.append(at.timestamp() - each.at)
        if not work:
            report.add(campaign, "runs held by killed processes", len(waits) + never)
            report.add(campaign, "of them, never taken up again", never, bound="0", ok=not never)
        p50, p95 = percentile(waits, 0.5), percentile(waits, 0.95)
        report.add(campaign, f"{name} after p50, s", p50)
        report.add(
            campaign, f"{name} after p95, s", p95, bound=f"<= {recovery_s:g}",
            ok=p95 <= recovery_s,
        )  # fmt: skip
        report.add(campaign, f"{name} after at most, s", max(waits, default=0.0))
