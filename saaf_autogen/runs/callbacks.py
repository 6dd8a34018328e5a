"""Sends the callbacks of the outbox: signed, retried, to each receiver at its own pace."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import Counter
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.db import Database
from saaf_autogen.egress import EgressClient, EgressResponse
from saaf_autogen.errors import InvalidArguments, SaafError, TimedOut
from saaf_autogen.runs import outbox
from saaf_autogen.runs.notifier import CALLBACKS, Notifier, rung
from saaf_autogen.runs.outbox import Callback
from saaf_autogen.runs.service import SecretFor
from saaf_autogen.settings import RunSettings

__all__ = ["CallbackDeliverer"]

_logger = logging.getLogger(__name__)
_PER_HOST = 2
_AT_ONCE = 32
_LEASE_MARGIN_S = 5.0
_JITTER = 0.1
_LAST_LOOK_S = 5
_MAX_RETRY_AFTER_S = 86_400.0
_GONE = 410


class CallbackDeliverer:
    """Delivers callbacks at least once, each under one ``webhook-id``.

    A try is claimed under a lease that outlasts it, so no two processes send the same callback at
    once; who dies in mid-try leaves it to whoever comes after the lease. A receiver that is slow
    or fails holds up nobody else: it gets two connections, and its retries wait.

    Args:
        database: SAAF's store.
        egress: sends, and refuses what turned private since the registration.
        secret_for: the client's secret of the moment.
        settings: the delays before the tries, and the timeout of a try.
        notifier: shared with the engine of this process.
        clock: when tries are due.
        poll_s: seconds between two looks at the outbox.
    """

    def __init__(
        self,
        database: Database,
        egress: EgressClient,
        secret_for: SecretFor,
        settings: RunSettings,
        *,
        notifier: Notifier,
        clock: Clock | None = None,
        poll_s: float = 1.0,
    ) -> None:
        self._database = database
        self._egress = egress
        self._secret_for = secret_for
        self._settings = settings
        self._notifier = notifier
        self._clock = clock or SystemClock()
        self._poll_s = poll_s
        self._busy: Counter[str] = Counter()
        self._sending: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._closing = False

    async def launch(self) -> None:
        """Begin to deliver."""
        if self._loop is None:
            self._closing = False
            self._loop = asyncio.create_task(self._work())

    async def close(self, grace_s: float = 0) -> None:
        """Stop; tries in flight get ``grace_s`` seconds and are otherwise repeated later."""
        if self._loop is not None:
            self._closing = True
            self._notifier.notify(CALLBACKS)
            # What is being claimed is sent, rather than left to lie until its lease is over.
            await asyncio.wait({self._loop}, timeout=_LAST_LOOK_S)
            self._loop.cancel()
            await asyncio.wait({self._loop})
            self._loop = None
        if self._sending and grace_s > 0:
            await asyncio.wait(self._sending, timeout=grace_s)
        for task in tuple(self._sending):
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending)

    async def _work(self) -> None:
        with self._notifier.listen(CALLBACKS) as news:
            while not self._closing:
                news.clear()
                try:
                    await self._dispatch()
                # A boundary: deliveries outlive whatever the store does.
                except Exception as error:
                    _logger.warning("callbacks cannot be claimed: %s", type(error).__name__)
                await rung(news, self._poll_s)

    async def _dispatch(self) -> None:
        """Claim what is due and begin to send it."""
        room = _AT_ONCE - len(self._sending)
        if room <= 0:
            return
        now = self._clock.now()
        ids = await self._database.read(
            outbox.candidates, now, busy=dict(self._busy), per_host=_PER_HOST, limit=room
        )
        if not ids:
            return
        lease = self._settings.callback_timeout_s + _LEASE_MARGIN_S
        for callback in await self._database.run(outbox.claim, ids, now, lease):
            self._busy[callback.host] += 1
            task = asyncio.create_task(self._deliver(callback))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _deliver(self, callback: Callback) -> None:
        try:
            response, error = await self._try(callback)
            await self._settle(callback, response, error)
        # A boundary: this callback is tried again after its lease, and the others go on.
        except Exception as fault:
            _logger.error("callback %s: %s", callback.id, type(fault).__name__)
        finally:
            self._busy[callback.host] -= 1
            # There is room now for the next one of this host.
            self._notifier.notify(CALLBACKS)

    async def _try(self, callback: Callback) -> tuple[EgressResponse | None, str | None]:
        secret = await self._secret_for(callback.tenant, callback.client_id)
        if secret is None:
            return None, "no_secret"
        try:
            headers = _signed_headers(secret, callback, self._clock.now())
            response = await self._egress.request(
                "POST",
                callback.url,
                headers=headers,
                content=callback.payload.encode(),
                timeout_s=self._settings.callback_timeout_s,
            )
        except InvalidArguments:
            return None, "refused"
        except TimedOut:
            return None, "timed_out"
        except SaafError:
            return None, "unreachable"
        good = 200 <= response.status < 300
        return response, None if good else f"http_{response.status}"

    async def _settle(
        self, callback: Callback, response: EgressResponse | None, error: str | None
    ) -> None:
        now = self._clock.now()
        delays = self._settings.callback_delays_s
        gone = response is not None and response.status == _GONE
        state, next_at = "pending", None
        if error is None:
            state = "delivered"
        elif gone or callback.attempts >= len(delays):
            state = "dead"
        else:
            wait = delays[callback.attempts] * (1 + random.uniform(0, _JITTER))  # noqa: S311 - jitter
            wait = max(wait, _retry_after(response, now))
            next_at = now + timedelta(seconds=wait)
        if state == "dead":
            _logger.warning(
                "callback %s of run %s is dead after %d tries: %s",
                callback.id,
                callback.run_id,
                callback.attempts,
                error,
            )
        await self._database.run(
            outbox.settle,
            callback.id,
            now,
            state=state,
            status=response.status if response else None,
            error=error,
            next_at=next_at,
        )


def _signed_headers(secret: str, callback: Callback, now: datetime) -> dict[str, str]:
    """The headers of one try (Standard Webhooks 1.0): the id stays, the time is this try's."""
    from standardwebhooks import Webhook  # lazy: it brings in a client library

    return {
        "content-type": "application/json",
        "user-agent": "saaf-autogen",
        "webhook-id": callback.id,
        "webhook-timestamp": str(math.floor(now.timestamp())),
        # The library takes any time for UTC; the clock's is.
        "webhook-signature": Webhook(secret).sign(callback.id, now, callback.payload),
    }


def _retry_after(response: EgressResponse | None, now: datetime) -> float:
    """Seconds that the receiver asked for (RFC 9110, section 10.2.3), within a day."""
    text = (response.headers.get("retry-after", "") if response else "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            seconds = (parsedate_to_datetime(text) - now).total_seconds()
        except (TypeError, ValueError):
            return 0.0
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)
