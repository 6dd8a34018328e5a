"""From an access token to a principal, without the store."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass

from saaf_autogen.auth.keys import KeySource
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.tokens.claims import check_times, principal_of
from saaf_autogen.auth.tokens.signature import read_signed, refused
from saaf_autogen.clock import Clock

__all__ = ["TokenVerifier"]

_MAX_SKEW_S = 60.0


@dataclass(frozen=True, slots=True)
class _Entry:
    principal: Principal
    jti: str
    expires: float
    stale_at: float


class TokenVerifier:
    """Verifies access tokens (RFC 9068) of one issuer for one audience.

    Verified tokens are remembered by their SHA-256, so that most calls cost microseconds: at most
    ``cache_size`` of them, for at most ``cache_s`` seconds and never past their ``exp``.

    Args:
        issuer: the only ``iss`` that is taken.
        audience: what ``aud`` must name.
        keys: the issuer's public keys.
        revoked: ids of revoked tokens.
        clock: tells the time.
        skew_s: how far the issuer's clock may be off, in seconds; at most 60.
        cache_size: tokens to remember; 0 remembers none.
        cache_s: for how many seconds; at most 60.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        keys: KeySource,
        revoked: Container[str],
        clock: Clock,
        skew_s: float = 30,
        cache_size: int = 10_000,
        cache_s: float = 60,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._revoked = revoked
        self._clock = clock
        self._skew_s = min(skew_s, _MAX_SKEW_S)
        self._cache_size = cache_size
        self._cache_s = min(cache_s, 60)
        self._cache: OrderedDict[bytes, _Entry] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """The principal that the token speaks for.

        Raises:
            Unauthenticated: the token is not valid here and now. ``extra["error"]`` is the code
                of RFC 6750.
        """
        name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        cache = self._cache
        entry = cache.get(name)
        if entry is not None and not self._is_fresh(entry):
            cache.pop(name, None)
            entry = None
        if entry is None:
            entry = self._verify(token)
            self._remember(cache, name, entry)
        else:
            cache.move_to_end(name)
        if entry.jti in self._revoked:
            cache.pop(name, None)
            raise refused("The access token was revoked.")
        return entry.principal

    def flush(self) -> None:
        """Forget all verified tokens; safe from any thread."""
        self._cache = OrderedDict()

    def _verify(self, token: str) -> _Entry:
        claims = read_signed(token, self._keys)
        now = self._clock.now().timestamp()
        expires = check_times(claims, now=now, skew_s=self._skew_s)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise refused("The access token has no jti.")
        principal = principal_of(claims, issuer=self._issuer, audience=self._audience)
        return _Entry(principal, jti, expires, self._clock.monotonic() + self._cache_s)

    def _is_fresh(self, entry: _Entry) -> bool:
        return (
            self._clock.monotonic() < entry.stale_at
            and self._clock.now().timestamp() < entry.expires
        )

    def _remember(self, cache: OrderedDict[bytes, _Entry], name: bytes, entry: _Entry) -> None:
        if not self._cache_size or self._clock.now().timestamp() >= entry.expires:
            return
        while len(cache) >= self._cache_size:
            cache.popitem(last=False)
        cache[name] = entry
