"""How many calls a minute: sliding windows in bounded memory, for every room that counts."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.storage.base import SlidingWindowCounterSupport
from limits.strategies import SlidingWindowCounterRateLimiter

from saaf_autogen.clock import Clock
from saaf_autogen.errors import RateLimited
from saaf_autogen.settings import LimitSettings

__all__ = ["BoundedWindows", "Limits", "RateLimiter", "Room"]

WINDOW_S = 60
_CAPACITY = 50_000
_MAX_KEY = 300


@dataclass(frozen=True, slots=True)
class Room:
    """What is left to somebody.

    Attributes:
        limit: calls in a window of ``WINDOW_S`` seconds.
        remaining: calls that are left now.
        reset_s: seconds until more are left; where none are, until the next call is let through.
    """

    name: str
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.reset_s}',
        }


class RateLimiter:
    """At most so many calls a minute by each of many, in this process. Safe in every thread.

    It never keeps more than ``capacity`` names: past that, whoever was idle the longest is
    forgotten, and begins anew.

    Args:
        name: of the policy, as headers tell it.
        per_minute: calls in any minute (weighted over the last two).
        clock: the time.
        capacity: names that are kept.
    """

    def __init__(
        self, name: str, per_minute: int, clock: Clock, *, capacity: int = _CAPACITY
    ) -> None:
        self.name = name
        self.windows = BoundedWindows(clock, capacity)
        self._limiter = SlidingWindowCounterRateLimiter(self.windows)
        self._item = RateLimitItemPerMinute(per_minute)

    def take(self, *who: str, cost: int = 1) -> Room:
        """Count a call, or one that is worth ``cost``, and say what is left.

        Raises:
            RateLimited: as ``admit``.
        """
        names = self._count(who, cost)
        return self._room(names)

    def admit(self, *who: str) -> None:
        """Count a call.

        Raises:
            RateLimited: with ``retry_after`` in seconds and ``ratelimit`` in ``extra``.
        """
        self._count(who)

    def _count(self, who: tuple[str, ...], cost: int = 1) -> tuple[str, ...]:
        names = tuple(name[:_MAX_KEY] for name in who)
        if self._limiter.hit(self._item, *names, cost=cost):
            return names
        room = self._room(names)
        if cost > room.limit:
            raise RateLimited(
                f"This counts as {cost} calls, and {room.limit} are allowed in a minute.",
                remedy="Send less at once.",
                extra={"retry_after": WINDOW_S, "ratelimit": room.headers()},
            )
        wait_s = room.reset_s if cost == 1 else self._wait_s(names, cost)
        raise RateLimited(
            f"More than {room.limit} calls in a minute.",
            remedy=f"Wait {wait_s} s.",
            extra={"retry_after": wait_s, "ratelimit": room.headers()},
        )

    def _wait_s(self, names: tuple[str, ...], cost: int) -> int:
        """Seconds until there is room for ``cost`` calls, if none are made meanwhile."""
        limit = self._item.amount
        before, before_s, now, now_s = self.windows.get_sliding_window(
            self._item.key_for(*names), WINDOW_S
        )
        if now + cost <= limit:
            return math.floor(before_s - WINDOW_S * (limit - now - cost + 1) / max(before, 1)) + 1
        # Once the next window has begun, this one's calls weigh less and less.
        return math.floor(now_s + WINDOW_S * max(0, 1 - (limit - cost + 1) / now)) + 1

    def _room(self, names: tuple[str, ...]) -> Room:
        limit = self._item.amount
        before, before_s, now, now_s = self.windows.get_sliding_window(
            self._item.key_for(*names), WINDOW_S
        )
        # The same sum as in `acquire_sliding_window_entry`, so that what is told is what is done.
        remaining = max(0, limit - math.floor(before * before_s / WINDOW_S) - now)
        if remaining:
            return Room(self.name, limit, remaining, max(1, math.ceil(now_s)))
        # As the window before passes, it weighs less, until one more call has room.
        passing = before_s - WINDOW_S * (limit - now) / max(before, 1)
        wait = passing if now < limit else now_s
        return Room(self.name, limit, 0, math.floor(wait) + 1)


class BoundedWindows(Storage, SlidingWindowCounterSupport):
    """Storage of ``limits`` in memory, by a clock that is handed in, and of a bounded size.

    The library's own keeps every name until a thread of its own has swept it away: who changes
    their name with every call makes it grow.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock, capacity: int) -> None:
        super().__init__()
        self._clock = clock
        self._capacity = capacity
        self._lock = threading.Lock()
        # Of each name: the window that it last called in, calls in the one before it, and in it.
        self._counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count ``amount`` calls, or give false where they are too many."""
        with self._lock:
            window, left_s = self._window(expiry)
            before, now = self._read(key, window)
            allowed = math.floor(before * left_s / expiry) + now + amount <= limit
            self._counts[key] = (window, before, now + amount if allowed else now)
            # Who is refused was here, too, and is not forgotten for it.
            self._counts.move_to_end(key)
            if len(self._counts) > self._capacity:
                self._counts.popitem(last=False)
            return allowed

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Calls in the window before with the seconds that it still weighs, and in this one."""
        with self._lock:
            window, left_s = self._window(expiry)
            before, now = self._read(key, window)
            return before, left_s, now, left_s

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a name."""
        self.clear(key)

    def clear(self, key: str) -> None:
        """Forget a name."""
        with self._lock:
            self._counts.pop(key, None)

    def reset(self) -> int | None:
        """Forget all names."""
        with self._lock:
            count = len(self._counts)
            self._counts.clear()
            return count

    def check(self) -> bool:
        """It is always there."""
        return True

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Of the storage's own there are none."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """For fixed windows, which nothing here uses."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """For fixed windows, which nothing here uses."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """For fixed windows, which nothing here uses."""
        raise NotImplementedError

    def _window(self, expiry: int) -> tuple[int, float]:
        window, passed = divmod(self._clock.monotonic(), expiry)
        return int(window), expiry - passed

    def _read(self, key: str, window: int) -> tuple[int, int]:
        found = self._counts.get(key)
        if found is None:
            return 0, 0
        last, before, now = found
        if last == window:
            return before, now
        return (now, 0) if last == window - 1 else (0, 0)


class Limits:
    """The limiters of one host.

    Attributes:
        calls: by subject and client: every call with a good token, and every action in process.
        strangers: by address: calls that want a token and come without a good one.
        addresses: by address: the authorization server and its pages.
        clients: by client: what an authenticated client asks of the token endpoint.
        told: lets an audit entry through about somebody whom a limit refuses, once a minute.
    """

    def __init__(self, settings: LimitSettings, clock: Clock) -> None:
        self.calls = RateLimiter("calls", settings.calls_per_minute, clock)
        self.strangers = RateLimiter("unauthenticated", settings.unauthenticated_per_minute, clock)
        self.addresses = RateLimiter("oauth", settings.oauth_per_minute, clock)
        self.clients = RateLimiter("tokens", settings.tokens_per_minute, clock)
        self.told = RateLimiter("told", 1, clock)
