"""Signing in: with a password, a passkey, or an account elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from saaf_autogen.api.pages.addresses import local_address
from saaf_autogen.api.pages.text import clip
from saaf_autogen.api.pages.visit import Visit
from saaf_autogen.auth.server.authorization.refusals import PageRefusal, RedirectRefusal
from saaf_autogen.auth.server.authorization.request import AuthorizationRequest
from saaf_autogen.errors import RateLimited, SaafError, Unauthenticated

__all__ = [
    "ask_password",
    "begin_elsewhere",
    "finish_elsewhere",
    "next_page",
    "show_sign_in",
    "sign_in_page",
]

_AUTHORIZE = "/oauth/authorize"


@dataclass(frozen=True)
class _Provider:
    title: str
    href: str


def show_sign_in(visit: Visit) -> Response:
    """GET /sign-in: whoever is signed in already goes on, unless asked to do so again."""
    back = next_page(visit)
    if visit.session and not visit.fields.text("again"):
        return visit.leave(back)
    return sign_in_page(visit, back)


async def ask_password(visit: Visit) -> Response:
    """POST /sign-in: a user name and a password."""
    back = next_page(visit)
    username = visit.fields.text("username")
    try:
        user = await visit.pages.people.sign_in.with_password(
            username, visit.fields.text("password"), visit.address
        )
    except (Unauthenticated, RateLimited) as error:
        return await run_in_threadpool(sign_in_page, visit, back, error=error, username=username)
    await run_in_threadpool(visit.begin_session, user, amr=("pwd",))
    return visit.leave(back)


async def begin_elsewhere(visit: Visit) -> Response:
    """GET /sign-in/with/PROVIDER: off to the provider.

    Where a client wants a fresh sign-in, the provider must not answer from a session of its own.
    """
    back = next_page(visit)
    location = await visit.pages.identity.federation.begin(
        visit.request.path_params["provider"],
        back,
        visit.browser,
        again=await run_in_threadpool(_must_be_fresh, visit, back),
    )
    return visit.leave(location)


async def finish_elsewhere(visit: Visit) -> Response:
    """GET /sign-in/with/PROVIDER/callback: back from there."""
    provider = visit.request.path_params["provider"]
    try:
        finished = await visit.pages.identity.federation.finish(
            provider, visit.request.url.query, visit.browser, address=visit.address
        )
    except Unauthenticated as error:
        return await run_in_threadpool(sign_in_page, visit, visit.link("/account"), error=error)
    await run_in_threadpool(visit.begin_session, finished.user, amr=finished.amr)
    back = local_address(finished.return_to, visit.pages.base)
    return visit.leave(back or visit.link("/account"))


def next_page(visit: Visit) -> str:
    """Where the browser goes once it is signed in: a page of this host."""
    return local_address(visit.fields.text("next"), visit.pages.base) or visit.link("/account")


def sign_in_page(
    visit: Visit, back: str, *, error: SaafError | None = None, username: str = ""
) -> Response:
    """The page; with what went wrong, if something did."""
    settings = visit.pages.settings.sign_in
    asked = _asked(visit, back)
    if not username:
        hint = asked.login_hint if asked else None
        other = asked is not None and "select_account" in asked.prompt
        username = (visit.user.username if visit.user and not other else hint) or ""
    providers = [
        _Provider(choice.title, visit.link(f"/sign-in/with/{choice.id}", next=back))
        for choice in visit.pages.identity.federation.choices()
    ]
    return visit.page(
        "sign_in.html",
        # From the sign-in the browser may be sent on to the client without another question.
        targets=[asked.redirect_uri] if asked else (),
        script=settings.passkeys,
        error=error,
        next=back,
        client=clip(asked.client.title or asked.client.id) if asked else "",
        again=visit.user is not None,
        username=username[:120],
        passwords=settings.password,
        passkeys=settings.passkeys,
        providers=providers,
    )


def _asked(visit: Visit, back: str) -> AuthorizationRequest | None:
    """The client's request that waits for the sign-in, if one does."""
    parts = urlsplit(back)
    if parts.path != visit.pages.base + _AUTHORIZE:
        return None
    try:
        return visit.pages.identity.authorizations.read(parts.query)
    except (PageRefusal, RedirectRefusal):
        return None


def _must_be_fresh(visit: Visit, back: str) -> bool:
    asked = _asked(visit, back)
    if asked is None:
        return visit.session is not None
    return asked.max_age is not None or not asked.prompt.isdisjoint({"login", "select_account"})
