"""Access tokens: JWTs by the profile of RFC 9068, signed by the current key, not stored."""

from __future__ import annotations

import secrets
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from joserfc import jwt

from saaf_autogen.auth.jws import MAX_TOKEN_BYTES
from saaf_autogen.auth.keys import ALGORITHM, SigningKeys
from saaf_autogen.auth.server.order import TokenOrder
from saaf_autogen.auth.tokens.signature import TOKEN_TYPE
from saaf_autogen.clock import Clock

__all__ = ["AccessTokens"]


class AccessTokens:
    """Signs access tokens.

    Args:
        issuer: their ``iss``.
        keys: signs with the current one.
        clock: tells ``iat``.
        lifetime_s: seconds from ``iat`` to ``exp``.
    """

    def __init__(self, issuer: str, keys: SigningKeys, clock: Clock, *, lifetime_s: int) -> None:
        self._issuer = issuer
        self._keys = keys
        self._clock = clock
        self._lifetime_s = lifetime_s

    def issue(self, order: TokenOrder) -> dict[str, Any]:
        """The token response (RFC 6749, section 5.1; RFC 9396, section 7; RFC 9449, section 5).

        Raises:
            OAuth2Error: the token would be larger than resource servers take.
        """
        scope = " ".join(order.scopes)
        claims = self._claims(order, scope)
        token = self._sign(claims)
        if len(token) > MAX_TOKEN_BYTES:
            raise OAuth2Error(
                "The token would be too large: ask for less, or give its subject fewer groups and "
                "attributes.",
                error="invalid_request",
            )
        response: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer" if order.jkt is None else "DPoP",
            "expires_in": claims["exp"] - claims["iat"],
            "scope": scope,
        }
        if order.details is not None:
            response["authorization_details"] = list(order.details)
        return response

    def _claims(self, order: TokenOrder, scope: str) -> dict[str, Any]:
        now = int(self._clock.now().timestamp())
        ends = now + self._lifetime_s
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": order.audience[0] if len(order.audience) == 1 else list(order.audience),
            "sub": order.subject,
            "client_id": order.client.id,
            "iat": now,
            "exp": ends if order.expires_by is None else min(ends, order.expires_by),
            "jti": secrets.token_urlsafe(16),
            "scope": scope,
            "tenant": order.client.tenant,
            "groups": list(order.groups),
            "attributes": dict(order.attributes),
        }
        optional = {
            "authorization_details": None if order.details is None else list(order.details),
            "fam": order.family,
            "act": order.actor,
            "auth_time": order.auth_time,
            "amr": list(order.amr) or None,
            "cnf": None if order.jkt is None else {"jkt": order.jkt},
        }
        claims.update((name, value) for name, value in optional.items() if value is not None)
        return claims

    def _sign(self, claims: dict[str, Any]) -> str:
        key = self._keys.signing_key()
        header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])
