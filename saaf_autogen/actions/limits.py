"""Rate limits on calls, per subject and client."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import RateLimited

__all__ = ["CallLimiter"]


class CallLimiter:
    """At most so many calls a minute by one subject through one client, in this process."""

    def __init__(self, calls_per_minute: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._item = RateLimitItemPerMinute(calls_per_minute)

    async def take(self, principal: Principal) -> None:
        """Count a call; raises ``RateLimited`` with ``retry_after`` in seconds."""
        who = (principal.key, principal.client_id or "")
        if await self._limiter.hit(self._item, *who):
            return
        stats = await self._limiter.get_window_stats(self._item, *who)
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        raise RateLimited(
            f"More than {self._item.amount} calls in a minute.",
            remedy=f"Wait {wait} s.",
            extra={"retry_after": wait},
        )
