"""What tokens would be for: resource indicators (RFC 8707) and authorization details (RFC 9396)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error

from saaf_autogen.auth.details import read_details
from saaf_autogen.auth.server.authorization.parameters import Parameters

__all__ = ["asked_details", "known_audience"]


def known_audience(asked: Parameters, resources: Sequence[str]) -> tuple[str, ...]:
    """The resources that are asked for; the first known one by default.

    Raises:
        OAuth2Error: ``invalid_target``; the issuer has no say over one of them.
    """
    known = {name.removesuffix("/"): name for name in resources}
    named = asked.all("resource")
    if any(item.removesuffix("/") not in known for item in named):
        raise OAuth2Error("The resource is not known here.", error="invalid_target")
    if not named:
        return (resources[0],)
    return tuple(dict.fromkeys(known[item.removesuffix("/")] for item in named))


def asked_details(asked: Parameters) -> tuple[dict[str, Any], ...] | None:
    """The narrower grants that the client asks for, or None.

    Raises:
        OAuth2Error: ``invalid_authorization_details``.
    """
    text = asked.get("authorization_details")
    if text is None:
        return None
    try:
        return read_details(text)
    except ValueError as error:
        raise OAuth2Error(
            f"{error}".replace('"', "'"), error="invalid_authorization_details"
        ) from error
