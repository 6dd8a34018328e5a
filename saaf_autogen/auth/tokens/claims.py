"""The claims of an access token (RFC 9068) as a principal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.auth.tokens.signature import refused

__all__ = ["check_times", "principal_of"]

_MAX_ACTORS = 8


def check_times(claims: Mapping[str, Any], *, now: float, skew_s: float) -> float:
    """Check ``exp``, ``iat`` and ``nbf`` against ``now`` (seconds since 1970); return ``exp``.

    Raises:
        Unauthenticated: one is missing or no number, or the token is not valid now.
    """
    expires, issued = _number(claims, "exp"), _number(claims, "iat")
    starts = _number(claims, "nbf") if "nbf" in claims else issued
    if now >= expires + skew_s:
        raise refused("The access token has expired.")
    if max(issued, starts) > now + skew_s:
        raise refused("The access token is not valid yet.")
    return expires


def principal_of(claims: Mapping[str, Any], *, issuer: str, audience: str) -> Principal:
    """Who a token with these claims speaks for.

    A subject that looks like a client's must be the very client that got the token, so that no
    user can be taken for a client.

    Raises:
        Unauthenticated: the claims are not those of an access token for us.
    """
    if claims.get("iss") != issuer:
        raise refused("The access token is from another issuer.")
    if audience not in _listed(claims.get("aud")):
        raise refused("The access token is for another audience.")
    subject, client = _text(claims, "sub"), _text(claims, "client_id")
    is_client = subject == f"client:{client}"
    if subject.startswith("client:") and not is_client:
        raise refused("The access token's subject is not the client that it was issued to.")
    details = claims.get("authorization_details")
    if details is not None and not isinstance(details, list):
        raise refused("The access token's authorization_details are not an array.")
    try:
        return Principal(
            issuer=issuer,
            tenant=_text(claims, "tenant"),
            subject=subject,
            kind="client" if is_client else "user",
            client_id=client,
            groups=frozenset(claims.get("groups", ())),
            attributes=claims.get("attributes", {}),
            scopes=frozenset(_scope(claims).split(" ")) - {""},
            token_grants=None if details is None else tuple(details),
            actors=_actors(claims.get("act")),
        )
    except (ValidationError, TypeError) as error:
        raise refused("The access token's claims are not those of a principal.") from error


def _actors(act: object) -> tuple[Actor, ...]:
    actors: list[Actor] = []
    while act is not None:
        subject = act.get("sub") if isinstance(act, dict) else None
        if not isinstance(subject, str) or not subject or len(actors) == _MAX_ACTORS:
            raise refused("The access token's chain of actors cannot be read.")
        actors.append(Actor(subject=subject))
        act = act.get("act") if isinstance(act, dict) else None
    return tuple(actors)


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"The access token has no {name}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refused(f"The access token has no {name}.")
    return number


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise refused(f"The access token has no {name}.")
    return value


def _scope(claims: Mapping[str, Any]) -> str:
    value = claims.get("scope", "")
    if not isinstance(value, str):
        raise refused("The access token's scope is not text.")
    return value


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
