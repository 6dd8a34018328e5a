"""A worker: takes runs up and works them off, in a thread with an event loop of its own.

Agents cost processor time; on the API's own loop, every answer would wait for them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from saaf_autogen.clock import Clock
from saaf_autogen.db import Database
from saaf_autogen.errors import Unavailable
from saaf_autogen.journal import Fenced
from saaf_autogen.runs import claims, store, workers
from saaf_autogen.runs.claims import ClaimRules
from saaf_autogen.runs.execution import Control, RunExecution, place_of
from saaf_autogen.runs.hold import Hold
from saaf_autogen.runs.lease import Lease
from saaf_autogen.runs.model import EndStatus, RunWork
from saaf_autogen.runs.notifier import CALLBACKS, Notifier, rung
from saaf_autogen.runs.presence import Presence
from saaf_autogen.settings import RunSettings

__all__ = ["Chore", "Worker"]

_logger = logging.getLogger(__name__)
Result = TypeVar("Result")
_POLL_S = 0.25
_TICK_S = 0.5
_THREADS = 24
_REAPS = 3
# One that was just stored is begun in a moment, however busy the API's loop is.
_FORGOTTEN_S = 3.0


@dataclass(frozen=True)
class Chore:
    """Something that some worker does now and then; ``work`` runs in the worker's loop."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[None]]


class Worker:
    """Implements ``RunEngine`` on SAAF's own store: SQLite on one machine, PostgreSQL for many.

    A run is begun at once when one of ``settings.concurrency`` slots is free; otherwise its row
    waits as ``queued``, and the workers look for such rows. Runs of workers that died are taken up
    after at most ``settings.lease_s`` seconds and a look, on the same machine at the next look.

    Args:
        database: SAAF's store.
        execution: works off a run that is held.
        settings: limits.
        rules: what bounds the runs that execute at once.
        presence: shows that this process lives.
        notifier: shared with the ``RunService`` of this process.
        clock: the time that is written down.
        release: of the deployment.
        chores: done beside the runs.
        on_close: called in the worker's loop at its end, to close what was opened in it.
        poll_s: seconds between two looks at the store.
    """

    def __init__(
        self,
        database: Database,
        execution: RunExecution,
        settings: RunSettings,
        *,
        rules: ClaimRules,
        presence: Presence,
        notifier: Notifier,
        clock: Clock,
        release: str = "",
        chores: Sequence[Chore] = (),
        on_close: Callable[[], Awaitable[None]] | None = None,
        poll_s: float = _POLL_S,
    ) -> None:
        self.rules = rules
        self._database = database
        self._execution = execution
        self._settings = settings
        self._presence = presence
        self._notifier = notifier
        self._clock = clock
        self._release = release
        self._chores = tuple(chores)
        self._on_close = on_close
        self._poll_s = poll_s
        self._mutex = threading.Lock()
        self._taken = 0
        self._controls: dict[str, Control] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        self._more = False
        self._asked = 0.0
        self._forgotten: dict[Hold, float] = {}

    # --- as the API's loop sees it

    @property
    def is_working(self) -> bool:
        """Whether it takes up runs."""
        return self._loop is not None and not self._closing and self._lease.state != "lost"

    async def launch(self) -> None:
        """Begin to work, in a thread; runs that a crash interrupted continue at once."""
        started: Future[None] = Future()
        self._closing = False
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="saaf-worker", daemon=True
        )
        self._thread.start()
        await asyncio.wrap_future(started)

    def reserve(self) -> str | None:
        """As ``RunEngine.reserve``."""
        if not self.is_working or self._lease.state != "held":
            return None
        return self._lease.id if self._take_slots(1) else None

    def begin(self, work: RunWork) -> None:
        """As ``RunEngine.begin``."""
        self._tell(lambda: self._begin(work.hold, work))

    def give_back(self) -> None:
        """As ``RunEngine.give_back``."""
        self._free_slots(1)

    def look(self) -> None:
        """As ``RunEngine.look``."""
        self._tell(self._look_soon)

    def cancel(self, run_id: str) -> None:
        """As ``RunEngine.cancel``; its end is written by its own execution."""
        self._tell(lambda: self._stop_run(run_id))

    async def drain(self, grace_s: float = 0) -> None:
        """As ``RunEngine.drain``."""
        if self._loop is not None:
            await self._within(self._drain(grace_s))

    async def close(self, grace_s: float = 0) -> None:
        """Drain, leave, and end the thread."""
        if self._loop is None or self._thread is None:
            return
        await self.drain(grace_s)
        self._tell(self._ended.set)
        await asyncio.to_thread(self._thread.join)
        self._loop = self._thread = None

    def _tell(self, what: Callable[[], object]) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(what)
        except RuntimeError:
            # It has just closed: what is stored is found by whoever works next.
            _logger.info("the worker has ended")

    async def _within(self, work: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            raise RuntimeError("the worker was not launched")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    # --- within the worker's own loop

    def _run(self, started: Future[None]) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._main(started))

    async def _main(self, started: Future[None]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS, "saaf-runs"))
        self._wake, self._ended = asyncio.Event(), asyncio.Event()
        self._looking = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ticked = time.monotonic()
        try:
            await self._join()
        except BaseException as error:
            started.set_exception(error)
            return
        self._loop = loop
        background = [asyncio.create_task(self._tick()), asyncio.create_task(self._sweep())]
        background += [asyncio.create_task(self._repeat(chore)) for chore in self._chores]
        started.set_result(None)
        await self._ended.wait()
        for task in background:
            task.cancel()
        await asyncio.wait([*background, *self._tasks], timeout=self._settings.lease_s)
        try:
            if self._on_close:
                await self._on_close()
        finally:
            await asyncio.to_thread(self._lease.end)

    async def _join(self) -> None:
        """Register as a worker, by a new name each time."""
        loop = asyncio.get_running_loop()

        def on_lost() -> None:
            loop.call_soon_threadsafe(self._lost)

        self._lease = Lease(
            self._database,
            lease_s=self._settings.lease_s,
            release=self._release,
            slots=self._settings.concurrency,
            presence=self._presence,
            on_lost=on_lost,
        )
        await asyncio.to_thread(self._lease.begin, self._is_alive)

    def _is_alive(self) -> bool:
        return time.monotonic() - self._ticked < self._settings.lease_s

    def _lost(self) -> None:
        """Another worker gave this one up: stop everything, and join anew."""
        _logger.error("%s was silent for too long; others have its runs", self._lease.id)
        for control in self._controls.values():
            control.stop("fenced")
        if not self._closing:
            task = asyncio.create_task(self._rejoin())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _rejoin(self) -> None:
        while not self._closing:
            try:
                await self._join()
                return
            # The store, or the disk with the folder where workers show themselves.
            except (SQLAlchemyError, OSError) as error:
                _logger.warning("the worker cannot join yet (%s)", type(error).__name__)
                await asyncio.sleep(1)

    async def _tick(self) -> None:
        while True:
            self._ticked = time.monotonic()
            await asyncio.sleep(_TICK_S)

    async def _sweep(self) -> None:
        reaped = -self._settings.lease_s
        while True:
            try:
                if time.monotonic() - reaped >= self._settings.lease_s / _REAPS:
                    reaped = time.monotonic()
                    await self._database.run(self._reap)
                    await self._free_forgotten()
                async with self._looking:
                    await self._look_around()
            except SQLAlchemyError as error:
                _logger.warning("the store is not available (%s)", type(error).__name__)
            # A boundary: the sweeper outlives whatever it meets.
            except Exception as error:
                _logger.error("the sweeper failed: %s", type(error).__name__)
            await rung(self._wake, self._poll_s)
            self._wake.clear()

    async def _repeat(self, chore: Chore) -> None:
        while True:
            await asyncio.sleep(chore.every_s)
            try:
                await chore.work()
            # A boundary: a chore comes again, whatever it met.
            except Exception as error:
                _logger.warning("%s failed: %s", chore.name, type(error).__name__)

    async def _look_around(self) -> None:
        if self._controls and time.monotonic() - self._asked >= self._poll_s:
            self._asked = time.monotonic()
            ids = list(self._controls)
            for run_id in await self._database.read(store.cancel_requested, ids):
                self._stop_run(run_id)
        free = 0 if self._closing or self._lease.state != "held" else self._take_slots()
        if not free:
            return
        holds: list[Hold] = []
        try:
            holds = await self._database.run(
                claims.claim, self._lease.id, self._clock.now(), self.rules, limit=free
            )
        finally:
            self._free_slots(free - len(holds))
        # As many as there was room for: there may be more when a slot is free again.
        self._more = len(holds) == free
        for hold in holds:
            self._notifier.notify(hold.run_id)
            self._begin(hold)

    def _reap(self, session: Session) -> None:
        """Give up workers that are silent or dead, and free their runs."""
        gone = workers.mark_gone(session, self._presence.dead(workers.live_ids(session)))
        if gone:
            _logger.warning("gone: %s", ", ".join(gone))
        for run_id, crashes in workers.free_orphans(session):
            self._give_up(session, run_id, crashes)
        for run_id in store.cancelled_orphans(session):
            self._end(session, run_id, "cancelled")
        self._presence.forget(gone)

    async def _free_forgotten(self) -> None:
        """Free the runs that are held here and have not been worked on for some seconds.

        The transaction that took or gave back such a run ended otherwise than its answer said.
        """
        held = await self._database.read(store.held_by, self._lease.id)
        now = time.monotonic()
        self._forgotten = {
            hold: self._forgotten.get(hold, now)
            for hold in held
            if hold.run_id not in self._controls
        }
        for hold, since in self._forgotten.items():
            if now - since >= _FORGOTTEN_S:
                _logger.warning("%s was held and forgotten", hold)
                await self._let_go(hold, None, crashed=False)

    def _begin(self, hold: Hold, work: RunWork | None = None) -> None:
        self._idle.clear()
        control = Control()
        if self._closing:
            # Taken while the worker was told to stop: nobody else would tell this one.
            control.stop("closing")
        self._controls[hold.run_id] = control
        task = asyncio.create_task(self._work(hold, work, control))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, hold: Hold, work: RunWork | None, control: Control) -> None:
        async def gate() -> None:
            if control.reason is not None:
                # No call starts any more; whoever stops the turn cancels this wait.
                await asyncio.get_running_loop().create_future()
            if hold.worker != self._lease.id:
                raise Fenced(f"{hold.worker} was given up")
            await self._lease.permit()

        try:
            if not await self._execution.work_off(hold, work, control, gate):
                await self._let_go(hold, control, crashed=False)
        except Fenced:
            _logger.info("%s is not held here any more", hold)
        # A boundary: a fault of the host is no end of the run, unless it comes again and again.
        except Exception as error:
            _logger.error("%s failed in the host: %s", hold, place_of(error))
            await self._let_go(hold, control, crashed=True)
        finally:
            if self._controls.get(hold.run_id) is control:
                del self._controls[hold.run_id]
            self._free_slots(1)
            if not self._controls:
                self._idle.set()
            if self._more:
                self._wake.set()

    async def _let_go(self, hold: Hold, control: Control | None, *, crashed: bool) -> None:
        """Whatever was not brought to an end is for any worker to take up."""

        def give_back(session: Session) -> None:
            active_s, usage = (control.active_s, control.usage) if control else (None, None)
            crashes = store.give_back(
                session, hold, crashed=crashed, active_s=active_s, usage=usage
            )
            if crashed:
                self._give_up(session, hold.run_id, crashes)

        try:
            await self._database.run(give_back)
        except SQLAlchemyError:
            _logger.warning("%s could not be given back yet", hold)

    def _give_up(self, session: Session, run_id: str, crashes: int) -> None:
        """End a run that host after host failed on."""
        if crashes < self._settings.max_crashes:
            return
        error = Unavailable(
            f"The run was given up: its execution broke down {crashes} times.",
            remedy="Start it again; if it ends so again, look at the hosts' logs.",
        )
        self._end(session, run_id, "failed", error.problem())

    def _end(
        self,
        session: Session,
        run_id: str,
        status: EndStatus,
        error: dict[str, Any] | None = None,
    ) -> None:
        """End a run that nobody holds."""
        delay_s = (self._settings.callback_delays_s or [0])[0]
        store.finish(session, run_id, status, self._clock.now(), error=error, delay_s=delay_s)
        self._notifier.notify(run_id)
        self._notifier.notify(CALLBACKS)

    def _look_soon(self) -> None:
        self._more = True
        self._wake.set()

    def _stop_run(self, run_id: str) -> None:
        if control := self._controls.get(run_id):
            control.stop("cancelled")

    async def _drain(self, grace_s: float) -> None:
        self._closing = True
        self._lease.drain()
        # A look under way may still take up runs, which are to be stopped like the others.
        async with self._looking:
            pass
        if grace_s > 0:
            await rung(self._idle, grace_s)
        for control in self._controls.values():
            control.stop("closing")
        await rung(self._idle, self._settings.lease_s)

    def _take_slots(self, count: int | None = None) -> int:
        """Take ``count`` slots, or all that are free; how many it were."""
        with self._mutex:
            free = max(self._settings.concurrency - self._taken, 0)
            taken = free if count is None else (count if free >= count else 0)
            self._taken += taken
            return taken

    def _free_slots(self, count: int) -> None:
        with self._mutex:
            self._taken -= count
