"""What a token request asks for, checked: scopes, audience, details. Every grant uses it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError, OAuth2Error

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.details import read_details
from saaf_autogen.auth.scopes import ScopeRegistry, is_scope
from saaf_autogen.auth.server.messages import OAuthForm

__all__ = ["TokenOrder", "audience_for", "details_for", "scopes_for"]


@dataclass(frozen=True)
class TokenOrder:
    """An access token to be issued.

    Attributes:
        subject: its ``sub``; ``client:ID`` where the client acts for itself.
        audience: the resources that it is for.
        details: RFC 9396 details, or None.
    """

    subject: str
    client: ClientRecord
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    details: tuple[dict[str, Any], ...] | None


def scopes_for(
    request: OAuthForm, client: ClientRecord, registry: ScopeRegistry
) -> tuple[str, ...]:
    """The scopes of the request, or all of the client's when it names none.

    Raises:
        InvalidScopeError: one is unknown, or is not the client's. The client gets all that it
            asked for or nothing.
    """
    asked = tuple(dict.fromkeys((request.form.get("scope") or "").split()))
    if not asked:
        return tuple(scope for scope in client.scopes if scope in registry)
    refused = [name for name in asked if name not in registry or name not in client.scopes]
    if refused:
        named = " ".join(name for name in refused if is_scope(name))
        raise InvalidScopeError(
            f"This client cannot have: {named}" if named else "A scope is malformed."
        )
    return asked


def audience_for(request: OAuthForm, resources: Collection[str]) -> tuple[str, ...]:
    """The audience by the request's resource indicators (RFC 8707); the first known by default.

    Raises:
        OAuth2Error: ``invalid_target``, for a resource that this issuer has no say over.
    """
    known = {name.rstrip("/"): name for name in resources}
    asked = request.values("resource")
    if request.values("audience") or any(item.rstrip("/") not in known for item in asked):
        raise OAuth2Error("The resource is not known here.", error="invalid_target")
    if not asked:
        return (next(iter(known.values())),)
    return tuple(dict.fromkeys(known[item.rstrip("/")] for item in asked))


def details_for(request: OAuthForm) -> tuple[dict[str, Any], ...] | None:
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
        raise OAuth2Error(
            f"{error}".replace('"', "'"), error="invalid_authorization_details"
        ) from error
