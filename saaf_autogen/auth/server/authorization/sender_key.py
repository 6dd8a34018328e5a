"""The key that the code is bound to (RFC 9449, section 10)."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import OAuth2Error

from saaf_autogen.auth.dpop import is_thumbprint
from saaf_autogen.auth.server.authorization.parameters import Parameters

__all__ = ["bound_key"]


def bound_key(asked: Parameters, *, proven: str | None = None) -> str | None:
    """The thumbprint of the key, or None if the code is bound to none.

    A client that ``requires_dpop`` need not name its key here: the token endpoint asks for it.

    Args:
        asked: may hold ``dpop_jkt``.
        proven: of the proof that came with a pushed request.

    Raises:
        OAuth2Error: ``invalid_request`` or ``invalid_dpop_proof``.
    """
    named = asked.get("dpop_jkt")
    if named is not None and not is_thumbprint(named):
        raise OAuth2Error("The dpop_jkt is no SHA-256 in base64url.", error="invalid_request")
    if proven is not None and named not in (None, proven):
        raise OAuth2Error("The dpop_jkt is not of the proof's key.", error="invalid_dpop_proof")
    return proven or named
