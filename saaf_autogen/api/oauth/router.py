"""The addresses of the authorization server's endpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends
from starlette.routing import Route

from saaf_autogen.api.oauth import documents, end_session, forms, registration, userinfo
from saaf_autogen.api.oauth.browsers import preflight
from saaf_autogen.api.oauth.openapi import answers, form, status_of
from saaf_autogen.api.oauth.openapi import registration as metadata_body
from saaf_autogen.api.oauth.switches import (
    only_where_clients_register,
    only_where_tokens_are_issued,
)
from saaf_autogen.api.security import security_of

__all__ = ["oauth_router", "token_route"]

_WELL_KNOWN = "/.well-known"
_POSTED: dict[str, tuple[Callable[..., Any], str]] = {
    "token": (forms.token, "Get a token"),
    "revoke": (forms.revoke, "Revoke a token of your own"),
    "introspect": (forms.introspect, "Ask about a token"),
    "device_authorization": (forms.device_authorization, "Begin a sign-in on another device"),
    "par": (forms.push, "Push an authorization request"),
}
_NOT_POST = ["GET", "HEAD", "PUT", "PATCH", "DELETE"]


def oauth_router(*, issues: bool = True, registers: bool = True) -> APIRouter:
    """The routes; each reads ``request.app.state.saaf`` (see ``HasIdentity``).

    Args:
        issues: whether the documentation names the endpoints of the issuer.
        registers: whether it names those of registration. They are 404 where that is off.
    """
    router = APIRouter(tags=["oauth"])
    router.include_router(
        _issuing(),
        dependencies=[Depends(only_where_tokens_are_issued)],
        include_in_schema=issues,
    )
    router.include_router(
        _registering(),
        dependencies=[Depends(only_where_clients_register)],
        include_in_schema=issues and registers,
    )
    name = f"{_WELL_KNOWN}/oauth-protected-resource"
    add = router.add_api_route
    add(name, documents.resource_metadata, methods=["GET"], summary="This host as a resource")
    # RFC 9728, section 3.1: the resource's path may follow the well-known name.
    add(name + "/{path:path}", documents.resource_metadata, include_in_schema=False)
    return router


def token_route() -> Route:
    """The token endpoint without FastAPI's parsing of parameters: it reads its form itself.

    It goes before the router, whose route of the same address is what the documentation shows.
    """
    return Route("/oauth/token", forms.token, methods=["POST"])


def _issuing() -> APIRouter:
    router = APIRouter()
    add = router.add_api_route
    for name, (endpoint, summary) in _POSTED.items():
        path = f"/oauth/{name}"
        documented = {"security": [], "requestBody": form(name), "responses": answers(name)}
        add(
            path,
            endpoint,
            methods=["POST"],
            summary=summary,
            status_code=status_of(name),
            openapi_extra=documented,
        )
        add(path, preflight, methods=["OPTIONS"], include_in_schema=False)
        add(path, forms.only_post, methods=_NOT_POST, include_in_schema=False)
    add("/oauth/jwks", documents.jwks, methods=["GET"], summary="The issuer's public keys")
    for name in ("oauth-authorization-server", "openid-configuration"):
        path = f"{_WELL_KNOWN}/{name}"
        add(path, documents.server_metadata, methods=["GET"], summary="The issuer")
        add(path + "/{path:path}", documents.server_metadata, include_in_schema=False)
    told: dict[str, Any] = {
        "security": security_of(["openid"]),
        "responses": answers("userinfo"),
    }
    for method in ("GET", "POST"):
        add(
            "/oauth/userinfo",
            userinfo.userinfo,
            methods=[method],
            summary="Who the user of a token is",
            openapi_extra=told,
            include_in_schema=method == "GET",
        )
    add("/oauth/userinfo", preflight, methods=["OPTIONS"], include_in_schema=False)
    summary = "Sign a user out, for a client"
    add("/oauth/end_session", end_session.by_link, methods=["GET"], summary=summary)
    add("/oauth/end_session", end_session.by_form, methods=["POST"], include_in_schema=False)
    return router


def _registering() -> APIRouter:
    router = APIRouter()
    add = router.add_api_route
    body = {"security": [], "requestBody": metadata_body()}
    add(
        "/oauth/register",
        registration.register,
        methods=["POST"],
        summary="Register a client",
        status_code=status_of("register"),
        openapi_extra={**body, "responses": answers("register")},
    )
    path = "/oauth/register/{client_id}"
    add(path, registration.read, methods=["GET"], summary="A client's own registration")
    add(
        path,
        registration.change,
        methods=["PUT"],
        summary="Change a client's own registration",
        openapi_extra=body,
    )
    add(path, registration.remove, methods=["DELETE"], summary="Remove a client's own registration")
    return router
