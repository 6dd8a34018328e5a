"""The endpoints that take a form: token, revocation, introspection, device, pushed requests."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from saaf_autogen.api.addresses import client_address
from saaf_autogen.api.oauth.browsers import named_client, readable_by, sent_assertion
from saaf_autogen.api.oauth.switches import identity_state
from saaf_autogen.auth.server import Answer, FormRequest
from saaf_autogen.auth.server.messages import MAX_FORM_BYTES

__all__ = ["device_authorization", "introspect", "only_post", "push", "revoke", "token"]


async def token(request: Request) -> Response:
    """Issue tokens (RFC 6749, section 3.2), by any of the grants that the metadata name."""
    issuer = identity_state(request).identity.issuer
    return await _posted(request, issuer.token, at_once=issuer.token_from_memory)


async def revoke(request: Request) -> Response:
    """End a token of the calling client, and all that grew from the same consent (RFC 7009)."""
    return await _posted(request, identity_state(request).identity.issuer.revoke)


async def introspect(request: Request) -> Response:
    """Whether a token is good, and what it says (RFC 7662)."""
    return await _posted(request, identity_state(request).identity.issuer.introspect)


async def device_authorization(request: Request) -> Response:
    """Codes for a device without a browser, and where a person enters one (RFC 8628)."""
    return await _posted(request, identity_state(request).identity.issuer.device_authorization)


async def push(request: Request) -> Response:
    """Keep an authorization request for a minute, and give the name of it (RFC 9126)."""
    return await _posted(request, identity_state(request).identity.pushed.push)


async def only_post() -> JSONResponse:
    """Say that these endpoints take forms, so that no secret comes in an address."""
    body = {"error": "invalid_request", "error_description": "Use POST, with a form as the body."}
    return JSONResponse(body, 405, {"Allow": "POST", "Cache-Control": "no-store"})


async def _posted(
    request: Request,
    work: Callable[[FormRequest], Answer],
    *,
    at_once: Callable[[FormRequest], Answer | None] = lambda _form: None,
) -> Response:
    form = FormRequest(
        content_type=request.headers.get("content-type", ""),
        authorization=tuple(request.headers.getlist("authorization")),
        query=request.url.query,
        body=await _body(request),
        dpop=tuple(request.headers.getlist("dpop")),
        address=client_address(request),
    )
    directory = identity_state(request).identity.directory
    answer = at_once(form)
    if answer is None:
        await _prepare(request, form)
        answer = await run_in_threadpool(work, form)
    headers = dict(answer.headers)
    if "origin" in request.headers:
        client_id = named_client(form)
        client = await run_in_threadpool(directory.find, client_id) if client_id else None
        headers |= readable_by(request, client)
    if not answer.body:
        return Response(status_code=answer.status, headers=headers)
    return JSONResponse(dict(answer.body), answer.status, headers)


async def _prepare(request: Request, form: FormRequest) -> None:
    """Fetch what other hosts publish of the client, while no thread waits for it."""
    identity = identity_state(request).identity
    client_id, assertion = named_client(form), sent_assertion(form)
    await identity.directory.prepare(client_id)
    if client_id is None or assertion is None:
        return
    client = await run_in_threadpool(identity.directory.find, client_id)
    kid = assertion.header.get("kid")
    if client is not None and (kid is None or isinstance(kid, str)):
        await identity.issuer.client_keys.prepare(client, kid)


async def _body(request: Request) -> bytes:
    """The body as far as the issuer reads: one byte too many tells it of the rest."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            break
    return bytes(body[: MAX_FORM_BYTES + 1])
