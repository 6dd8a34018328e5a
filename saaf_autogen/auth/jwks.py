"""The keys behind a ``jwks_uri``: kept in memory, fetched again when an unknown one is named."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from saaf_autogen.auth.jws import PublicKey, read_jwks
from saaf_autogen.clock import Clock
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import SaafError, Unavailable, Upstream

__all__ = ["RemoteKeys"]

_UNKNOWN_PAUSE_S = 10.0
_FAILED_PAUSE_S = 5.0
_TIMEOUT_S = 5.0


class RemoteKeys:
    """The public keys of a JWK Set (RFC 7517) that somebody else publishes.

    Also for a client's keys (``private_key_jwt``). Nothing is fetched before the first ``find``.

    Args:
        address: of the set, or what finds it.
        egress: sends the requests.
        clock: tells how old things are.
        fresh_s: seconds after which ``find`` has them fetched again, without waiting for that.
        stale_s: seconds for which the last known keys count while they cannot be fetched.
    """

    def __init__(
        self,
        address: str | Callable[[], Awaitable[str]],
        egress: EgressClient,
        clock: Clock,
        *,
        fresh_s: float = 600,
        stale_s: float = 3600,
    ) -> None:
        self._address = address
        self._egress = egress
        self._clock = clock
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._keys: tuple[PublicKey, ...] | None = None
        self._read_at = 0.0
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None
        self._callbacks: list[Callable[[], None]] = []

    def on_removal(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called whenever a key that was there is gone."""
        self._callbacks.append(callback)

    async def find(self, kid: str | None) -> tuple[PublicKey, ...]:
        """The keys of that id; without an id the only key, if there is only one.

        Raises:
            Unavailable: there are none yet, or the last known ones are too old to count.
        """
        found = self.known(kid)
        if not found:
            await self._fetch(_UNKNOWN_PAUSE_S if self._counts() else _FAILED_PAUSE_S)
            if not self._counts():
                raise Unavailable(
                    "The keys of the token's issuer cannot be had now.",
                    remedy="Try again shortly; if it lasts, an admin should see whether the "
                    "issuer is up and whether egress.allow names its host.",
                )
            found = self.known(kid)
        elif self._age() > self._fresh_s and self._later is None:
            self._later = asyncio.create_task(self._fetch(_FAILED_PAUSE_S))
            self._later.add_done_callback(self._forget_later)
        return found

    def known(self, kid: str | None) -> tuple[PublicKey, ...]:
        """What ``find`` would give if it fetched nothing; safe from any thread."""
        keys = (self._keys or ()) if self._counts() else ()
        if kid is None:
            return keys if len(keys) == 1 else ()
        return tuple(key for key in keys if key.kid == kid)

    async def refresh(self) -> None:
        """Fetch the keys now.

        Raises:
            Unavailable: they cannot be had, or are of no use. What was known still counts.
        """
        async with self._fetching:
            await self._read()

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    def _counts(self) -> bool:
        return self._keys is not None and self._age() <= self._stale_s

    def _forget_later(self, _task: asyncio.Task[None]) -> None:
        self._later = None

    async def _fetch(self, pause_s: float) -> None:
        """Fetch unless that was tried just now; a failure leaves what is known."""
        before = self._tried_at
        if before is not None and self._clock.monotonic() - before < pause_s:
            return
        async with self._fetching:
            if self._tried_at == before:  # Nobody else fetched while this one waited.
                with contextlib.suppress(Unavailable):
                    await self._read()

    async def _read(self) -> None:
        try:
            address = self._address if isinstance(self._address, str) else await self._address()
            response = await self._egress.request(
                "GET", address, headers={"accept": "application/json"}, timeout_s=_TIMEOUT_S
            )
            if response.status != 200 or response.cut:
                raise Upstream(f"{address} answered {response.status}.")
            keys = read_jwks(response.body)
        except SaafError as error:
            raise Unavailable(
                f"The keys of an issuer could not be read. {error.detail}", remedy=error.remedy
            ) from error
        finally:
            self._tried_at = self._clock.monotonic()
        gone = set(self._keys or ()) - set(keys)
        self._keys, self._read_at = keys, self._clock.monotonic()
        if gone:
            for callback in self._callbacks:
                callback()
