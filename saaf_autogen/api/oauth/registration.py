"""Clients that register themselves (RFC 7591) and manage that (RFC 7592)."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from saaf_autogen.api.addresses import client_address, payer
from saaf_autogen.api.oauth.switches import identity_state
from saaf_autogen.auth.server import Answer

__all__ = ["change", "read", "register", "remove"]

_MAX_BYTES = 32_768


async def register(request: Request) -> Response:
    """Make a client that may ask users for what ``oauth.registration_scopes`` allows."""
    registration = identity_state(request).identity.registration
    body = await _json(request)
    if isinstance(body, Response):
        return body
    answer = await run_in_threadpool(registration.register, body, address=_address(request))
    return _rendered(answer)


async def read(request: Request, client_id: str) -> Response:
    """The registration as it is, with its registration access token."""
    registration = identity_state(request).identity.registration
    return _rendered(await run_in_threadpool(registration.read, client_id, _token(request)))


async def change(request: Request, client_id: str) -> Response:
    """Replace the registration, with its registration access token."""
    registration = identity_state(request).identity.registration
    body = await _json(request)
    if isinstance(body, Response):
        return body
    token, address = _token(request), _address(request)
    answer = await run_in_threadpool(registration.change, client_id, token, body, address=address)
    return _rendered(answer)


async def remove(request: Request, client_id: str) -> Response:
    """Remove the client, with its registration access token; its tokens end with it."""
    registration = identity_state(request).identity.registration
    token, address = _token(request), _address(request)
    return _rendered(
        await run_in_threadpool(registration.remove, client_id, token, address=address)
    )


async def _json(request: Request) -> Any:
    """The parsed body, or the answer that refuses it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            return _invalid("The body is too large.", 413)
    if kind != "application/json":
        return _invalid("The body is not application/json.", 400)
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return _invalid("The body is no JSON in UTF-8.", 400)


def _token(request: Request) -> str:
    headers = request.headers.getlist("authorization")
    scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _address(request: Request) -> str:
    return payer(client_address(request))


def _invalid(description: str, status: int) -> Response:
    body = {"error": "invalid_client_metadata", "error_description": description}
    return JSONResponse(body, status, {"Cache-Control": "no-store"})


def _rendered(answer: Answer) -> Response:
    if answer.status == 204:
        return Response(status_code=204, headers=dict(answer.headers))
    return JSONResponse(dict(answer.body), answer.status, dict(answer.headers))
