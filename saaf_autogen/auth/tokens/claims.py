"""The claims of an access token (RFC 9068) as a principal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.auth.tokens.signature import refused

__all__ = ["check_times", "principal_of", "read_actors", "read_details"]

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

    A subject that looks like a client's must be the very client that got the token, unless that
    one acts for it, so that no user can be taken for a client.

    Raises:
        Unauthenticated: the claims are not those of an access token for us.
    """
    if claims.get("iss") != issuer:
        raise refused("The access token is from another issuer.")
    if audience not in _listed(claims.get("aud")):
        raise refused("The access token is for another audience.")
    subject, client = _text(claims, "sub"), _text(claims, "client_id")
    is_client = subject.startswith("client:")
    # In an exchanged token (RFC 8693), another client acts for the one that is the subject.
    if is_client and subject != f"client:{client}" and "act" not in claims:
        raise refused("The access token's subject is not the client that it was issued to.")
    details = read_details(claims)
    family = claims.get("fam")
    if family is not None and not isinstance(family, str):
        raise refused("The access token's fam is not text.")
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
            token_grants=details,
            actors=read_actors(claims.get("act")),
            token_id=_text(claims, "jti"),
            family=family,
        )
    except (ValidationError, TypeError) as error:
        raise refused("The access token's claims are not those of a principal.") from error


def read_details(claims: Mapping[str, Any]) -> tuple[dict[str, Any], ...] | None:
    """The ``authorization_details`` of a token (RFC 9396, section 9.1); None if it has none.

    Raises:
        Unauthenticated: they are not an array.
    """
    details = claims.get("authorization_details")
    if details is not None and not isinstance(details, list):
        raise refused("The access token's authorization_details are not an array.")
    return None if details is None else tuple(details)


def read_actors(act: object) -> tuple[Actor, ...]:
    """The chain of ``act`` (RFC 8693, section 4.1), outermost first.

    Raises:
        Unauthenticated: it cannot be read, or has no end.
    """
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
