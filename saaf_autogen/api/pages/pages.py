"""What all pages share, and how a page is answered: in a thread, checked, errors as pages too."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from saaf_autogen.api.pages.cookies import CookieJar
from saaf_autogen.api.pages.fields import Fields, posted_fields
from saaf_autogen.api.pages.forgery import origin_of
from saaf_autogen.api.pages.guesses import Guesses
from saaf_autogen.api.pages.rendering import Renderer
from saaf_autogen.api.pages.visit import SignInNeeded, Visit
from saaf_autogen.auth.server.authorization.refusals import PageRefusal
from saaf_autogen.db import is_away
from saaf_autogen.errors import SaafError, Unavailable
from saaf_autogen.project import Project

__all__ = ["Endpoint", "Handler", "Pages"]

Endpoint = Callable[[Request], Awaitable[Response]]
PlainHandler = Callable[[Visit], Response]
Handler = PlainHandler | Callable[[Visit], Awaitable[Response]]

_log = logging.getLogger(__name__)
_HEADINGS = {
    400: "This request cannot be read",
    403: "This is not allowed",
    404: "There is nothing here",
    409: "This cannot be done now",
    410: "This has ended",
    413: "This is too large",
    429: "Please wait a little",
    502: "Another service failed",
    503: "Please try again in a moment",
}


class Pages:
    """The host's pages, over one project."""

    def __init__(self, project: Project) -> None:
        url = project.server.public_url
        self.identity = project.identity
        self.people = project.identity.people
        self.deployment = project.deployment
        self.settings = project.settings
        self.url = url
        self.origin = origin_of(url)
        self.base = urlsplit(url).path
        self.key = project.identity.page_key
        self.cookies = CookieJar.of(url)
        self.guesses = Guesses(project.identity.clock)
        self.renderer = Renderer(title=project.settings.name, base=self.base)

    def endpoint(self, handler: Handler) -> Endpoint:
        """A handler as a route's endpoint.

        Every form that is posted is checked before the handler sees it. Plain handlers run in a
        thread, with the store to use as they like; a coroutine has to see to that itself.
        """
        return self.raw_endpoint(lambda request: self._answer(handler, request))

    def raw_endpoint(self, work: Endpoint) -> Endpoint:
        """An endpoint whose errors are pages; nothing of what is posted to it is checked."""

        async def answer(request: Request) -> Response:
            try:
                return await work(request)
            except PageRefusal as error:
                return self.refused_request(error)
            except SaafError as error:
                return self.refusal(error)
            except SQLAlchemyError as error:
                if not is_away(error):
                    raise
                _log.error("%s: the store is away: %s", request.url.path, type(error).__name__)
                return self.refusal(Unavailable("The host's store cannot be used at the moment."))

        return answer

    def refused_request(self, error: PageRefusal) -> Response:
        """The page that tells of a client's request that is answered nowhere else."""
        values = {
            "heading": "This link does not work",
            "detail": error.description,
            "remedy": "Go back to the application that you came from and start again. If that "
            "does not help, its makers have to mend the request that it sends.",
            "code": error.error,
        }
        return self.renderer.page("refused.html", values, status=error.status)

    def refusal(self, error: SaafError, *, heading: str = "", status: int = 0) -> Response:
        """The page that tells of an error."""
        values = {
            "heading": heading or _HEADINGS.get(error.status, error.title),
            "detail": error.detail,
            "remedy": error.remedy or "",
            "code": error.code,
        }
        response = self.renderer.page("refused.html", values, status=status or error.status)
        if "retry_after" in error.extra:
            response.headers["Retry-After"] = str(error.extra["retry_after"])
        return response

    async def _answer(self, handler: Handler, request: Request) -> Response:
        posted = await posted_fields(request) if request.method == "POST" else None
        visit = await run_in_threadpool(self._opened, request, posted)
        try:
            if inspect.iscoroutinefunction(handler):
                made: Response = await handler(visit)
                return made
            return await run_in_threadpool(cast(PlainHandler, handler), visit)
        except SignInNeeded:
            return _to_sign_in(visit)

    def _opened(self, request: Request, posted: Fields | None) -> Visit:
        visit = Visit(request, self, posted)
        if posted is not None:
            visit.check_form()
        return visit


def _to_sign_in(visit: Visit) -> Response:
    request = visit.request
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    back = visit.pages.base + request.url.path + query
    return visit.go("/sign-in", next=back)
