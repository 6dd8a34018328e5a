"""An authorization request that passed every check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from saaf_autogen.auth.clients import ClientRecord

__all__ = ["AuthorizationRequest", "NextStep"]

NextStep = Literal["sign_in", "consent", "approve"]
"""What a request waits for; ``approve`` means nothing more."""


@dataclass(frozen=True)
class AuthorizationRequest:
    """What a client asks a user for.

    Attributes:
        client: who asks; active, and allowed the grant.
        redirect_uri: where the answer goes; one of the client's.
        state: given back as it came.
        scopes: asked for, known, and the client's to ask for; identity scopes among them.
        audience: the resources that tokens would be for (RFC 8707).
        details: RFC 9396 details, or None.
        nonce: for the ID token.
        prompt: values of OpenID Connect's ``prompt``.
        max_age: seconds since the user last signed in, at most; or None.
        login_hint: what the client takes for the user's name, or None; text of a stranger.
        code_challenge: by S256 (RFC 7636).
        dpop_jkt: thumbprint of the key that the code is bound to (RFC 9449, section 10).
        started_at: when it first came here.
        parameters: as they came, for ``Authorizations.park``.
        pushed: the ``request_uri`` under which it was pushed (RFC 9126), or None.
        parked: the ``request_uri`` under which it waits for its user, or None.
    """

    client: ClientRecord
    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    details: tuple[dict[str, Any], ...] | None
    nonce: str | None
    prompt: frozenset[str]
    max_age: int | None
    login_hint: str | None
    code_challenge: str
    dpop_jkt: str | None
    started_at: datetime
    parameters: tuple[tuple[str, str], ...]
    pushed: str | None = None
    parked: str | None = None
    response_mode: Literal["query"] = "query"

    @property
    def redirect_host(self) -> str:
        """The host that gets the answer, for the consent page; or the scheme of an app's own."""
        parts = urlsplit(self.redirect_uri)
        return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"

    @property
    def goes_to_this_machine(self) -> bool:
        """Whether the answer goes to a program on the user's machine, which any could claim."""
        parts = urlsplit(self.redirect_uri)
        return parts.scheme != "https"
