"""How many wrong guesses somebody has left: at the codes of devices."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import timedelta

from saaf_autogen.clock import Clock
from saaf_autogen.errors import RateLimited

__all__ = ["Guesses"]

_MOST = 10
_WITHIN = timedelta(minutes=10)
_NAMES = 10_000


class Guesses:
    """Counts wrong guesses by name, in this process.

    The code of a device has 34 bits and lives ten minutes. With ten guesses in that time for each
    person and address, nobody finds one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, *names: str) -> None:
        """Let somebody guess who has a guess left under each of these names.

        Raises:
            RateLimited: there is none; ``retry_after`` says when there is one.
        """
        now = self._clock.monotonic()
        with self._lock:
            waits = [self._wait(name, now) for name in names]
        if max(waits) > 0:
            wait = timedelta(seconds=max(waits))
            raise RateLimited(
                "Too many wrong codes were typed.",
                remedy=f"Wait {-(-int(wait.total_seconds()) // 60) or 1} min, then start again "
                "on the device.",
                extra={"retry_after": int(wait.total_seconds()) + 1},
            )

    def note(self, *names: str) -> None:
        """Count a wrong guess under each of these names."""
        now = self._clock.monotonic()
        with self._lock:
            for name in names:
                times = [*self._recent(name, now), now]
                self._wrong[name] = times[-_MOST:]
                self._wrong.move_to_end(name)
            while len(self._wrong) > _NAMES:
                self._wrong.popitem(last=False)

    def _recent(self, name: str, now: float) -> list[float]:
        since = now - _WITHIN.total_seconds()
        return [at for at in self._wrong.get(name, ()) if at > since]

    def _wait(self, name: str, now: float) -> float:
        times = self._recent(name, now)
        return times[0] + _WITHIN.total_seconds() - now if len(times) >= _MOST else 0
