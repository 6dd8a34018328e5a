"""Sign-ins that are under way at another provider."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import timedelta

from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import Sealer, digest, new_secret

__all__ = ["Attempt", "Attempts"]

_PURPOSE = "federation"
_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was begun and is now taken up again; it counts once.

    Attributes:
        nonce_digest: SHA-256 of the nonce, in hex.
        verifier: of PKCE.
        return_to: where the browser wanted to go.
    """

    provider: str
    nonce_digest: str
    verifier: str
    return_to: str


class Attempts:
    """Keeps attempts by their ``state``, for ten minutes. Synchronous: call it in a thread."""

    def __init__(self, once: OneTimeStore, sealer: Sealer, clock: Clock) -> None:
        self._once = once
        self._sealer = sealer
        self._clock = clock

    def begin(self, provider: str, *, browser: str, return_to: str) -> tuple[str, str, str]:
        """Begin one for a browser; its state, nonce and PKCE verifier."""
        state, nonce, verifier = new_secret(), new_secret(), new_secret()
        sealed = self._sealer.seal(verifier.encode(), context=_context(state))
        self._once.put(
            _PURPOSE,
            state,
            expires_at=self._clock.now() + _LIFETIME,
            data={
                "provider": provider,
                "browser": digest(browser),
                "nonce": digest(nonce),
                "verifier": base64.b64encode(sealed).decode(),
                "return_to": return_to,
            },
        )
        return state, nonce, verifier

    def take(self, provider: str, state: str, *, browser: str) -> Attempt | None:
        """The attempt, which then is gone; None if this browser began none at that provider."""
        found = self._once.take(_PURPOSE, state)
        if (
            found is None
            or found["provider"] != provider
            or not hmac.compare_digest(found["browser"], digest(browser))
        ):
            return None
        sealed = base64.b64decode(found["verifier"])
        verifier = self._sealer.open(sealed, context=_context(state)).decode()
        return Attempt(provider, found["nonce"], verifier, found["return_to"])


def _context(state: str) -> str:
    return f"{_PURPOSE}|{digest(state)}"
