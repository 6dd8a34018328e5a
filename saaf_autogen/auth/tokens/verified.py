"""What is known of an access token once it is verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.tokens.signature import refused

__all__ = ["Verified", "bound_key"]

_THUMBPRINT_LENGTH = 43


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that is valid, if its sender proves to hold the key that it is bound to.

    Attributes:
        principal: whom it speaks for.
        jkt: thumbprint of the key by which a DPoP proof must come with it (RFC 9449, section 6);
            None: it is a Bearer token.
        expires: seconds since 1970.
    """

    principal: Principal
    jkt: str | None
    expires: float


def bound_key(claims: Mapping[str, Any]) -> str | None:
    """The ``cnf.jkt`` of claims.

    Raises:
        Unauthenticated: the token is bound to something else, which cannot be checked here.
    """
    bound = claims.get("cnf")
    if bound is None:
        return None
    jkt = bound.get("jkt") if isinstance(bound, dict) and len(bound) == 1 else None
    if not isinstance(jkt, str) or len(jkt) != _THUMBPRINT_LENGTH:
        raise refused("The access token is bound to a kind of key that cannot be checked here.")
    return jkt
