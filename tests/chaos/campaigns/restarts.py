"""PostgreSQL is stopped and started again while runs are executed."""

from __future__ import annotations

import threading
import time

from tests.chaos.chance import chance
from tests.chaos.crowd import Crowd
from tests.chaos.place import Place
from tests.chaos.postgres import OwnPostgres, Stop
from tests.chaos.report import Report
from tests.chaos.site import open_site

__all__ = ["restarts", "restarts_of"]


def restarts(report: Report, place: Place) -> None:
    """Ten restarts, immediate and fast by turns."""
    restarts_of(report, place, times=3 if place.quick else 10, runs=40 if place.quick else 200)


def restarts_of(report: Report, place: Place, *, times: int, runs: int) -> None:
    """So many restarts during so many runs, with an API and two workers."""
    campaign = "PostgreSQL restarted"
    report.begin(campaign)
    started = time.monotonic()
    server = place.postgres()
    with open_site(
        place.folder("restarts"), place.seed, database=server.new_database(),
        runs={"concurrency": 8},
    ) as site:  # fmt: skip
        site.fleet()
        crowd = Crowd(site, "restart")
        crowd.learn()
        # Slow enough that there is work under way at each restart.
        site.models.delay_s = 0.5
        restarter = _Restarter(server, place.seed, times, crowd)
        crowd.submit(runs, at_once=24, until=lambda: restarter.done == times)
        restarter.start()
        ended = crowd.settle(120 + runs, also=lambda: not restarter.is_alive())
        restarter.join()
        report.add(campaign, "restarts", restarter.done, bound=str(times),
                   ok=restarter.done == times)  # fmt: skip
        least = min(restarter.under_way, default=0)
        report.add(campaign, "runs under way at each restart, at least", least, bound="> 0",
                   ok=least > 0)  # fmt: skip
        report.add(campaign, "all ended in time", ended, bound="True", ok=ended)
        crowd.called_back(60)
        crowd.examine(report, campaign)
        report.add(campaign, "requests that had to be repeated", site.caller.refused)
        report.add(campaign, "seconds", time.monotonic() - started)


class _Restarter(threading.Thread):
    def __init__(self, server: OwnPostgres, seed: int, times: int, crowd: Crowd) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._random = chance(seed, "restarts")
        self._times = times
        self._crowd = crowd
        self.done = 0
        self.under_way: list[int] = []

    def run(self) -> None:
        for number in range(self._times):
            time.sleep(self._random.uniform(1.0, 4.0))
            self.under_way.append(self._crowd.open_count())
            how: Stop = "immediate" if number % 2 == 0 else "fast"
            self._server.restart(how, self._random.uniform(0.0, 2.0))
            self.done += 1
