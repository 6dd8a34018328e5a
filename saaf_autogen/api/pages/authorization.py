"""The authorization endpoint: validate, sign in, ask, and send the answer to the client."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from saaf_autogen.api.pages.consent import approved_scopes, consent_of
from saaf_autogen.api.pages.fields import MAX_FORM_BYTES
from saaf_autogen.api.pages.visit import Visit
from saaf_autogen.auth.server.authorization.refusals import RedirectRefusal
from saaf_autogen.auth.server.authorization.request import AuthorizationRequest
from saaf_autogen.errors import InvalidArguments, InvalidRequest, PayloadTooLarge, SaafError

__all__ = ["authorize", "authorize_by_post", "decide"]

_BEFORE = "The user allowed it before."


async def authorize(visit: Visit) -> Response:
    """GET /oauth/authorize (RFC 6749, section 4.1.1; OpenID Connect Core, section 3.1.2)."""
    query = visit.request.url.query
    await visit.pages.identity.authorizations.prepare(query)
    return await run_in_threadpool(_step, visit, query)


async def authorize_by_post(request: Request) -> Response:
    """POST /oauth/authorize: the same request as a form, which every client may send.

    It comes from another site and so without our cookies: the browser is made to come again.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise PayloadTooLarge("The request is too large.", remedy="Push it first (RFC 9126).")
    if not all(0x21 <= byte <= 0x7E for byte in body):
        raise InvalidRequest("The request is no form.", remedy="Encode it as one.")
    # Relative to this address, whatever a proxy puts before it.
    headers = {"Location": f"?{body.decode('ascii')}", "Cache-Control": "no-store"}
    return Response(status_code=303, headers=headers)


async def decide(visit: Visit) -> Response:
    """POST /oauth/authorize/decision: what the user says to the consent page."""
    query = visit.fields.text("request")
    await visit.pages.identity.authorizations.prepare(query)
    return await run_in_threadpool(_decided, visit, query)


def _step(visit: Visit, query: str) -> Response:
    authorizations = visit.pages.identity.authorizations
    try:
        request = authorizations.read(query)
        step = authorizations.next_step(request, visit.session, visit.user)
        if step == "approve":
            session, user = visit.signed_in()
            why = "The client is the host's own." if request.client.first_party else _BEFORE
            visit.record("authorize", f"client:{request.client.id}", reason=why)
            return visit.leave(authorizations.approve(request, user, session, request.scopes))
        parked = authorizations.park(request)
        if step == "consent":
            return _ask(visit, request, parked)
    except RedirectRefusal as refusal:
        return visit.leave(refusal.location)
    here = visit.link("/oauth/authorize") + f"?{parked}"
    return visit.go("/sign-in", next=here, again="1" if visit.session else "")


def _decided(visit: Visit, query: str) -> Response:
    session, user = visit.signed_in()
    authorizations = visit.pages.identity.authorizations
    try:
        request = authorizations.read(query)
        name = f"client:{request.client.id}"
        if visit.fields.text("decision") != "allow":
            visit.record("consent.deny", name, allowed=False)
            return visit.leave(authorizations.deny(request))
        scopes = approved_scopes(visit.fields, authorizations.grantable(request, user))
        if scopes:
            visit.record("consent.allow", name, reason=" ".join(scopes))
            return visit.leave(authorizations.approve(request, user, session, scopes))
    except RedirectRefusal as refusal:
        return visit.leave(refusal.location)
    nothing = InvalidArguments("Nothing is ticked.", remedy="Tick what it may do, or cancel.")
    return _ask(visit, request, query, chosen=(), error=nothing)


def _ask(
    visit: Visit,
    request: AuthorizationRequest,
    parked: str,
    *,
    chosen: Collection[str] | None = None,
    error: SaafError | None = None,
) -> Response:
    _, user = visit.signed_in()
    consent = consent_of(
        visit,
        user,
        request.client.within(user.tenant),
        asked=request.scopes,
        grantable=visit.pages.identity.authorizations.grantable(request, user),
        details=request.details,
        request=request,
        chosen=chosen,
    )
    return visit.page(
        "consent.html",
        targets=[request.redirect_uri],
        consent=consent,
        request=parked,
        error=error,
    )
