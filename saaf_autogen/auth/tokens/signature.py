"""The signature of an access token of our own, and nothing of its claims."""

from __future__ import annotations

import json
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from saaf_autogen.auth.jws import MAX_TOKEN_BYTES
from saaf_autogen.auth.keys import ALGORITHM, KeySource
from saaf_autogen.errors import Unauthenticated

__all__ = ["TOKEN_TYPE", "read_signed", "refused"]

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
_HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})


def refused(detail: str) -> Unauthenticated:
    """The error for a token that came and is not taken (RFC 6750, section 3.1)."""
    return Unauthenticated(
        detail,
        remedy="Get a new access token from the token endpoint and send it as a Bearer token.",
        extra={"error": "invalid_token"},
    )


def read_signed(token: str, keys: KeySource) -> dict[str, Any]:
    """The claims of a token that one of our keys signed as an access token.

    The header may hold ``alg``, ``kid`` and ``typ`` only: a key that travels with the token
    (``jwk``, ``jku``, ``x5c``) or an extension (``crit``, ``b64``) is refused unread.

    Raises:
        Unauthenticated: it is too large, malformed, of another type or algorithm, signed by an
            unknown key, or altered.
    """
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        raise refused("The access token is too large or holds characters that no token has.")
    registry = JWSRegistry(algorithms=[ALGORITHM])
    try:
        signed = jws.extract_compact(token.encode("ascii"), registry=registry)
        header = signed.headers()
        if not isinstance(header, dict) or not header.keys() <= _HEADER_MEMBERS:
            raise refused("The access token's header holds members that are not taken.")
        if header.get("alg") != ALGORITHM or not _is_type(header.get("typ")):
            raise refused(f"The token is no access token: {TOKEN_TYPE}, signed by {ALGORITHM}.")
        kid = header.get("kid")
        key = keys.verification_key(kid) if isinstance(kid, str) else None
        if key is None:
            raise refused("The access token is signed by a key that is not known here.")
        if not jws.validate_compact(signed, key, registry=registry):
            raise refused("The access token's signature is not valid.")
        claims = json.loads(signed.payload or b"")
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise refused("The access token is malformed.") from error
    if not isinstance(claims, dict):
        raise refused("The access token's claims are not an object.")
    return claims


def _is_type(value: object) -> bool:
    # RFC 9068, section 4: the media type may be written out in full.
    return isinstance(value, str) and value.lower() in (TOKEN_TYPE, f"application/{TOKEN_TYPE}")
