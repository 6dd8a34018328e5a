"""The tokens of an exchange (RFC 8693), and what a new one may be that grows from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.scopes import ScopeRegistry, expand
from saaf_autogen.auth.server.live_tokens import LiveToken, LiveTokens
from saaf_autogen.auth.server.messages import OAuthForm
from saaf_autogen.auth.server.order import (
    IDENTITY_NAMES,
    TokenOrder,
    audience_within,
    details_within,
    scopes_within,
)

__all__ = ["ACCESS_TOKEN_TYPE", "actors_of", "exchange_order", "given_token"]

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
_MAX_ACTORS = 8
Details = tuple[dict[str, Any], ...]


def given_token(
    request: OAuthForm, name: str, tokens: LiveTokens, client: ClientRecord
) -> LiveToken:
    """The ``subject_token`` or ``actor_token`` of a request.

    ID tokens and refresh tokens are none: they were never meant to be shown to anybody else.

    Raises:
        InvalidRequestError: it is missing, or no access token of ours, good now, for a subject
            of the client's tenant.
    """
    text = request.form.get(name)
    if text is None:
        raise InvalidRequestError(f"{name} is missing.")
    if request.form.get(f"{name}_type") != ACCESS_TOKEN_TYPE:
        raise InvalidRequestError(f"{name}_type is not {ACCESS_TOKEN_TYPE}.")
    token = tokens.read(text)
    if token is None or token.claims["tenant"] != client.tenant:
        raise InvalidRequestError(f"The {name} is not good here, or no longer.")
    return token


def exchange_order(
    request: OAuthForm,
    *,
    client: ClientRecord,
    subject: LiveToken,
    actor: LiveToken | None,
    registry: ScopeRegistry,
    jkt: str | None,
) -> TokenOrder:
    """The narrowest of what the tokens, the client, the subject's rights now and the request say.

    Raises:
        InvalidRequestError: the actor is no client that speaks for itself, or too many act.
        OAuth2Error: ``invalid_scope``, ``invalid_target`` or ``invalid_authorization_details``,
            if the request widens.
    """
    if actor is not None and (not actor.of_client or actor.actor is not None):
        raise InvalidRequestError("The actor_token is no client's own.")
    given = [subject] if actor is None else [subject, actor]
    chain = {
        "sub": actor.subject if actor else f"client:{client.id}",
        **({"act": subject.actor} if subject.actor else {}),
    }
    if len(list(actors_of(chain))) > _MAX_ACTORS:
        raise InvalidRequestError("Too many parties act in this token already.")
    audience = [name for name in subject.audience if all(name in each.audience for each in given)]
    if not audience:
        raise OAuth2Error("The tokens are for different resources.", error="invalid_target")
    return TokenOrder(
        subject=subject.subject,
        client=client,
        scopes=scopes_within(request, _scopes(client, given, subject, registry)),
        audience=audience_within(request, audience),
        details=details_within(request, _details(given)),
        groups=subject.holder.groups,
        attributes=subject.holder.attributes,
        family=subject.claims.get("fam"),
        actor=chain,
        auth_time=subject.claims.get("auth_time"),
        amr=tuple(subject.claims.get("amr", ())),
        jkt=jkt,
        expires_by=min(each.claims["exp"] for each in given),
    )


def actors_of(act: Mapping[str, Any] | None) -> Iterator[str]:
    """The subjects of an ``act`` claim, outermost first."""
    while act is not None:
        yield str(act["sub"])
        act = act.get("act")


def _scopes(
    client: ClientRecord, given: Sequence[LiveToken], subject: LiveToken, registry: ScopeRegistry
) -> list[str]:
    allowed = expand(client.scopes) & expand(subject.holder.scopes)
    for token in given:
        allowed &= expand(token.scopes)
    # Who the person is was told to the first client, not to this one.
    return sorted(name for name in allowed - IDENTITY_NAMES if name in registry)


def _details(given: Sequence[LiveToken]) -> Details | None:
    narrowed = [token.details for token in given if token.details is not None]
    if len({json.dumps(each, sort_keys=True) for each in narrowed}) > 1:
        raise InvalidRequestError("Both tokens carry authorization_details, and they differ.")
    return narrowed[0] if narrowed else None
