"""What a token request asks for, checked: scopes, audience, details. Every grant uses it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidScopeError, OAuth2Error

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.details import read_details
from saaf_autogen.auth.scopes import IDENTITY_SCOPES, ScopeRegistry, expand, is_scope
from saaf_autogen.auth.server.messages import OAuthForm

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.users import UserRecord

__all__ = [
    "IDENTITY_NAMES",
    "TokenOrder",
    "asked_scopes",
    "audience_for",
    "audience_within",
    "details_for",
    "details_within",
    "scopes_for",
    "scopes_now",
    "scopes_within",
]

IDENTITY_NAMES = frozenset(scope.name for scope in IDENTITY_SCOPES)
"""``openid`` and its like: they tell of the person and gate no action."""

Details = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class TokenOrder:
    """An access token to be issued.

    Attributes:
        subject: its ``sub``; ``client:ID`` where the client acts for itself.
        client: to whom it is issued; of the subject's tenant.
        audience: the resources that it is for.
        details: RFC 9396 details, or None.
        groups, attributes: of the subject.
        family: of the approval that it descends from.
        actor: the ``act`` claim (RFC 8693), the party that acts now outermost.
        auth_time, amr: when and how the user signed in, in seconds since 1970 and by RFC 8176.
        jkt: thumbprint of the key that it is bound to (RFC 9449).
        expires_by: in seconds since 1970; it ends then at the latest.
    """

    subject: str
    client: ClientRecord
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    details: Details | None
    groups: Collection[str] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    family: str | None = None
    actor: Mapping[str, Any] | None = None
    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    jkt: str | None = None
    expires_by: int | None = None


def asked_scopes(request: OAuthForm) -> tuple[str, ...]:
    """The scopes that the request names, each once."""
    return tuple(dict.fromkeys((request.form.get("scope") or "").split()))


def scopes_for(
    request: OAuthForm, client: ClientRecord, registry: ScopeRegistry
) -> tuple[str, ...]:
    """The scopes of the request, or all of the client's when it names none.

    Raises:
        InvalidScopeError: one is unknown, or is not the client's. The client gets all that it
            asked for or nothing.
    """
    known = tuple(scope for scope in client.scopes if scope in registry)
    return scopes_within(request, known)


def scopes_within(request: OAuthForm, bound: Sequence[str]) -> tuple[str, ...]:
    """The scopes of the request, or all of ``bound`` when it names none.

    Raises:
        InvalidScopeError: one is not in ``bound``.
    """
    asked = asked_scopes(request)
    refused = [name for name in asked if name not in bound]
    if refused:
        named = " ".join(n for n in refused if is_scope(n) or n in IDENTITY_NAMES)
        raise InvalidScopeError(
            f"This client cannot have: {named}" if named else "A scope is malformed."
        )
    return asked or tuple(bound)


def scopes_now(
    approved: Iterable[str], client: ClientRecord, user: UserRecord, registry: ScopeRegistry
) -> tuple[str, ...]:
    """What is left of approved scopes: those that client and user both may have at this moment."""
    allowed = expand(client.scopes) & expand(user.scopes)
    return tuple(
        name
        for name in approved
        if name in IDENTITY_NAMES or (name in registry and name in allowed)
    )


def audience_for(request: OAuthForm, resources: Collection[str]) -> tuple[str, ...]:
    """The audience by the request's resource indicators (RFC 8707); the first known by default.

    Raises:
        OAuth2Error: ``invalid_target``, for a resource that this issuer has no say over.
    """
    return _audience(request, resources) or (next(iter(resources)),)


def audience_within(request: OAuthForm, bound: Collection[str]) -> tuple[str, ...]:
    """The audience by the request's resource indicators; all of ``bound`` by default.

    Raises:
        OAuth2Error: ``invalid_target``, for a resource that was not approved.
    """
    return _audience(request, bound) or tuple(bound)


def details_for(request: OAuthForm) -> Details | None:
    """The request's ``authorization_details`` (RFC 9396), or None.

    Raises:
        OAuth2Error: ``invalid_authorization_details``.
    """
    text = request.form.get("authorization_details")
    if text is None:
        return None
    try:
        return read_details(text)
    except ValueError as error:
        raise _details_error(f"{error}".replace('"', "'")) from error


def details_within(request: OAuthForm, bound: Details | None) -> Details | None:
    """The request's details if they narrow ``bound``: any where it is None, else some of them.

    Raises:
        OAuth2Error: ``invalid_authorization_details``, for one that was not approved.
    """
    asked = details_for(request)
    if asked is None or bound is None:
        return bound if asked is None else asked
    approved = {json.dumps(item, sort_keys=True) for item in bound}
    if any(json.dumps(item, sort_keys=True) not in approved for item in asked):
        raise _details_error("authorization_details go beyond those that were approved.")
    return asked


def _audience(request: OAuthForm, resources: Collection[str]) -> tuple[str, ...]:
    known = {name.rstrip("/"): name for name in resources}
    # ``audience`` (RFC 8693) has names of its own; here they are those of the resources.
    asked = [*request.values("resource"), *request.values("audience")]
    if any(item.rstrip("/") not in known for item in asked):
        raise OAuth2Error("The resource is not known here.", error="invalid_target")
    return tuple(dict.fromkeys(known[item.rstrip("/")] for item in asked))


def _details_error(description: str) -> OAuth2Error:
    return OAuth2Error(description, error="invalid_authorization_details")
