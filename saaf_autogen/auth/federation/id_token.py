"""ID tokens of other providers (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections.abc import Collection, Mapping
from typing import Any

from saaf_autogen.auth.discovery import Provider
from saaf_autogen.auth.jws import read_token, verified_by
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import digest
from saaf_autogen.errors import Unauthenticated

__all__ = ["IdTokenRules", "mistrusted", "verify_id_token"]

_SKEW_S = 30.0
_MAX_AGE_S = 600.0
_MAX_SUBJECT = 255
_TYPES = frozenset({"", "jwt"})
_HASHES = {"ES384": hashlib.sha384, "Ed25519": hashlib.sha512}


class IdTokenRules:
    """What an ID token must be to be taken from one provider by one client."""

    def __init__(
        self, provider: Provider, client_id: str, algorithms: Collection[str], clock: Clock
    ) -> None:
        self.provider = provider
        self.client_id = client_id
        self.algorithms = frozenset(algorithms)
        self.clock = clock


async def verify_id_token(
    text: object, rules: IdTokenRules, *, nonce_digest: str, access_token: object
) -> Mapping[str, Any]:
    """The claims of an ID token that came from the token endpoint.

    Args:
        text: the token as it came.
        rules: of the provider.
        nonce_digest: SHA-256 of the nonce that was sent, in hex.
        access_token: what came with it, for ``at_hash``.

    Raises:
        Unauthenticated: it is not what this host asked the provider for.
        Unavailable: the provider's keys cannot be had now.
    """
    try:
        token = read_token(text) if isinstance(text, str) else None
    except ValueError as error:
        raise mistrusted(f"its ID token is malformed: {error}") from error
    if token is None:
        raise mistrusted("it gave no ID token")
    kind = token.header.get("typ", "")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise mistrusted("its ID token has the type of another token")
    kid = token.header.get("kid")
    if token.header.get("alg") not in rules.algorithms or not (kid is None or isinstance(kid, str)):
        raise mistrusted("its ID token is signed by an algorithm that is not taken")
    keys = await rules.provider.keys(kid)
    if not verified_by(token, keys, rules.algorithms):
        raise mistrusted("the signature of its ID token is not valid")
    claims = token.claims
    _check_parties(claims, rules)
    _check_times(claims, rules.clock.now().timestamp())
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(digest(nonce), nonce_digest):
        raise mistrusted("its ID token answers another question")
    _check_access_token(claims, str(token.header["alg"]), access_token)
    return claims


def mistrusted(because: str) -> Unauthenticated:
    """The error for an answer of a provider that cannot be taken."""
    return Unauthenticated(
        f"The provider's answer cannot be trusted: {because}.", remedy="Sign in again."
    )


def _check_parties(claims: Mapping[str, Any], rules: IdTokenRules) -> None:
    if claims.get("iss") != rules.provider.issuer:
        raise mistrusted("its ID token is from another issuer")
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    party = claims.get("azp")
    if rules.client_id not in audiences or (party is not None and party != rules.client_id):
        raise mistrusted("its ID token is for another client")
    if len(audiences) > 1 and party is None:
        raise mistrusted("its ID token is for several clients and does not say for which")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
        raise mistrusted("its ID token names no usable subject")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, issued = _number(claims.get("exp")), _number(claims.get("iat"))
    starts = _number(claims.get("nbf")) if "nbf" in claims else issued
    if now >= expires + _SKEW_S or now > issued + _MAX_AGE_S:
        raise mistrusted("its ID token has expired")
    if max(issued, starts) > now + _SKEW_S:
        raise mistrusted("its ID token is not valid yet")


def _check_access_token(claims: Mapping[str, Any], algorithm: str, access_token: object) -> None:
    stated = claims.get("at_hash")
    if stated is None:
        return
    made = _HASHES.get(algorithm, hashlib.sha256)(str(access_token).encode()).digest()
    wanted = base64.urlsafe_b64encode(made[: len(made) // 2]).rstrip(b"=").decode()
    if not isinstance(stated, str) or not hmac.compare_digest(
        stated.encode("utf-8", "surrogatepass"), wanted.encode()
    ):
        raise mistrusted("its ID token belongs to another access token")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mistrusted("its ID token has no times")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise mistrusted("its ID token has no times")
    return number
