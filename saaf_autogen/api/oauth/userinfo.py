"""Who the user of a token is (OpenID Connect Core, section 5.3)."""

from __future__ import annotations

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from saaf_autogen.api.oauth.browsers import readable_by
from saaf_autogen.api.oauth.switches import identity_state
from saaf_autogen.api.security import challenge, scheme_of, verified_token
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import Forbidden, InsufficientScope, Unauthenticated

__all__ = ["userinfo"]

_NO_STORE = {"Cache-Control": "no-store"}


async def userinfo(request: Request) -> JSONResponse:
    """Claims about the user, as far as the token's scopes tell them: ``profile``, ``email``."""
    identity = identity_state(request).identity
    try:
        principal = (await verified_token(request)).principal
        claims = await run_in_threadpool(identity.userinfo.read, principal)
    except (Unauthenticated, Forbidden) as error:
        return _refused(request, error)
    headers = {**_NO_STORE, **await _readable(request, principal)}
    return JSONResponse(claims, headers=headers)


async def _readable(request: Request, principal: Principal) -> dict[str, str]:
    if "origin" not in request.headers or principal.client_id is None:
        return {}
    directory = identity_state(request).identity.directory
    client = await run_in_threadpool(directory.find, principal.client_id)
    return dict(readable_by(request, client))


def _refused(request: Request, error: Unauthenticated | Forbidden) -> JSONResponse:
    headers = dict(_NO_STORE)
    if isinstance(error, Unauthenticated | InsufficientScope):
        issuer = identity_state(request).identity.issuer.url
        said = error.extra.get("www_authenticate")
        headers["WWW-Authenticate"] = str(
            said or challenge(error, issuer, scheme=scheme_of(request))
        )
    code = str(error.extra.get("error") or _CODES.get(error.status, "invalid_request"))
    return JSONResponse({"error": code, "error_description": error.detail}, error.status, headers)


_CODES = {401: "invalid_token", 403: "insufficient_scope"}
