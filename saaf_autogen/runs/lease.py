"""A worker's lease: renewed by a thread of its own, so that busy agents cannot starve it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from saaf_autogen.db import Database
from saaf_autogen.journal import Fenced
from saaf_autogen.runs import workers
from saaf_autogen.runs.presence import Presence

__all__ = ["Lease"]

_logger = logging.getLogger(__name__)
_BEATS = 3
_LOOK_S = 0.1
State = Literal["held", "late", "lost"]


class Lease:
    """Says whether this process may work on the runs that it holds.

    It is *held* up to ``lease_s`` after the last renewal began, by a clock that also counts while
    the process is stopped. Then it is *late*: no call may start until it is renewed. It is *lost*
    when another worker gave this one up; a new lease needs a new worker.

    Args:
        database: where workers are registered.
        lease_s: how long a renewal holds.
        release: of the deployment.
        slots: how many runs the worker takes.
        presence: shows processes of this machine that the worker lives.
        on_lost: told once, in the lease's own thread.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease_s: float,
        release: str,
        slots: int,
        presence: Presence,
        on_lost: Callable[[], None],
    ) -> None:
        self.id = f"wrk_{secrets.token_hex(8)}"
        # Behind busy agents in the common pool, a heartbeat could come too late.
        self._database = database.apart()
        self._lease_s = lease_s
        self._release = release
        self._slots = slots
        self._presence = presence
        self._on_lost = on_lost
        self._until = 0.0
        self._lost = False
        self._draining = False
        self._closed = threading.Event()
        self._alive: Callable[[], bool] = lambda: True
        self._thread = threading.Thread(target=self._beat, name="saaf-lease", daemon=True)

    def begin(self, alive: Callable[[], bool]) -> None:
        """Register, and renew from now on while ``alive()``; blocks for one transaction."""
        started = _clock()
        self._presence.show(self.id)
        worker = workers.NewWorker(
            self.id, socket.gethostname()[:255], os.getpid(), self._release, self._slots
        )
        try:
            with self._database.transaction() as session:
                workers.register(session, worker, self._lease_s)
        except BaseException:
            self._presence.hide(self.id)
            self._database.close()
            raise
        self._until = started + self._lease_s
        self._alive = alive
        self._thread.start()

    @property
    def state(self) -> State:
        """Whether calls may start."""
        if self._lost:
            return "lost"
        return "held" if _clock() < self._until else "late"

    async def permit(self) -> None:
        """Return as soon as a call may start.

        Raises:
            Fenced: none may any more.
        """
        while (state := self.state) != "held":
            if state == "lost":
                raise Fenced(f"{self.id} was given up")
            await asyncio.sleep(_LOOK_S)

    def drain(self) -> None:
        """Tell others that this worker takes nothing more."""
        self._draining = True

    def end(self) -> None:
        """Leave in good order; what is still held is free for others. Blocks."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._lease_s)
        if not self._lost:
            try:
                with self._database.transaction() as session:
                    workers.leave(session, self.id)
            except SQLAlchemyError:
                _logger.warning("the store is away; the lease of %s runs out by itself", self.id)
        self._lost = True
        self._presence.hide(self.id)
        self._database.close()

    def _beat(self) -> None:
        pause = self._lease_s / _BEATS
        while not self._closed.wait(pause):
            pause = self._lease_s / _BEATS
            # A worker whose event loop hangs must not keep its runs for ever.
            if not self._alive():
                continue
            started = _clock()
            try:
                with self._database.transaction() as session:
                    kept = workers.beat(session, self.id, self._lease_s, draining=self._draining)
            except SQLAlchemyError as error:
                _logger.warning("the lease could not be renewed: %s", type(error).__name__)
                pause = min(0.5, pause)
                continue
            if not kept:
                self._lost = True
                self._presence.hide(self.id)
                self._database.close()
                self._on_lost()
                return
            self._until = started + self._lease_s


def _clock() -> float:
    """Seconds that go on while the process is stopped or the machine sleeps."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)
