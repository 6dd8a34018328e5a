"""Who calls over HTTP: the Bearer token of a request as a principal, and the same in OpenAPI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.errors import InsufficientScope, Unauthenticated
from saaf_autogen.project.identity import Identity

__all__ = [
    "SCHEME_NAME",
    "Caller",
    "HasIdentity",
    "challenge",
    "current_principal",
    "oauth2_scheme",
    "security_of",
]

SCHEME_NAME = "oauth2"


class HasIdentity(Protocol):
    """What ``request.app.state.saaf`` must offer to this module and to ``api.oauth``."""

    @property
    def identity(self) -> Identity:
        """The issuer, and the verifier of tokens."""
        ...


async def current_principal(request: Request) -> Principal:
    """The principal of the request's access token.

    A token is taken from the ``Authorization`` header alone, never from the address or the body
    (RFC 6750, section 2.1).

    Raises:
        Unauthenticated: with ``www_authenticate`` in ``extra``, which becomes the header.
    """
    state: HasIdentity = request.app.state.saaf
    try:
        return await state.identity.verifier.verify(_bearer_token(request))
    except Unauthenticated as error:
        error.extra["www_authenticate"] = challenge(error, state.identity.issuer.url)
        raise


Caller = Annotated[Principal, Depends(current_principal)]
"""The principal who calls; as a parameter's type it makes an operation ask for a token."""


def challenge(error: Unauthenticated | InsufficientScope, issuer_url: str) -> str:
    """The ``WWW-Authenticate`` header of a refusal (RFC 6750, section 3; RFC 9728, section 5.1).

    It holds an error code only if a token came, and names every scope that is missing.
    """
    parts = []
    if isinstance(error, InsufficientScope):
        parts = ['error="insufficient_scope"', f'scope="{" ".join(error.missing)}"']
    elif "error" in error.extra:
        said = error.detail.replace("\\", "/").replace('"', "'")
        parts = [f'error="{error.extra["error"]}"', f'error_description="{said}"']
    metadata = f"{issuer_url}/.well-known/oauth-protected-resource"
    return "Bearer " + ", ".join([*parts, f'resource_metadata="{metadata}"'])


def oauth2_scheme(registry: ScopeRegistry, *, issuer_url: str = "") -> dict[str, Any]:
    """The security scheme for OpenAPI's components, by ``SCHEME_NAME``.

    Args:
        registry: all scopes of the host, with their descriptions.
        issuer_url: without it, addresses are relative to the document's server.
    """
    return {
        "type": "oauth2",
        "description": "A Bearer token of the embedded issuer, by client credentials.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": f"{issuer_url}/oauth/token",
                "scopes": registry.descriptions(),
            }
        },
    }


def security_of(scopes: Iterable[str]) -> list[dict[str, list[str]]]:
    """The security requirement of an operation that needs all of these scopes."""
    return [{SCHEME_NAME: list(scopes)}]


def _bearer_token(request: Request) -> str:
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise Unauthenticated(
            "There is more than one Authorization header.",
            remedy="Send one, with the access token.",
            extra={"error": "invalid_request"},
        )
    scheme, _, token = (headers[0] if headers else "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(
            "No access token came with the request.",
            remedy="Send the header Authorization: Bearer TOKEN, with a token of /oauth/token.",
        )
    return token.strip()
