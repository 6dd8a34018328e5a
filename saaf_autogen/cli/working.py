"""How ``saaf worker`` works: one process, or many under one that replaces the dead."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.cli.logs import log_to_stderr
from saaf_autogen.cli.progress import sample_progress
from saaf_autogen.cli.serve import server_of
from saaf_autogen.db import is_away
from saaf_autogen.project import Project, find_project, read_deployment
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.project import GRACE_S
from saaf_autogen.project.state import open_state
from saaf_autogen.project.stores import build_missing_samples, open_database
from saaf_autogen.runs.releases import open_runs, release_of

__all__ = ["supervise", "work"]

_logger = logging.getLogger(__name__)
_INTERRUPTED = 130
_LOOK_S = 2.0
_KILL_S = 3 * GRACE_S
_STEADY_S = 60.0
_MAX_PAUSE_S = 30.0


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
    with sample_progress(console) as progress:
        opened = Project(
            deployment, server=server_of(deployment.settings.server), progress=progress
        )
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
    return asyncio.run(_Supervisor(command, processes).run())


async def _work(opened: Project, console: Console, *, until_drained: bool, watched: bool) -> None:
    stop = asyncio.Event()
    _on_signals(asyncio.get_running_loop(), stop.set, lambda: os._exit(_INTERRUPTED))
    if watched:
        _on_end_of_input(asyncio.get_running_loop(), stop.set)
    try:
        # A release that is to end makes no new runs of its own.
        await opened.start(schedules=not until_drained)
        release = release_of(opened.settings.runs, os.environ)
        console.print(
            f"[bold]SAAF[/] executes runs of [bold]{opened.settings.name}[/]: "
            f"{opened.settings.runs.concurrency} at once, release {release or '(none)'}"
        )
        await (_drained(opened, release, stop) if until_drained else stop.wait())
        _logger.info("stopping; runs that take longer than %d s continue elsewhere", GRACE_S)
        await opened.drain()
    finally:
        await opened.close()


async def _passes(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for so long; False when the signal to stop came meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return True
    return False


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
            await _passes(stop, _LOOK_S)
    if not left:
        _logger.info("no open run of release %s is left", release or "(none)")


class _Supervisor:
    """Starts the processes, replaces those that die, and ends them all at a signal."""

    def __init__(self, command: Sequence[str], count: int) -> None:
        self._command = command
        self._count = count
        self._children: dict[int, asyncio.subprocess.Process] = {}

    async def run(self) -> bool:
        self._stopping = asyncio.Event()
        _on_signals(asyncio.get_running_loop(), self._stopping.set, self._kill_all)
        async with asyncio.TaskGroup() as group:
            kept = [group.create_task(self._keep(number)) for number in range(self._count)]
            ending = group.create_task(self._end())
            await asyncio.wait(kept)
            ending.cancel()
        return all(task.result() == 0 for task in kept)

    async def _keep(self, number: int) -> int:
        """One process and those that take its place; the last one's exit status."""
        pause = 1.0
        while True:
            began = time.monotonic()
            # In a session of its own: Ctrl-C reaches this process alone, which tells the others.
            child = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, start_new_session=True
            )
            self._children[number] = child
            if self._stopping.is_set():
                child.terminate()
            status = await child.wait()
            if self._stopping.is_set() or status == 0:
                return status
            pause = 1.0 if time.monotonic() - began > _STEADY_S else min(pause * 2, _MAX_PAUSE_S)
            _logger.error("worker %d ended (%d); another starts in %g s", number, status, pause)
            if not await _passes(self._stopping, pause):
                return status

    async def _end(self) -> None:
        await self._stopping.wait()
        self._each(lambda child: child.terminate())
        await asyncio.sleep(_KILL_S)
        _logger.error("workers that did not stop within %d s are killed", _KILL_S)
        self._each(lambda child: child.kill())

    def _kill_all(self) -> None:
        self._each(lambda child: child.kill())
        os._exit(_INTERRUPTED)

    def _each(self, do: Callable[[asyncio.subprocess.Process], None]) -> None:
        for child in self._children.values():
            if child.returncode is None:
                do(child)


def _on_signals(
    loop: asyncio.AbstractEventLoop, stop: Callable[[], None], again: Callable[[], object]
) -> None:
    """``stop`` at the first SIGTERM or SIGINT; ``again`` at a second SIGINT."""
    told = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if told and number == signal.SIGINT:
            again()
        told = True
        loop.call_soon_threadsafe(stop)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, handle)


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
