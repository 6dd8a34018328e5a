"""Clients that prove who they are by a JWT that they sign (RFC 7523, section 3)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.jws import UnverifiedToken, read_token, verified_by
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.server.client_keys import ClientKeys
from saaf_autogen.clock import Clock

__all__ = ["ASSERTION_ALGORITHMS", "ASSERTION_TYPE", "ClientAssertions"]

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
_TYPES = (None, "JWT", "client-authentication+jwt")
_MAX_AHEAD_S = 300
_SKEW_S = 30
_MAX_JTI = 255


class ClientAssertions:
    """Checks assertions.

    Args:
        audiences: what ``aud`` may name: our issuer, or the token endpoint.
        keys: finds the keys of clients.
        once: takes care that each assertion counts once.
        clock: tells the time.
    """

    def __init__(
        self, audiences: Collection[str], keys: ClientKeys, once: OneTimeStore, clock: Clock
    ) -> None:
        self._audiences = frozenset(audiences)
        self._keys = keys
        self._once = once
        self._clock = clock

    def client_of(self, assertion: str) -> str | None:
        """The id of the client that an assertion claims to be of; nothing is checked yet."""
        token = self._read(assertion)
        subject = token.claims.get("sub") if token else None
        return subject if isinstance(subject, str) else None

    def proves(self, assertion: str, client: ClientRecord) -> bool:
        """Whether the client made the assertion, for us, just now, and sends it the first time."""
        token = self._read(assertion)
        if token is None or token.header.get("typ") not in _TYPES:
            return False
        expires = self._expiry(token.claims, client.id)
        if expires is None:
            return False
        kid = token.header.get("kid")
        if not (kid is None or isinstance(kid, str)):
            return False
        if not verified_by(token, self._keys.find(client, kid), ASSERTION_ALGORITHMS):
            return False
        # Last: only a proven assertion uses its id up.
        return self._once.put(
            "assertion",
            f"{client.id}|{token.claims['jti']}",
            expires_at=datetime.fromtimestamp(expires + _SKEW_S + 1, UTC),
            tenant=client.tenant,
        )

    def _expiry(self, claims: Mapping[str, Any], client_id: str) -> float | None:
        """When it expires, in seconds since 1970; None if a claim is not as it must be."""
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            return None
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        # Who else is named could replay it here, or we there.
        if not named or any(name not in self._audiences for name in named):
            return None
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
            return None
        now = self._clock.now().timestamp()
        expires, issued = _time(claims, "exp"), _time(claims, "iat", default=now)
        starts = _time(claims, "nbf", default=now)
        if expires is None or issued is None or starts is None:
            return None
        if not now - _SKEW_S < expires <= now + _MAX_AHEAD_S + _SKEW_S:
            return None
        return expires if max(issued, starts) <= now + _SKEW_S else None

    def _read(self, assertion: str) -> UnverifiedToken | None:
        try:
            return read_token(assertion)
        except ValueError:
            return None


def _time(claims: Mapping[str, Any], name: str, default: float | None = None) -> float | None:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 and math.isfinite(value) else None
