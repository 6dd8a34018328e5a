"""Who calls over HTTP: a request's access token as a principal, and the same in OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from saaf_autogen.api.limits import charge
from saaf_autogen.auth.dpop import DPOP_ALGORITHMS, InvalidProof, OtherKey
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.scopes import IDENTITY_SCOPES, ScopeRegistry
from saaf_autogen.auth.tokens.verified import Verified
from saaf_autogen.errors import InsufficientScope, Unauthenticated
from saaf_autogen.project.identity import Identity

__all__ = [
    "SCHEME_NAME",
    "Caller",
    "HasIdentity",
    "challenge",
    "current_principal",
    "oauth2_scheme",
    "scheme_of",
    "security_of",
    "verified_token",
]

SCHEME_NAME = "oauth2"
_NAMES = {"bearer": "Bearer", "dpop": "DPoP"}
_UNSAYABLE = re.compile(r"[^ !#-\[\]-~]")


class HasIdentity(Protocol):
    """What ``request.app.state.saaf`` must offer to this module and to ``api.oauth``."""

    @property
    def identity(self) -> Identity:
        """The issuer, and the verifier of tokens."""
        ...


async def current_principal(request: Request) -> Principal:
    """The principal of the request's access token.

    Raises:
        Unauthenticated: with ``www_authenticate`` in ``extra``, which becomes the header.
    """
    return (await verified_token(request)).principal


async def verified_token(request: Request) -> Verified:
    """The request's access token, verified, with the proof of its sender if it is bound to a key.

    A token is taken from the ``Authorization`` header alone, never from the address or the body
    (RFC 6750, section 2.1; RFC 9449, section 7.1).

    Raises:
        Unauthenticated: with ``www_authenticate`` in ``extra``, which becomes the header.
    """
    state: HasIdentity = request.app.state.saaf
    identity = state.identity
    try:
        scheme, token = _credentials(request)
        verified = await identity.verifier.verify(token)
        if scheme == "DPoP" or verified.jkt is not None:
            _check_sender(request, scheme, token, verified, identity)
        principal = await identity.standing.now(verified.principal)
        if principal is not verified.principal:
            verified = replace(verified, principal=principal)
    except Unauthenticated as error:
        error.extra["www_authenticate"] = challenge(
            error, identity.issuer.url, scheme=scheme_of(request)
        )
        raise
    charge(request, verified.principal)
    return verified


Caller = Annotated[Principal, Depends(current_principal)]
"""The principal who calls; as a parameter's type it makes an operation ask for a token."""


def challenge(
    error: Unauthenticated | InsufficientScope, issuer_url: str, *, scheme: str = "Bearer"
) -> str:
    """The ``WWW-Authenticate`` header of a refusal.

    RFC 6750, section 3; RFC 9449, section 7.1; RFC 9728, section 5.1. It holds an error code only
    if a token came, and names every scope that is missing. The error stands in the challenge of
    the scheme that was used; the other scheme is offered where no token came or it was the wrong
    one.
    """
    parts = []
    if isinstance(error, InsufficientScope):
        parts = ['error="insufficient_scope"', f'scope="{" ".join(error.missing)}"']
    elif "error" in error.extra:
        said = _UNSAYABLE.sub("'", error.detail)
        parts = [f'error="{error.extra["error"]}"', f'error_description="{said}"']
    metadata = f"{issuer_url}/.well-known/oauth-protected-resource"
    parts.append(f'resource_metadata="{metadata}"')
    algorithms = f'algs="{" ".join(DPOP_ALGORITHMS)}"'
    if scheme == "DPoP":
        return "DPoP " + ", ".join([*parts, algorithms])
    bearer = "Bearer " + ", ".join(parts)
    offered = isinstance(error, Unauthenticated)
    return f"{bearer}, DPoP {algorithms}" if offered else bearer


def scheme_of(request: Request) -> str:
    """``Bearer`` or ``DPoP``, by what the request used; ``Bearer`` if it used neither."""
    header = request.headers.get("authorization", "")
    return _NAMES.get(header.partition(" ")[0].lower(), "Bearer")


def oauth2_scheme(
    registry: ScopeRegistry, *, issuer_url: str = "", enabled: bool = True
) -> dict[str, Any]:
    """The security scheme for OpenAPI's components, by ``SCHEME_NAME``.

    Args:
        registry: all scopes of the host, with their descriptions.
        issuer_url: without it, addresses are relative to the document's server.
        enabled: whether tokens are issued here; if not, those of other issuers count.
    """
    if not enabled:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    scopes = registry.descriptions()
    token = {"tokenUrl": f"{issuer_url}/oauth/token", "scopes": scopes}
    return {
        "type": "oauth2",
        "description": "An access token of the embedded issuer, as Bearer or bound by DPoP.",
        "flows": {
            "clientCredentials": token,
            "authorizationCode": {
                "authorizationUrl": f"{issuer_url}/oauth/authorize",
                "refreshUrl": f"{issuer_url}/oauth/token",
                **token,
                "scopes": {**{each.name: each.description for each in IDENTITY_SCOPES}, **scopes},
            },
        },
    }


def security_of(scopes: Iterable[str]) -> list[dict[str, list[str]]]:
    """The security requirement of an operation that needs all of these scopes."""
    return [{SCHEME_NAME: list(scopes)}]


def _credentials(request: Request) -> tuple[str, str]:
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise Unauthenticated(
            "There is more than one Authorization header.",
            remedy="Send one, with the access token.",
            extra={"error": "invalid_request"},
        )
    scheme, _, token = (headers[0] if headers else "").partition(" ")
    name, token = _NAMES.get(scheme.lower()), token.strip()
    if name is None or not token:
        raise Unauthenticated(
            "No access token came with the request.",
            remedy="Send the header Authorization: Bearer TOKEN, with a token of /oauth/token.",
        )
    return name, token


def _check_sender(
    request: Request, scheme: str, token: str, verified: Verified, identity: Identity
) -> None:
    """Check that who sends a bound token holds its key (RFC 9449, section 7).

    A bound token under ``Bearer`` is as good as stolen, and an unbound one under ``DPoP`` proves
    nothing: both are refused.
    """
    if scheme != "DPoP" or verified.jkt is None:
        kind = "bound to a key: send it by DPoP" if verified.jkt else "bound to no key"
        raise _refused(f"The access token is {kind}.", "invalid_token")
    proofs = request.headers.getlist("dpop")
    if len(proofs) != 1:
        raise _refused("One DPoP proof must come with the token.", "invalid_dpop_proof")
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    url = identity.url + path.decode("latin-1")
    try:
        identity.proofs.check(
            proofs[0],
            method=request.method,
            url=url,
            access_token=token,
            bound_to=verified.jkt,
        )
    except OtherKey as error:
        raise _refused("The access token is bound to another key.", "invalid_token") from error
    except InvalidProof as error:
        raise _refused(error.description, "invalid_dpop_proof") from error


def _refused(detail: str, code: str) -> Unauthenticated:
    return Unauthenticated(
        detail,
        remedy="Send a token that is bound to a key as Authorization: DPoP TOKEN, each time with "
        "a new proof by that key in the header DPoP (RFC 9449).",
        extra={"error": code},
    )
