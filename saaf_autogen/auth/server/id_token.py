"""ID tokens (OpenID Connect Core 1.0, section 2): who signed in, when and how, and no more."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, cast

from joserfc import jws, jwt
from joserfc.errors import JoseError

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.jws import read_token
from saaf_autogen.auth.keys import Algorithm, SigningKeys
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.clock import Clock

__all__ = ["ID_ALGORITHMS", "IdTokens"]

ID_ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "ES256")


class IdTokens:
    """Signs ID tokens. Name and e-mail address are not in them: they are at userinfo.

    Args:
        issuer: their ``iss``.
        keys: signs with the current key of the client's algorithm.
        clock: tells ``iat``.
        lifetime_s: seconds from ``iat`` to ``exp``.
    """

    def __init__(self, issuer: str, keys: SigningKeys, clock: Clock, *, lifetime_s: int) -> None:
        self._issuer = issuer
        self._keys = keys
        self._clock = clock
        self._lifetime_s = lifetime_s

    def issue(
        self,
        *,
        client: ClientRecord,
        user_id: str,
        order: ApprovedOrder,
        access_token: str,
        first: bool,
    ) -> str:
        """The ID token that goes with an access token; the ``nonce`` in the first one alone."""
        now = int(self._clock.now().timestamp())
        optional = {
            "auth_time": order.auth_time,
            "amr": list(order.amr) or None,
            "sid": order.session_id,
            "nonce": order.nonce if first else None,
        }
        claims = {
            "iss": self._issuer,
            "sub": user_id,
            "aud": client.id,
            "iat": now,
            "exp": now + self._lifetime_s,
            "at_hash": _half_hash(access_token),
            **{name: value for name, value in optional.items() if value is not None},
        }
        algorithm = cast(Algorithm, client.id_algorithm)
        key = self._keys.signing_key(algorithm)
        header = {"alg": algorithm, "typ": "JWT", "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[algorithm])

    def read(self, hint: str) -> dict[str, Any] | None:
        """The claims of an ID token of ours (``id_token_hint``), expired or not; else None.

        Whose ``aud`` it is, is for the caller to compare.
        """
        try:
            token = read_token(hint)
        except ValueError:
            return None
        header = token.header if token else {}
        key = self._keys.public_key(str(header.get("kid")))
        algorithm = header.get("alg")
        fits = algorithm in ID_ALGORITHMS and header.get("typ", "JWT") == "JWT"
        if token is None or key is None or not fits:
            return None
        try:
            jws.deserialize_compact(hint, key, algorithms=[str(algorithm)])
        except (JoseError, ValueError, TypeError):
            return None
        claims = dict(token.claims)
        return claims if claims.get("iss") == self._issuer and "at_hash" in claims else None


def _half_hash(access_token: str) -> str:
    """Section 3.1.3.6; both algorithms have SHA-256 in them."""
    half = hashlib.sha256(access_token.encode("ascii")).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()
