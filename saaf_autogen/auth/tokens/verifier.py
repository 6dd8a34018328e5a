"""From an access token to a principal, without the store."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass

from saaf_autogen.auth.jws import read_token
from saaf_autogen.auth.keys import KeySource
from saaf_autogen.auth.tokens.claims import check_times, principal_of
from saaf_autogen.auth.tokens.revocation import revoked_name
from saaf_autogen.auth.tokens.signature import read_signed, refused
from saaf_autogen.auth.tokens.trusted import TrustedIssuers
from saaf_autogen.auth.tokens.verified import Verified, bound_key
from saaf_autogen.clock import Clock

__all__ = ["TokenVerifier"]

_MAX_SKEW_S = 60.0
_MAX_CACHE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Entry:
    verified: Verified
    stale_at: float


class TokenVerifier:
    """Verifies access tokens (RFC 9068) of the embedded issuer, and those of trusted ones.

    A token's ``iss`` chooses the one issuer whose keys are tried. Verified tokens are remembered
    by their SHA-256, so that most calls cost microseconds: at most ``cache_size`` of them, for at
    most ``cache_s`` seconds and never past their ``exp``.

    Args:
        issuer: the embedded issuer.
        audience: what ``aud`` of its tokens must name.
        keys: its public keys.
        revoked: ids of revoked tokens and of revoked families.
        clock: tells the time.
        trusted: the other issuers.
        embedded: whether tokens of the embedded issuer are taken at all.
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
        revoked: Container[str | None],
        clock: Clock,
        trusted: TrustedIssuers | None = None,
        embedded: bool = True,
        skew_s: float = 30,
        cache_size: int = 10_000,
        cache_s: float = 60,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._revoked = revoked
        self._clock = clock
        self._trusted = trusted
        self._embedded = embedded
        self._skew_s = min(skew_s, _MAX_SKEW_S)
        self._cache_size = cache_size
        self._cache_s = min(cache_s, _MAX_CACHE_S)
        self._cache: OrderedDict[bytes, _Entry] = OrderedDict()
        if trusted is not None:
            trusted.on_removal(self.flush)

    async def verify(self, token: str) -> Verified:
        """The principal that the token speaks for, and the key that its sender must prove to hold.

        Raises:
            Unauthenticated: the token is not valid here and now. ``extra["error"]`` is the code
                of RFC 6750.
            Forbidden: it is valid, and what it says cannot be honoured here.
            Unavailable: its issuer, which is not the embedded one, cannot be asked now.
        """
        name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        cache = self._cache
        entry = cache.get(name)
        if entry is not None and not self._is_fresh(entry):
            cache.pop(name, None)
            entry = None
        if entry is None:
            entry = await self._verify(token)
            self._remember(cache, name, entry)
        else:
            cache.move_to_end(name)
        principal = entry.verified.principal
        if (
            principal.token_id in self._revoked
            or principal.family in self._revoked
            or revoked_name(principal.tenant, principal.token_id) in self._revoked
        ):
            cache.pop(name, None)
            raise refused("The access token was revoked.")
        return entry.verified

    def flush(self) -> None:
        """Forget all verified tokens; safe from any thread."""
        self._cache = OrderedDict()

    async def _verify(self, token: str) -> _Entry:
        now = self._clock.monotonic()
        verified, kept_s = await self._read(token)
        return _Entry(verified, now + min(kept_s, self._cache_s))

    async def _read(self, token: str) -> tuple[Verified, float]:
        try:
            read = read_token(token)
        except ValueError as error:
            raise refused(f"The access token is malformed: {error}.") from error
        if read is None:
            if self._trusted is None:
                raise refused("The access token is malformed: it is no JWT.")
            return await self._trusted.introspect(token)
        if self._embedded and (read.issuer == self._issuer or self._trusted is None):
            return self._own(token), self._cache_s
        if self._trusted is None:
            raise refused("The access token is from an issuer that is not trusted here.")
        return await self._trusted.verify(read), self._cache_s

    def _own(self, token: str) -> Verified:
        claims = read_signed(token, self._keys)
        now = self._clock.now().timestamp()
        expires = check_times(claims, now=now, skew_s=self._skew_s)
        principal = principal_of(claims, issuer=self._issuer, audience=self._audience)
        return Verified(principal, bound_key(claims), expires)

    def _is_fresh(self, entry: _Entry) -> bool:
        return (
            self._clock.monotonic() < entry.stale_at
            and self._clock.now().timestamp() < entry.verified.expires
        )

    def _remember(self, cache: OrderedDict[bytes, _Entry], name: bytes, entry: _Entry) -> None:
        if not self._cache_size or self._clock.now().timestamp() >= entry.verified.expires:
            return
        while len(cache) >= self._cache_size:
            cache.popitem(last=False)
        cache[name] = entry
