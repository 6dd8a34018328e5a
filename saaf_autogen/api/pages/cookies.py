"""The two cookies of the pages: the session, and which browser this is."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import Response

__all__ = ["CookieJar"]


@dataclass(frozen=True)
class CookieJar:
    """Names and attributes of the cookies.

    Over https the names have the prefix ``__Host-``: browsers then take them from this host alone
    and over TLS alone. Plain http, which is for development on loopback, cannot have ``Secure``
    and so not the prefix; there the port is part of the name, because cookies know no ports.

    Attributes:
        session: holds the secret of the session.
        browser: holds a random value, to which form tokens are bound before there is a session.
    """

    session: str
    browser: str
    secure: bool

    @classmethod
    def of(cls, url: str) -> CookieJar:
        """The cookies of the host with this public address."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            return cls("__Host-saaf_session", "__Host-saaf_browser", secure=True)
        port = parts.port or 80
        return cls(f"saaf_session_{port}", f"saaf_browser_{port}", secure=False)

    def put(self, response: Response, name: str, value: str) -> None:
        """Set a cookie until the browser closes; the server ends sessions earlier."""
        response.set_cookie(
            name, value, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def drop(self, response: Response, name: str) -> None:
        """Have the browser forget a cookie."""
        response.delete_cookie(name, path="/", secure=self.secure, httponly=True, samesite="lax")
