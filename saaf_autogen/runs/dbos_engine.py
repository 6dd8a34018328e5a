"""The run engine on DBOS Transact: SQLite embedded, PostgreSQL by URL."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.db import Database
from saaf_autogen.errors import ConfigurationError, Unavailable
from saaf_autogen.journal import TurnExecutor
from saaf_autogen.runs import store
from saaf_autogen.runs.engine_lock import EngineLock
from saaf_autogen.runs.execution import Control, RunExecution
from saaf_autogen.runs.notifier import Notifier, rung
from saaf_autogen.settings import RunSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbos import DBOSConfig

__all__ = ["DbosEngine"]

_logger = logging.getLogger(__name__)
# Fixed, so that an upgrade of SAAF or of DBOS does not strand the runs of the version before.
_APPLICATION_VERSION = "saaf-runs-1"
_EXECUTOR_ID = "local"
_MAX_RECOVERIES = 10
_LAST_LOOK_S = 5
_LIVE_STATES = {"PENDING", "ENQUEUED", "DELAYED"}


class DbosEngine:
    """Executes runs as DBOS workflows whose id is the run's id; each turn is a step.

    A run is taken up at once when one of ``settings.concurrency`` slots is free; otherwise its row
    waits as ``queued``. The sweeper takes the oldest waiting rows into free slots, and with them
    those that a crash left between their commit and their start. Steps are at-least-once: after a
    crash the turn in flight is done again, and finished turns are not.

    DBOS is a singleton of the process, and this engine owns it.

    Args:
        database: SAAF's store.
        executor: does the turns.
        settings: limits.
        url: DBOS's own store, ``sqlite:///FILE`` or ``postgresql://…``.
        notifier: shared with the ``RunService`` of this process.
        clock: the time that is written down.
        sweep_s: seconds between two looks at the store.
        lost_s: seconds between two searches for runs whose workflow is over.
    """

    def __init__(
        self,
        database: Database,
        executor: TurnExecutor,
        settings: RunSettings,
        *,
        url: str,
        notifier: Notifier,
        clock: Clock | None = None,
        sweep_s: float = 0.5,
        lost_s: float = 15,
    ) -> None:
        self._database = database
        self._settings = settings
        self._url = make_url(url)
        self._execution = RunExecution(
            database, executor, settings, clock or SystemClock(), notifier
        )
        self._lock = EngineLock(self._url)
        self._sweep_s = sweep_s
        self._lost_s = lost_s
        self._controls: dict[str, Control] = {}
        self._starting: set[str] = set()
        self._workflow: Callable[[str], Coroutine[Any, Any, str]] | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._closing = False

    async def launch(self) -> None:
        """Begin to work; runs that a crash interrupted continue within seconds."""
        from dbos import DBOS, _dbos  # lazy: the import takes 0.5 s

        _leave_the_console()
        try:
            await self._lock.acquire()
        except (sqlite3.Error, SQLAlchemyError) as error:
            raise _unusable(self._url, error) from error
        # DBOS(config) would hand out an instance that is there already, and ignore the config.
        if _dbos._dbos_global_instance is not None:
            self._lock.release()
            raise ConfigurationError(
                "Another run engine works in this process, and DBOS allows one.",
                remedy="Close the other project first, or start runs over its REST API.",
            )
        self._closing = False
        self._slots = asyncio.Semaphore(self._settings.concurrency)
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        _refuse_pickle()
        try:
            _prepare_sqlite(self._url)
            DBOS(config=self._config())
            self._workflow = DBOS.workflow(name="saaf.run", max_recovery_attempts=_MAX_RECOVERIES)(
                self._make_workflow()
            )
            # Within the loop's own thread: this is how DBOS learns which loop to work on.
            DBOS.launch()
        except BaseException as error:
            await self._destroy()
            if isinstance(error, sqlite3.Error | SQLAlchemyError):
                raise _unusable(self._url, error) from error
            raise
        self._sweeper = asyncio.create_task(self._sweep())

    async def start(self, run_id: str) -> None:
        """Take up a run at once if there is a free slot; the sweeper will otherwise."""
        if self._sweeper is None or self._closing or self._free <= 0:
            return
        try:
            await self._take_up(run_id)
        # A boundary: the row is committed, so the run exists; the sweeper will try again.
        except Exception as error:
            _logger.warning("run %s is not started yet: %s", run_id, type(error).__name__)

    async def cancel(self, run_id: str) -> None:
        """Stop a run that executes here; its end is written by its own workflow."""
        if control := self._controls.get(run_id):
            control.stop("cancelled")

    async def drain(self, grace_s: float = 0) -> None:
        """Take up nothing more; runs at work get ``grace_s`` seconds, and continue next time."""
        if self._sweeper is None:
            return
        self._closing = True
        self._wake.set()
        # A look under way may end: its thread outlives its cancellation, and would the store too.
        await asyncio.wait({self._sweeper}, timeout=_LAST_LOOK_S)
        self._sweeper.cancel()
        await asyncio.wait({self._sweeper})
        if grace_s > 0:
            await rung(self._idle, grace_s)
        for control in self._controls.values():
            control.stop("closing")
        await rung(self._idle, 5)

    async def close(self, grace_s: float = 0) -> None:
        """Drain, and give DBOS and the lock back."""
        if self._sweeper is None:
            return
        await self.drain(grace_s)
        self._sweeper = None
        await self._destroy()

    @property
    def is_working(self) -> bool:
        """Whether it takes up runs."""
        return self._sweeper is not None and not self._closing

    @property
    def _free(self) -> int:
        return self._settings.concurrency - len(self._controls.keys() | self._starting)

    async def _take_up(self, run_id: str) -> None:
        from dbos import DBOS, SetWorkflowID
        from dbos._core import WorkflowHandleAsyncTask

        if run_id in self._controls or run_id in self._starting:
            return
        if self._workflow is None or self._closing:
            return
        self._starting.add(run_id)
        executes = False
        try:
            with SetWorkflowID(run_id):
                handle = await DBOS.start_workflow_async(self._workflow, run_id)
            # Any other handle means that the workflow exists: it ended, or DBOS recovers it.
            executes = isinstance(handle, WorkflowHandleAsyncTask)
        finally:
            if not executes:
                self._starting.discard(run_id)

    def _make_workflow(self) -> Callable[[str], Coroutine[Any, Any, str]]:
        # DBOS takes plain functions; a method would need an instance that it knows by name.
        async def saaf_run(run_id: str) -> str:
            if self._closing:
                raise asyncio.CancelledError
            control = Control(self._settings.timeout_s)
            self._controls[run_id] = control
            self._starting.discard(run_id)
            self._idle.clear()
            try:
                async with self._slots:
                    return await self._work_off(run_id, control)
            finally:
                if self._controls.get(run_id) is control:
                    del self._controls[run_id]
                if not self._controls:
                    self._idle.set()
                self._wake.set()

        return saaf_run

    async def _work_off(self, run_id: str, control: Control) -> str:
        from dbos import DBOS

        execution = self._execution
        work = await execution.begin(run_id, control)
        if work is None:
            return "over"
        if work.cancel_requested:
            control.stop("cancelled")
        state: dict[str, Any] | None = None
        usage: dict[str, int] = {}
        outcome: dict[str, Any] = {"end": control.reason}
        number = 0
        while not outcome["end"] and number < self._settings.max_turns:
            outcome = await DBOS.run_step_async(
                {"name": "turn"}, execution.turn, work, number, state, control
            )
            state, number = outcome.get("state"), number + 1
            for name, count in outcome.get("usage", {}).items():
                usage[name] = usage.get(name, 0) + count
            outcome["end"] = outcome["end"] or control.reason
        if not outcome["end"]:
            outcome = execution.out_of_turns()
        if outcome["end"] == "closing":
            raise asyncio.CancelledError
        await execution.finish(work, outcome, usage, control)
        return str(outcome["end"])

    async def _sweep(self) -> None:
        searched = time.monotonic()
        while not self._closing:
            try:
                if not await asyncio.to_thread(self._lock.keep):
                    self._yield()
                    return
                await self._look_around()
                if time.monotonic() - searched >= self._lost_s:
                    searched = time.monotonic()
                    await self._end_lost()
            # A boundary: the sweeper outlives whatever the store does.
            except Exception as error:
                _logger.warning("the sweeper failed: %s", type(error).__name__)
            await rung(self._wake, self._sweep_s)
            self._wake.clear()

    def _yield(self) -> None:
        """Stop executing: while the store was away, another engine took it over."""
        _logger.error("another process executes the runs of this store; this one has stopped")
        self._closing = True
        for control in self._controls.values():
            control.stop("closing")

    async def _look_around(self) -> None:
        here = self._controls.keys() | self._starting
        if self._controls:
            for run_id in await self._database.read(store.cancel_requested, list(self._controls)):
                await self.cancel(run_id)
        if self._free > 0:
            waiting = await self._database.read(
                store.run_ids, "queued", limit=self._free, skip=here
            )
            for run_id in waiting[: max(self._free, 0)]:
                await self._take_up(run_id)

    async def _end_lost(self) -> None:
        """End the runs whose workflow is over although they are not."""
        from dbos import DBOS

        here = self._controls.keys() | self._starting
        for status in ("running", "queued"):
            for run_id in await self._database.read(store.run_ids, status, limit=20, skip=here):
                workflow = await DBOS.get_workflow_status_async(run_id)
                if workflow is None:
                    if self._free > 0:
                        await self._take_up(run_id)
                elif workflow.status not in _LIVE_STATES:
                    error = Unavailable(
                        "The run was given up: the host died too often while it executed.",
                        remedy="Start it again; if it ends so again, look at the host's log.",
                    )
                    await self._execution.end(run_id, "failed", None, error=error.problem())

    async def _destroy(self) -> None:
        from dbos import DBOS

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as apart:
            await loop.run_in_executor(apart, lambda: DBOS.destroy(destroy_registry=True))
        # DBOS had put its own threads in the place of the loop's, and they are gone now.
        loop.set_default_executor(ThreadPoolExecutor())
        self._workflow = None
        self._lock.release()

    def _config(self) -> DBOSConfig:
        from dbos import DBOSPortableJSONSerializer

        url = self._url
        if url.get_backend_name() == "postgresql":
            url = url.set(drivername="postgresql")
        return {
            "name": "saaf-runs",
            "system_database_url": url.render_as_string(hide_password=False),
            "application_version": _APPLICATION_VERSION,
            "executor_id": _EXECUTOR_ID,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "CRITICAL",
            "sys_db_pool_size": 10,
            "max_executor_threads": self._settings.concurrency + 32,
            "enable_otlp": False,
            # We wait for none of its messages: a listener would only hold a connection, and leave
            # one open when it is closed while it connects.
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 0.1,
        }


def _prepare_sqlite(url: URL) -> None:
    """DBOS leaves SQLite in rollback-journal mode; the file remembers WAL for it."""
    if url.get_backend_name() != "sqlite":
        return
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def _unusable(url: URL, error: Exception) -> ConfigurationError:
    where = url.render_as_string()  # without the password
    return ConfigurationError(
        f"The run engine's store {where} cannot be used: {type(error).__name__}.",
        remedy="Is it there, whole and writable, and is there room on its disk?",
    )


def _leave_the_console() -> None:
    """DBOS prints to the stderr that it finds first, unless its logger has a handler already."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _refuse_pickle() -> None:
    """DBOS unpickles a row that says so, whatever its serializer: take that away.

    Otherwise whoever can write to the engine's database runs code on this host.
    """
    from dbos import _serialization

    def refuse(_data: str) -> NoReturn:
        raise ValueError("pickled workflow data is refused")

    setattr(_serialization.DBOSDefaultSerializer, "deserialize", refuse)  # noqa: B010 - see above
