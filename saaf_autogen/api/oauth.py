"""The issuer's endpoints. They speak OAuth's own formats, not problem documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from saaf_autogen.api.security import HasIdentity
from saaf_autogen.auth.server import Answer, FormRequest
from saaf_autogen.auth.server.messages import MAX_FORM_BYTES

__all__ = ["oauth_router"]

_PUBLIC = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
_WELL_KNOWN = "/.well-known"


def oauth_router() -> APIRouter:
    """The routes of the issuer; each reads ``request.app.state.saaf`` (see ``HasIdentity``)."""
    router = APIRouter(tags=["oauth"])
    add = router.add_api_route
    add("/oauth/token", token, methods=["POST"], summary="Get a token", openapi_extra=_TOKEN_FORM)
    add("/oauth/revoke", revoke, methods=["POST"], summary="Revoke a token of your own")
    for path in ("/oauth/token", "/oauth/revoke"):
        methods = ["GET", "PUT", "PATCH", "DELETE"]
        add(path, only_post, methods=methods, include_in_schema=False)
    add("/oauth/jwks", jwks, methods=["GET"], summary="The issuer's public keys")
    for name in ("oauth-authorization-server", "openid-configuration"):
        add(f"{_WELL_KNOWN}/{name}", server_metadata, methods=["GET"], summary="The issuer")
    resource = f"{_WELL_KNOWN}/oauth-protected-resource"
    add(resource, resource_metadata, methods=["GET"], summary="This host as a resource")
    add(resource + "/{path:path}", resource_metadata, methods=["GET"], include_in_schema=False)
    return router


async def token(request: Request) -> JSONResponse:
    """Issue an access token: ``grant_type=client_credentials`` (RFC 6749, section 4.4)."""
    return await _posted(request, _state(request).identity.issuer.token)


async def revoke(request: Request) -> JSONResponse:
    """End an access token of the calling client before it expires (RFC 7009)."""
    return await _posted(request, _state(request).identity.issuer.revoke)


async def only_post() -> JSONResponse:
    """Say that these endpoints take forms, so that no secret comes in an address."""
    body = {"error": "invalid_request", "error_description": "Use POST, with a form as the body."}
    return JSONResponse(body, 405, {"Allow": "POST", "Cache-Control": "no-store"})


async def jwks(request: Request) -> JSONResponse:
    """The keys that verify this issuer's tokens, the next one among them (RFC 7517)."""
    return JSONResponse(_state(request).identity.issuer.jwks(), headers=_PUBLIC)


async def server_metadata(request: Request) -> JSONResponse:
    """What the issuer can do and where (RFC 8414, OIDC Discovery)."""
    return JSONResponse(_state(request).identity.issuer.metadata(), headers=_PUBLIC)


async def resource_metadata(request: Request, path: str = "") -> JSONResponse:
    """Whose tokens this host takes, and with which scopes (RFC 9728)."""
    document = _state(request).identity.issuer.resource_metadata(path)
    if document is None:
        return JSONResponse({"error": "not_found"}, 404)
    return JSONResponse(document, headers=_PUBLIC)


def _state(request: Request) -> HasIdentity:
    state: HasIdentity = request.app.state.saaf
    return state


async def _posted(request: Request, work: Callable[[FormRequest], Answer]) -> JSONResponse:
    form = FormRequest(
        content_type=request.headers.get("content-type", ""),
        authorization=tuple(request.headers.getlist("authorization")),
        query=request.url.query,
        body=await _body(request),
    )
    answer = await run_in_threadpool(work, form)
    return JSONResponse(dict(answer.body), answer.status, dict(answer.headers))


async def _body(request: Request) -> bytes:
    """The body as far as the issuer reads: one byte too many tells it of the rest."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            break
    return bytes(body[: MAX_FORM_BYTES + 1])


_TOKEN_FORM: dict[str, Any] = {
    "security": [],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string", "format": "password"},
                        "scope": {"type": "string", "description": "default: all of the client's"},
                        "resource": {"type": "string", "format": "uri"},
                        "authorization_details": {
                            "type": "string",
                            "description": "JSON array (RFC 9396) that narrows the token",
                        },
                    },
                }
            }
        },
    },
}
