"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), as far as no page is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.server.authorization import PageRefusal
from saaf_autogen.auth.server.authorization.parameters import Parameters
from saaf_autogen.auth.server.directory import ClientDirectory
from saaf_autogen.auth.server.id_token import IdTokens
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import new_secret

__all__ = ["Logout", "LogoutRequest"]

_WAITS_S = 900
_MAX_BYTES = 16_384
_MAX_FIELDS = 60
_NAME = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class LogoutRequest:
    """What a client asks for, checked.

    Attributes:
        client_id: who asks; None if nobody said.
        title: what the client is called, for the page.
        user_id: whom the ``id_token_hint`` names; None without a hint that is ours.
        session_id: the browser session (``sid``) that it names.
        location: where the browser goes afterwards, ``state`` in it; None: it stays here.
        vouched_for: whether somebody here made the client. To any other, nobody is sent unasked:
            its link would make this host a springboard for phishing.
    """

    client_id: str | None = None
    title: str = ""
    user_id: str | None = None
    session_id: str | None = None
    location: str | None = None
    vouched_for: bool = False


class Logout:
    """Reads requests, and keeps them while the page asks the user.

    A hint proves which client and user it was issued for, however long ago it expired; it does not
    prove who sends it, so that the page still asks unless it names the very session of the browser.

    Args:
        directory: finds clients.
        id_tokens: reads hints.
        once: keeps requests for a quarter of an hour.
        clock: the time.
    """

    def __init__(
        self, directory: ClientDirectory, id_tokens: IdTokens, once: OneTimeStore, clock: Clock
    ) -> None:
        self._directory = directory
        self._id_tokens = id_tokens
        self._once = once
        self._clock = clock

    async def prepare(self, encoded: str) -> None:
        """Fetch what ``read`` needs of other hosts. Call it before."""
        try:
            asked = _parameters(encoded)
        except PageRefusal:
            return
        hint = self._id_tokens.read(asked.get("id_token_hint") or "") or {}
        audience = hint.get("aud")
        await self._directory.prepare(
            asked.get("client_id") or (audience if isinstance(audience, str) else None)
        )

    def read(self, encoded: str) -> LogoutRequest:
        """The request of a query or a form, undecoded. Synchronous: call it in a thread.

        Raises:
            PageRefusal: the hint is none of ours or another client's, or the
                ``post_logout_redirect_uri`` is none of the client's; nobody is sent anywhere.
        """
        asked = _parameters(encoded)
        client_id, hint = asked.get("client_id"), asked.get("id_token_hint")
        claims: Mapping[str, Any] = {}
        if hint is not None:
            known = self._id_tokens.read(hint)
            if known is None:
                raise PageRefusal("The id_token_hint is none that was issued here of late.")
            claims = known
            if client_id not in (None, claims.get("aud")):
                raise PageRefusal("The id_token_hint was issued to another client.")
            client_id = str(claims.get("aud"))
        client = self._directory.find(client_id) if client_id else None
        if client_id is not None and (client is None or not client.active):
            raise PageRefusal("The client is not known here.")
        return LogoutRequest(
            client_id=client_id,
            title=client.title if client else "",
            user_id=_text(claims, "sub"),
            session_id=_text(claims, "sid"),
            location=_location(asked, client),
            vouched_for=client is not None and client.vouched_for,
        )

    def keep(self, request: LogoutRequest) -> str:
        """Keep a request while the page asks its user; returns its name."""
        name = new_secret()
        expires = self._clock.now() + timedelta(seconds=_WAITS_S)
        self._once.put("logout", name, expires_at=expires, data=asdict(request))
        return name

    def find(self, name: str) -> LogoutRequest | None:
        """The request of that name, which stays."""
        data = self._once.peek("logout", name) if _NAME.fullmatch(name) else None
        return None if data is None else LogoutRequest(**data)

    def take(self, name: str) -> LogoutRequest | None:
        """The request of that name, which is then gone."""
        data = self._once.take("logout", name) if _NAME.fullmatch(name) else None
        return None if data is None else LogoutRequest(**data)


def _parameters(encoded: str) -> Parameters:
    if len(encoded) > _MAX_BYTES:
        raise PageRefusal("The request is too long.", status=414)
    try:
        pairs: Sequence[tuple[str, str]] = parse_qsl(
            encoded, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError as error:
        raise PageRefusal("The request is no query in UTF-8.") from error
    return Parameters(tuple(pairs))


def _location(asked: Parameters, client: ClientRecord | None) -> str | None:
    uri, state = asked.get("post_logout_redirect_uri"), asked.get("state")
    if uri is None:
        return None
    if client is None or uri not in client.post_logout_redirect_uris:
        raise PageRefusal("The post_logout_redirect_uri is none of the client's.")
    if state is None:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}state={quote(state, safe='')}"


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) else None
