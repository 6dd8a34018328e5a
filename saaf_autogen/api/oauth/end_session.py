"""A client asks for its user to be signed out (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response

from saaf_autogen.api.oauth.switches import identity_state
from saaf_autogen.auth.server.authorization import PageRefusal

__all__ = ["by_form", "by_link"]

_MAX_BYTES = 16_384


async def by_link(request: Request) -> Response:
    """Check the request and send the browser to ``/sign-out``, which asks the user."""
    return await _answered(request, request.url.query)


async def by_form(request: Request) -> Response:
    """The same with the request in the body, so that the hint stands in no log."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            return _refused(PageRefusal("The body is too large.", status=413))
    if request.url.query or (body and kind != "application/x-www-form-urlencoded"):
        return _refused(PageRefusal("The request belongs in a form."))
    return await _answered(request, body.decode("utf-8", "surrogateescape"))


async def _answered(request: Request, encoded: str) -> Response:
    identity = identity_state(request).identity
    logout = identity.logout
    await logout.prepare(encoded)
    try:
        asked = await run_in_threadpool(logout.read, encoded)
    except PageRefusal as error:
        return _refused(error)
    name = await run_in_threadpool(logout.keep, asked)
    # 303, so that a posted request becomes a page that can be reloaded.
    location = f"{identity.url}/sign-out?{urlencode({'request': name})}"
    return RedirectResponse(location, 303, {"Cache-Control": "no-store"})


def _refused(error: PageRefusal) -> Response:
    body = {"error": error.error, "error_description": error.description}
    return JSONResponse(body, error.status, {"Cache-Control": "no-store"})
