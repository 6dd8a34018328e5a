"""Public documents: keys and metadata. They are the same for everybody, in any browser."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from saaf_autogen.api.oauth.switches import identity_state

__all__ = ["jwks", "resource_metadata", "server_metadata"]

_PUBLIC = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


async def jwks(request: Request) -> JSONResponse:
    """The keys that verify this issuer's tokens, the next ones among them (RFC 7517)."""
    return JSONResponse(identity_state(request).identity.issuer.jwks(), headers=_PUBLIC)


async def server_metadata(request: Request, path: str = "") -> JSONResponse:
    """What the issuer can do and where (RFC 8414, OIDC Discovery)."""
    return _document(identity_state(request).identity.metadata.server(path))


async def resource_metadata(request: Request, path: str = "") -> JSONResponse:
    """Whose tokens this host takes, and with which scopes (RFC 9728)."""
    return _document(identity_state(request).identity.metadata.resource(path))


def _document(document: dict[str, Any] | None) -> JSONResponse:
    if document is None:
        return JSONResponse({"error": "not_found"}, 404)
    return JSONResponse(document, headers=_PUBLIC)
