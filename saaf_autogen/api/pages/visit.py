"""One request of a browser to a page: who it is, what it sent, and what it is answered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.responses import JSONResponse, Response

from saaf_autogen.api.addresses import client_address
from saaf_autogen.api.pages.addresses import with_query
from saaf_autogen.api.pages.faults import FieldFault
from saaf_autogen.api.pages.fields import Fields, query_fields
from saaf_autogen.api.pages.forgery import check_origin, form_token, is_form_token
from saaf_autogen.audit import AuditRecord
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.identity.sessions import SessionRecord
from saaf_autogen.auth.identity.sign_in import principal_of
from saaf_autogen.crypto import digest, new_secret
from saaf_autogen.errors import Forbidden, SaafError

if TYPE_CHECKING:
    from saaf_autogen.api.pages.pages import Pages

__all__ = ["SignInNeeded", "Visit"]

_FRESH = timedelta(minutes=15)
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class SignInNeeded(Exception):
    """The page is for someone who signed in: the browser is sent to do so, and comes back."""


class Visit:
    """One request to a page. It uses the store: make and use it in a thread.

    Attributes:
        session: the browser's session, or None; ``user`` is whose it is.
        browser: a random value by which the server knows this browser again.
    """

    def __init__(self, request: Request, pages: Pages, posted: Fields | None = None) -> None:
        self.request = request
        self.pages = pages
        self._posted = posted
        self._jar = pages.cookies
        self._set: dict[str, str | None] = {}
        sent = request.cookies.get(self._jar.browser, "")
        self.browser = sent if _SECRET.fullmatch(sent) else new_secret()
        if self.browser != sent:
            self._set[self._jar.browser] = self.browser
        self._cookie = request.cookies.get(self._jar.session, "")
        found = pages.people.sessions.find(self._cookie) if self._cookie else None
        self.session: SessionRecord | None = None
        self.user: UserRecord | None = None
        if found:
            self.session, self.user = found
        elif self._cookie:
            self._cookie = ""
            self._set[self._jar.session] = None

    @cached_property
    def fields(self) -> Fields:
        """What the form sent, or without one, what is in the address."""
        return query_fields(self.request) if self._posted is None else self._posted

    @property
    def address(self) -> str:
        """Where the browser is, for back-off and for the list of sessions."""
        return client_address(self.request)

    @property
    def user_agent(self) -> str:
        """What the browser says that it is."""
        return self.request.headers.get("user-agent", "")[:200]

    @cached_property
    def form_token(self) -> str:
        """What every form of the page carries."""
        return form_token(self.pages.key, self.browser, digest(self._cookie))

    def check_form(self) -> None:
        """Let only a form of our own page, in the browser that got it, have effects.

        Raises:
            Forbidden: it came from elsewhere, or the page is of an earlier session.
        """
        check_origin(self.request, self.pages.origin)
        token = self.fields.text("form_token")
        if not is_form_token(token, self.pages.key, self.browser, digest(self._cookie)):
            raise Forbidden(
                "This page was out of date, so nothing was done.",
                remedy="Go back, load the page again, and send its form once more. "
                "Cookies must be allowed for this host.",
            )

    def link(self, path: str, **fields: str) -> str:
        """The address of a page of this host."""
        return with_query(self.pages.base + path, **fields)

    def signed_in(self) -> tuple[SessionRecord, UserRecord]:
        """The session and its user.

        Raises:
            SignInNeeded: there is none.
        """
        if self.session is None or self.user is None:
            raise SignInNeeded
        return self.session, self.user

    @property
    def is_fresh(self) -> bool:
        """Whether the user signed in of late: asked before a new way of signing in is added."""
        if self.session is None:
            return False
        return self.pages.identity.clock.now() - self.session.authenticated_at < _FRESH

    def record(self, action: str, *resources: str, allowed: bool = True, reason: str = "") -> None:
        """Record what the user does, before its effect is told.

        Raises:
            AuditUnavailable: it cannot be recorded, and so must not be done.
        """
        _, user = self.signed_in()
        identity = self.pages.identity
        identity.audit.write_blocking(
            AuditRecord.by(
                principal_of(user, identity.issuer.url),
                action=action,
                door="page",
                at=identity.clock.now(),
                decision="allowed" if allowed else "denied",
                reason=reason,
                resources=resources,
                address=self.address[:64],
            )
        )

    def begin_session(self, user: UserRecord, *, amr: Sequence[str]) -> None:
        """Sign the user in: the browser gets a new session, and the one it had ends."""
        self._cookie, self.session = self.pages.people.sessions.start(
            user,
            amr=amr,
            address=self.address,
            user_agent=self.user_agent,
            replaces=self._cookie or None,
        )
        self.user = user
        self._set[self._jar.session] = self._cookie

    def end_session(self) -> None:
        """Sign out of this browser."""
        if self.session:
            self.pages.people.sessions.end(self.session.id)
        self.session = self.user = None
        self._cookie = ""
        self._set[self._jar.session] = None

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        targets: Iterable[str] = (),
        script: bool = False,
        error: SaafError | None = None,
        **values: Any,
    ) -> Response:
        """A page; its template knows the visit as ``visit``.

        An error is shown at the top, as ``error``; one of a field beside it, as ``fault``.
        """
        beside = isinstance(error, FieldFault)
        values |= {"error": None if beside else error, "fault": error if beside else None}
        values["visit"] = self
        if error:
            status = error.status
        renderer = self.pages.renderer
        response = renderer.page(template, values, status=status, targets=targets, script=script)
        if error and "retry_after" in error.extra:
            response.headers["Retry-After"] = str(error.extra["retry_after"])
        return self._sealed(response)

    def go(self, path: str, **fields: str) -> Response:
        """On to another page of this host."""
        return self.leave(self.link(path, **fields))

    def leave(self, location: str) -> Response:
        """On to an address that was checked already, by GET."""
        headers = {"Location": location, "Cache-Control": "no-store"}
        return self._sealed(Response(status_code=303, headers=headers))

    def data(self, value: Any) -> Response:
        """JSON, for the script of passkeys."""
        return self._sealed(JSONResponse(value, headers={"Cache-Control": "no-store"}))

    def _sealed(self, response: Response) -> Response:
        for name, value in self._set.items():
            if value is None:
                self._jar.drop(response, name)
            else:
                self._jar.put(response, name, value)
        return response
