"""Authorization requests from their first sight to their answer; each check is a file beside this.

RFC 6749, section 4.1, as tightened by RFC 9700 and OAuth 2.1; OpenID Connect Core, section 3.1.2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode

from authlib.oauth2.rfc6749 import OAuth2Error

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.scopes import ScopeRegistry, expand
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.authorization.answer import answer_address, clean
from saaf_autogen.auth.server.authorization.interaction import (
    asked_nonce,
    asked_prompt,
    given_hint,
    greatest_age,
)
from saaf_autogen.auth.server.authorization.known_client import known_client
from saaf_autogen.auth.server.authorization.parameters import Parameters, read_query
from saaf_autogen.auth.server.authorization.pkce import code_challenge
from saaf_autogen.auth.server.authorization.redirect_uri import exact_redirect_uri
from saaf_autogen.auth.server.authorization.refusals import PageRefusal, RedirectRefusal
from saaf_autogen.auth.server.authorization.request import AuthorizationRequest, NextStep
from saaf_autogen.auth.server.authorization.request_object import refuse_request_objects
from saaf_autogen.auth.server.authorization.response import code_by_query
from saaf_autogen.auth.server.authorization.scope import askable_scopes, identity_scopes
from saaf_autogen.auth.server.authorization.sender_key import bound_key
from saaf_autogen.auth.server.authorization.target import asked_details, known_audience
from saaf_autogen.auth.server.authorization.waiting import (
    PUSHED_S,
    WaitingRequest,
    WaitingRequests,
    is_waiting_uri,
)
from saaf_autogen.auth.server.codes import CodeStore
from saaf_autogen.auth.server.consents import ConsentStore
from saaf_autogen.auth.server.directory import ClientDirectory
from saaf_autogen.clock import Clock

__all__ = ["Authorizations", "BrowserSession"]


class BrowserSession(Protocol):
    """What is asked of a signed-in browser's session."""

    @property
    def id(self) -> str:
        """Its id, which is no secret."""
        ...

    @property
    def amr(self) -> Sequence[str]:
        """How the user signed in (RFC 8176)."""
        ...

    @property
    def authenticated_at(self) -> datetime:
        """When the user signed in."""
        ...


class Authorizations:
    """What a user may be asked for, and how the answer reaches the client.

    Synchronous: call it in a thread from async code, after ``await prepare(query)``.

    Nobody is sent to a client that no one vouched for (it registered itself, or is read from a
    document) before they signed in: a faulty request would make this host a springboard for
    phishing (RFC 9700, section 4.11.2).

    Args:
        issuer: the name that stands in every answer.
        directory: finds clients.
        scopes: all scopes that this host knows.
        resources: what tokens may be for; the first is the default.
        codes: makes codes.
        consents: what users allowed before.
        once: keeps pushed and parked requests.
        clock: the time.
    """

    def __init__(
        self,
        *,
        issuer: str,
        directory: ClientDirectory,
        scopes: ScopeRegistry,
        resources: Sequence[str],
        codes: CodeStore,
        consents: ConsentStore,
        once: OneTimeStore,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._directory = directory
        self._scopes = scopes
        self._resources = tuple(resources)
        self._codes = codes
        self._consents = consents
        self._waiting = WaitingRequests(once, clock)
        self._clock = clock

    async def prepare(self, query: str) -> None:
        """Fetch what ``read`` needs of other hosts: a client's document. Call it before."""
        try:
            client_id = read_query(query).get("client_id")
        except PageRefusal:
            return
        await self._directory.prepare(client_id)

    def read(self, query: str) -> AuthorizationRequest:
        """The request of an authorization endpoint's query, undecoded.

        Raises:
            PageRefusal: tell the user on a page; there is no address to be trusted.
            RedirectRefusal: send the browser to its ``location``.
        """
        asked = read_query(query)
        uri = asked.get("request_uri")
        waiting = None
        if uri is not None and is_waiting_uri(uri):
            waiting = self._waiting.find(uri, asked.get("client_id"))
            if waiting is None:
                raise _used_up()
            asked = waiting.parameters
        waiting = waiting or WaitingRequest(asked, self._clock.now())
        client = known_client(asked.get("client_id"), self._directory)
        redirect_uri = exact_redirect_uri(asked.get("redirect_uri"), client)
        with self._told(client, redirect_uri, asked.get("state")):
            if client.requires_par and waiting.pushed is None:
                raise OAuth2Error(
                    "This client's requests must be pushed (RFC 9126).", error="invalid_request"
                )
            return self._checked(waiting, client, redirect_uri)

    def push(
        self, client: ClientRecord, pairs: Sequence[tuple[str, str]], *, dpop_jkt: str | None
    ) -> tuple[str, int]:
        """Check and keep a request that its authenticated client pushed.

        Returns:
            Its ``request_uri``, and for how many seconds it can be opened.

        Raises:
            OAuth2Error: what a browser would be told, or shown on a page.
        """
        try:
            asked = Parameters(tuple(pairs))
            if asked.get("request_uri") is not None:
                raise PageRefusal("A request_uri cannot be pushed.")
            if asked.get("client_id") != client.id:
                raise PageRefusal("The client_id is not the client's that pushes.")
            client = known_client(client.id, self._directory)
            redirect_uri = exact_redirect_uri(asked.get("redirect_uri"), client)
        except PageRefusal as error:
            raise OAuth2Error(clean(error.description), error=error.error) from error
        waiting = WaitingRequest(asked, self._clock.now(), dpop_jkt)
        self._checked(waiting, client, redirect_uri)
        return self._waiting.push(client, asked.known(), dpop_jkt), PUSHED_S

    def park(self, request: AuthorizationRequest) -> str:
        """A short query that stands for the request for a quarter of an hour.

        Send the browser back to the authorization endpoint with it after the sign-in, and have
        the consent page post it: it remembers when the request came, so that ``prompt=login``
        and ``max_age`` are met by one sign-in, and by no older one.
        """
        uri = request.parked or self._waiting.park(
            request.client,
            request.parameters,
            started_at=request.started_at,
            dpop_jkt=request.dpop_jkt,
            pushed=request.pushed,
        )
        return urlencode({"client_id": request.client.id, "request_uri": uri})

    def next_step(
        self,
        request: AuthorizationRequest,
        session: BrowserSession | None,
        user: UserRecord | None,
    ) -> NextStep:
        """What the request waits for, given who is signed in with this browser.

        Raises:
            RedirectRefusal: the client forbade to ask (``prompt=none``), or the user cannot have
                what it asks for.
            PageRefusal: it forbade to ask, nobody is signed in, and no one vouched for it.
        """
        if session is None or user is None or must_sign_in(request, session) or not user.active:
            if "none" not in request.prompt:
                return "sign_in"
            if not request.client.vouched_for:
                raise PageRefusal("The user is not signed in.", error="login_required")
            raise self._refusal(request, "login_required", "The user is not signed in.")
        granted = self._granted(request, user, request.scopes)
        if not self._must_consent(request, user, granted):
            return "approve"
        if "none" in request.prompt:
            raise self._refusal(request, "consent_required", "The user has not allowed this.")
        return "consent"

    def grantable(self, request: AuthorizationRequest, user: UserRecord) -> tuple[str, ...]:
        """The scopes of the request that this user can give: what a consent page shows.

        Raises:
            RedirectRefusal: there is none, or the client belongs to another tenant.
        """
        return self._granted(request, user, request.scopes)

    def approve(
        self,
        request: AuthorizationRequest,
        user: UserRecord,
        session: BrowserSession,
        scopes: Collection[str],
    ) -> str:
        """The address that takes a code to the client; the consent is remembered.

        Args:
            request: as ``read`` gave it.
            user: who approves.
            session: with which they are signed in.
            scopes: what they approved of what was asked for; the rest is left out.

        Raises:
            PageRefusal: the request was answered before.
            RedirectRefusal: the user must sign in again, or can give none of this.
        """
        if must_sign_in(request, session) or not user.active:
            raise self._refusal(request, "login_required", "The user must sign in again.")
        granted = self._granted(request, user, set(scopes))
        if not self._waiting.use(pushed=request.pushed, parked=request.parked):
            raise _used_up()
        client = request.client.within(user.tenant)
        if not client.first_party:
            self._consents.remember(user, client, granted, request.details)
        code = self._codes.issue(
            client=client,
            user=user,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            order=ApprovedOrder(
                scopes=granted,
                audience=request.audience,
                details=request.details,
                nonce=request.nonce,
                auth_time=int(session.authenticated_at.timestamp()),
                amr=tuple(session.amr),
                session_id=session.id,
                dpop_jkt=request.dpop_jkt,
            ),
        )
        return answer_address(
            request.redirect_uri, issuer=self._issuer, state=request.state, code=code
        )

    def deny(
        self,
        request: AuthorizationRequest,
        error: str = "access_denied",
        description: str = "The user refused.",
    ) -> str:
        """The address that takes a refusal to the client; the request is used up."""
        self._waiting.use(pushed=request.pushed, parked=request.parked)
        return self._refusal(request, error, description).location

    def _checked(
        self, waiting: WaitingRequest, client: ClientRecord, redirect_uri: str
    ) -> AuthorizationRequest:
        """Every check whose refusal may go to the client.

        Raises:
            OAuth2Error: the first one that failed.
        """
        asked = waiting.parameters
        refuse_request_objects(asked)
        code_by_query(asked)
        return AuthorizationRequest(
            client=client,
            redirect_uri=redirect_uri,
            state=asked.get("state"),
            code_challenge=code_challenge(asked),
            scopes=askable_scopes(asked, client, self._scopes),
            audience=known_audience(asked, self._resources),
            details=asked_details(asked),
            nonce=asked_nonce(asked),
            prompt=asked_prompt(asked),
            max_age=greatest_age(asked),
            login_hint=given_hint(asked),
            dpop_jkt=bound_key(asked, proven=waiting.dpop_jkt),
            started_at=waiting.started_at,
            parameters=asked.known(),
            pushed=waiting.pushed,
            parked=waiting.parked,
        )

    def _granted(
        self, request: AuthorizationRequest, user: UserRecord, approved: Collection[str]
    ) -> tuple[str, ...]:
        """Asked for ∩ approved ∩ (the user's own ∪ identity scopes)."""
        if not request.client.serves(user.tenant):
            raise self._refusal(request, "access_denied", "The client is not for this user.")
        own = expand(user.scopes) | identity_scopes()
        granted = tuple(name for name in request.scopes if name in approved and name in own)
        if not granted:
            raise self._refusal(request, "access_denied", "The user can give none of this.")
        return granted

    def _must_consent(
        self, request: AuthorizationRequest, user: UserRecord, granted: Sequence[str]
    ) -> bool:
        client = request.client.within(user.tenant)
        if "consent" in request.prompt:
            return True
        if client.first_party:
            return False
        # Any program may take the name of one on the user's machine (RFC 8252, section 8.6).
        if client.authentication == "none" and request.goes_to_this_machine:
            return True
        return not self._consents.covers(user, client, granted, request.details)

    @contextmanager
    def _told(self, client: ClientRecord, redirect_uri: str, state: str | None) -> Iterator[None]:
        """Tell the client of a refusal; or the user, where anybody could have made the client."""
        try:
            yield
        except OAuth2Error as error:
            description = clean(error.description or "")
            if not client.vouched_for:
                raise PageRefusal(description, error=error.error) from error
            location = answer_address(
                redirect_uri,
                issuer=self._issuer,
                state=state,
                error=error.error,
                error_description=description,
            )
            raise RedirectRefusal(location, error=error.error, description=description) from error

    def _refusal(
        self, request: AuthorizationRequest, error: str, description: str
    ) -> RedirectRefusal:
        location = answer_address(
            request.redirect_uri,
            issuer=self._issuer,
            state=request.state,
            error=error,
            error_description=clean(description),
        )
        return RedirectRefusal(location, error=error, description=clean(description))


def must_sign_in(request: AuthorizationRequest, session: BrowserSession) -> bool:
    """Whether the session is too old for the request (``prompt``, ``max_age``)."""
    age = (request.started_at - session.authenticated_at).total_seconds()
    if age > 0 and not request.prompt.isdisjoint({"login", "select_account"}):
        return True
    return request.max_age is not None and age > request.max_age


def _used_up() -> PageRefusal:
    return PageRefusal(
        "The request has expired or was answered before: start again where you came from.",
        error="invalid_request_uri",
    )
