"""How ``saaf worker`` works: one process, or many under one that replaces the dead."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.cli.logs import log_to_stderr
from saaf_autogen.cli.progress import sample_progress
from saaf_autogen.cli.serve import server_of, spare_collections
from saaf_autogen.cli.supervisor import INTERRUPTED, Supervisor, on_signals, passes
from saaf_autogen.db import is_away
from saaf_autogen.project import Project, find_project, read_deployment
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.project import GRACE_S
from saaf_autogen.project.state import known_address, open_state, state_folder
from saaf_autogen.project.stores import build_missing_samples, open_database
from saaf_autogen.runs.releases import open_runs, release_of

__all__ = ["supervise", "work"]

_logger = logging.getLogger(__name__)
_LOOK_S = 2.0


def work(
    project: Path | None, slots: int | None, *, until_drained: bool, watched: bool = False
) -> None:
    """Execute runs in this process until a signal, or until none is left.

    Args:
        project: the deployment's folder.
        slots: runs at once; None: as saaf.yaml says.
        until_drained: end when no open run of this release is left.
        watched: end, too, when standard input does: whoever started this is gone.
    """
    deployment = _with_slots(read_deployment(find_project(project)), slots)
    console = Console(highlight=False, soft_wrap=True)
    log_to_stderr()
    server = server_of(deployment.settings.server)
    if server.url is None:
        # Rights belong to callers of the API's address: another one, and every run is refused.
        server = server.model_copy(update={"url": known_address(state_folder(deployment))})
    with sample_progress(console) as progress:
        opened = Project(deployment, server=server, progress=progress)
    asyncio.run(_work(opened, console, until_drained=until_drained, watched=watched))


def supervise(
    project: Path | None, processes: int, slots: int | None, *, until_drained: bool
) -> bool:
    """Keep so many worker processes alive until a signal, or until each has found none left.

    Each has its own project and its own lease. One that dies is replaced, after a pause that
    grows while it keeps dying. Returns whether all ended in good order.
    """
    deployment = read_deployment(find_project(project))
    console = Console(highlight=False, soft_wrap=True)
    log_to_stderr()
    # Faults show here, once; and samples and tables are not made by all of them at the same time.
    release_of(deployment.settings.runs, os.environ)
    state, _ = open_state(deployment)
    open_database(deployment, state).close()
    with sample_progress(console) as progress:
        build_missing_samples(deployment, progress)
    command = [sys.executable, "-m", "saaf_autogen", "worker", "--watched"]
    command += ["--project", str(deployment.folder)]
    command += ["--slots", str(slots)] if slots else []
    command += ["--until-drained"] if until_drained else []
    return asyncio.run(Supervisor(command, processes).run())


async def _work(opened: Project, console: Console, *, until_drained: bool, watched: bool) -> None:
    stop = asyncio.Event()
    on_signals(asyncio.get_running_loop(), stop.set, lambda: os._exit(INTERRUPTED))
    if watched:
        _on_end_of_input(asyncio.get_running_loop(), stop.set)
    try:
        # A release that is to end makes no new runs of its own.
        await opened.start(schedules=not until_drained)
        spare_collections()
        release = release_of(opened.settings.runs, os.environ)
        console.print(
            f"[bold]SAAF[/] executes runs of [bold]{opened.settings.name}[/]: "
            f"{opened.settings.runs.concurrency} at once, release {release or '(none)'}, "
            f"for the API at {opened.server.public_url}"
        )
        await (_drained(opened, release, stop) if until_drained else stop.wait())
        _logger.info("stopping; runs that take longer than %d s continue elsewhere", GRACE_S)
        await opened.drain()
    finally:
        await opened.close()


async def _drained(opened: Project, release: str, stop: asyncio.Event) -> None:
    """Return when no open run of the release is left, or at the signal to stop."""
    left = 1
    while left and not stop.is_set():
        try:
            left = await opened.database.read(open_runs, release)
        except SQLAlchemyError as error:
            if not is_away(error):
                raise
        if left:
            await passes(stop, _LOOK_S)
    if not left:
        _logger.info("no open run of release %s is left", release or "(none)")


def _on_end_of_input(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    def read() -> None:
        while os.read(0, 1024):
            pass
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=read, name="saaf-parent", daemon=True).start()


def _with_slots(deployment: Deployment, slots: int | None) -> Deployment:
    if slots is None:
        return deployment
    runs = deployment.settings.runs.model_copy(update={"concurrency": slots})
    return replace(deployment, settings=deployment.settings.model_copy(update={"runs": runs}))
