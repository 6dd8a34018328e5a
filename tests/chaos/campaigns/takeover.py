"""Two workers: one is killed; one is stopped past its lease, and wakes up when it is replaced."""

from __future__ import annotations

import time
from typing import Any

from tests.chaos.checks import late_calls, percentile
from tests.chaos.crowd import Crowd
from tests.chaos.nodes import Node
from tests.chaos.place import Place
from tests.chaos.report import Report
from tests.chaos.site import Site, open_site
from tests.chaos.store import HeldRun

__all__ = ["takeover", "takeover_on"]

TAKEN_OVER_S = 15.0
_WATCHED_S = 5.0
_BEGUN_S = 0.25


def takeover(report: Report, place: Place) -> None:
    """Two workers on PostgreSQL, and on SQLite in one folder."""
    for kind in ("postgresql", "sqlite"):
        takeover_on(report, place, kind, runs=16 if place.quick else 40, lease_s=9)


def takeover_on(report: Report, place: Place, kind: str, *, runs: int, lease_s: float) -> None:
    """Kill one worker; start it again; stop one past its lease; wake it up."""
    campaign = f"two workers, {kind}"
    report.begin(campaign)
    with open_site(
        place.folder(f"takeover-{kind}"), place.seed, database=place.database(kind),
        runs={"concurrency": 5, "lease_s": lease_s},
    ) as site:  # fmt: skip
        _, first, second = site.fleet()
        crowd = Crowd(site, f"take-{kind}")
        crowd.learn()
        # Slow enough that a worker is surely in the middle of its runs.
        site.models.delay_s = 0.4
        crowd.submit(runs)
        held = _busy(site, first)
        at = time.time()
        first.kill()
        ended = crowd.settle(120)
        report.add(campaign, "killed: all ended", ended, bound="True", ok=ended)
        _taken_over(report, campaign, "killed", site, held, at)
        site.ready(first.start())
        _pause(report, campaign, site, crowd, second, lease_s=lease_s, runs=runs)
        crowd.called_back(60)
        crowd.examine(report, campaign)


def _pause(
    report: Report, campaign: str, site: Site, crowd: Crowd, node: Node, *,
    lease_s: float, runs: int,
) -> None:  # fmt: skip
    before = len(crowd.runs)
    crowd.submit(runs)
    held = _busy(site, node)
    at = time.time()
    node.pause()
    try:
        # What reached the store before it stopped is what it held.
        held = site.store.held_by(node.pid) or held
        ended = crowd.settle(120 + lease_s)
        report.add(campaign, "paused: all ended without it", ended, bound="True", ok=ended)
        report.add(campaign, "paused for, s", time.time() - at)
        _taken_over(report, campaign, "paused", site, held, at)
        rows, events = _facts(site), len(site.ledger.effects)
        woken = time.time()
    finally:
        node.resume()
    time.sleep(_WATCHED_S)
    orders = [order for order, run in crowd.runs.items() if run in {each.run for each in held}]
    calls = [*site.models.asked, *site.ledger.attempts]
    begun = late_calls(calls, node.name, orders, woken + _BEGUN_S)
    under_way = len(late_calls(calls, node.name, orders, woken)) - len(begun)
    # Nobody can stop a request of which half was sent when the process was stopped.
    report.add(campaign, "calls under way when it was stopped, and ended by it", under_way)
    report.none(campaign, "calls that the woken worker began", begun)
    report.add(campaign, "effects since it woke", len(site.ledger.effects) - events,
               bound="0", ok=len(site.ledger.effects) == events)  # fmt: skip
    changed = [run for run, row in _facts(site).items() if row != rows.get(run)]
    report.none(campaign, "runs written to since it woke", changed)
    works = _works_again(site, node)
    report.add(campaign, "it works again, or has ended", works, bound="True", ok=works)
    report.add(campaign, "runs in all", len(crowd.runs) - before)


def _busy(site: Site, node: Node) -> list[HeldRun]:
    """Wait until a worker holds several runs and has begun to call for them."""
    deadline = time.monotonic() + 30
    while len(held := site.store.held_by(node.pid)) < 2:
        assert time.monotonic() < deadline, f"{node.name} took up no runs"
        time.sleep(0.05)
    time.sleep(0.5)
    return site.store.held_by(node.pid) or held


def _taken_over(
    report: Report, campaign: str, how: str, site: Site, held: list[HeldRun], at: float
) -> None:
    waits = []
    for each in held:
        found = site.store.next_event_at(each.run, each.last_event, work=False)
        waits.append(found.timestamp() - at if found else float("inf"))
    worst = max(waits, default=0.0)
    report.add(campaign, f"{how}: runs that it held", len(held), bound="> 0", ok=bool(held))
    report.add(campaign, f"{how}: taken over after p50, s", percentile(waits, 0.5))
    report.add(campaign, f"{how}: taken over after at most, s", worst,
               bound=f"<= {TAKEN_OVER_S:g}", ok=worst <= TAKEN_OVER_S)  # fmt: skip


def _facts(site: Site) -> dict[str, tuple[Any, ...]]:
    return {
        run: (row["status"], row["epoch"], row["worker"], row["last_event"], row["output"])
        for run, row in site.store.runs().items()
    }


def _works_again(site: Site, node: Node) -> bool:
    """Fenced, it either registers anew or ends, for its supervisor to start it again."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if not node.is_alive or site.store.worker_of(node.pid):
            return True
        time.sleep(0.1)
    return False
