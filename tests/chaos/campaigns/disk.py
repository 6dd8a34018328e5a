"""The disk of an embedded host is full in mid-run, and then there is room again."""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.crowd import Crowd
from tests.chaos.nodes import Node
from tests.chaos.place import Place
from tests.chaos.report import Report
from tests.chaos.site import Site, open_site

__all__ = ["disk", "full_by_limit"]

_FULL_S = 6.0
_ANSWERED_S = 10.0
_SOON_FULL_S = 60.0


@dataclass(frozen=True)
class _Disk:
    """Where the state is kept, and how its disk becomes full and free."""

    state: Path
    fill: Callable[[Node], None]
    free: Callable[[Node], None]


def disk(report: Report, place: Place) -> None:
    """A small disk of memory where we may mount one (as root), and a limit on written files."""
    runs = 12 if place.quick else 40
    folder = place.folder("disk-mount")
    with _mounted(folder) as mounted:
        if mounted is None:
            report.begin("disk full (mounted): left out, for nobody may mount here")
        else:
            _full(report, place, "disk full (ENOSPC)", folder / "site", mounted, runs)
    full_by_limit(report, place, runs=runs)


def full_by_limit(report: Report, place: Place, *, runs: int) -> None:
    """The system refuses each write of the host to a file (EFBIG), for a while."""
    folder = place.folder("disk-limit")
    _full(report, place, "disk full (EFBIG)", folder, _limited(folder), runs)


def _full(
    report: Report, place: Place, campaign: str, folder: Path, disk: _Disk, runs: int
) -> None:
    report.begin(campaign)
    with open_site(folder, place.seed, runs={"concurrency": 8}, state=disk.state) as site:
        node = site.node("host", "both")
        crowd = Crowd(site, "disk")
        crowd.learn()
        site.models.delay_s = 0.4
        crowd.submit(runs)
        _until_busy(site, node)
        disk.fill(node)
        # Those that were being submitted meet the full disk too, and are asked for again.
        order = _refused(report, campaign, site, crowd)
        time.sleep(_FULL_S)
        alive = node.is_alive
        report.add(campaign, "the host lives on", alive, bound="True", ok=alive)
        wrong = {each for each in site.store.statuses() if each in ("failed", "timed_out")}
        report.add(campaign, "runs that failed of it", sorted(wrong), bound="[]", ok=not wrong)
        read = site.caller.ask("GET", f"/v1/runs/{next(iter(crowd.runs.values()))}")
        report.add(campaign, "reading meanwhile", read.status_code, bound="200",
                   ok=read.status_code == 200)  # fmt: skip
        disk.free(node)
        at = time.monotonic()
        body = _order(site, order)
        accepted = site.caller.insist("POST", "/v1/runs", body, key=order, within_s=30)
        report.add(campaign, "accepts again after, s", time.monotonic() - at)
        crowd.runs[order] = str(accepted["id"])
        ended = crowd.settle(120)
        report.add(campaign, "all ended in time", ended, bound="True", ok=ended)
        crowd.called_back(60)
        crowd.examine(report, campaign)
    _audited(report, campaign, site)


def _refused(report: Report, campaign: str, site: Site, crowd: Crowd) -> str:
    """A run is not accepted when it cannot be stored, and nothing is half there; its order.

    Where room is left in files that are there already, some are still accepted, and must end.
    """
    deadline = time.monotonic() + _SOON_FULL_S
    for number in itertools.count():
        order = f"disk-full{number}-solo"
        started = time.monotonic()
        response = site.caller.ask("POST", "/v1/runs", _order(site, order), key=order)
        took = time.monotonic() - started
        if response.status_code != 202 or time.monotonic() > deadline:
            break
        crowd.runs[order] = response.json()["id"]
    report.add(campaign, "runs still accepted", number)
    told = response.json() if response.headers["content-type"].startswith("application/") else {}
    clear = response.status_code == 503 and {"code", "detail", "title"} <= told.keys()
    report.add(campaign, "a run asked for meanwhile", f"{response.status_code} {told.get('code')}",
               bound="a problem, 503", ok=clear)  # fmt: skip
    report.add(campaign, "refused after, s", took, bound=f"<= {_ANSWERED_S:g}",
               ok=took <= _ANSWERED_S)  # fmt: skip
    stored = [each for each in site.store.runs().values() if each["idempotency_key"] == order]
    report.add(campaign, "runs stored by it", len(stored), bound="0", ok=not stored)
    return order


def _order(site: Site, order: str) -> dict[str, object]:
    return {
        "agent_id": "solo",
        "input": f"order={order}",
        "webhook": {"url": site.callbacks.url},
        "metadata": {"room": "x" * 12_000},
    }


def _until_busy(site: Site, node: Node) -> None:
    deadline = time.monotonic() + 30
    while len(site.store.held_by(node.pid)) < 5:
        assert time.monotonic() < deadline, "the host took up no runs"
        time.sleep(0.05)
    time.sleep(1)


def _audited(report: Report, campaign: str, site: Site) -> None:
    """The audit's chain is whole."""
    command = [sys.executable, "-m", "saaf_autogen", "audit", "verify"]
    verified = subprocess.run(
        [*command, "--project", str(site.folder)],
        env={**site.nodes["host"].environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    report.add(campaign, "saaf audit verify", verified.returncode, bound="0",
               ok=verified.returncode == 0)  # fmt: skip


def _limited(folder: Path) -> _Disk:
    def limit(node: Node, size: int) -> None:
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return _Disk(
        folder / ".saaf",
        fill=lambda node: limit(node, 0),
        free=lambda node: limit(node, resource.RLIM_INFINITY),
    )


@contextmanager
def _mounted(folder: Path) -> Iterator[_Disk | None]:
    """A disk of memory, 64 MB; None where nobody may mount one."""
    point = folder / "disk"
    point.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(point)]
    try:
        mounted = subprocess.run(command, capture_output=True, timeout=10).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        yield None
        return
    filler = point / "filler"

    def fill(_node: Node) -> None:
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    continue

    try:
        yield _Disk(point / "state", fill=fill, free=lambda _node: filler.unlink())
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True, timeout=10)
