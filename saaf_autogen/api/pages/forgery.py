"""Whether a form was sent by a page of this host, in the browser that the page was given to."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from fastapi import Request

from saaf_autogen.errors import Forbidden

__all__ = ["check_origin", "form_token", "is_form_token", "origin_of"]


def origin_of(url: str) -> str:
    """The origin of an address as browsers write it; for a scheme of an app, ``scheme:``."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme.lower()}:"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def check_origin(request: Request, own: str) -> None:
    """Let only a page of this origin post.

    Our own pages ask for no referrer, and browsers then name the origin ``null``: it counts only
    beside ``Sec-Fetch-Site: same-origin``, which no page can set.

    Raises:
        Forbidden: another site sent it, or something that does not say from where.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own_origin = origin == own or (origin in (None, "null") and site == "same-origin")
    if not own_origin or site not in (None, "same-origin"):
        raise Forbidden(
            "This form was not sent from a page of this host.",
            remedy=f"Open the page again at {own} and send its form from there.",
        )


def form_token(key: str, browser: str, session: str) -> str:
    """The token that a page's forms carry: good for one browser, in one session of it."""
    return hmac.digest(key.encode(), f"form|{browser}|{session}".encode(), "sha256").hex()


def is_form_token(token: str, key: str, browser: str, session: str) -> bool:
    """Whether a form carried the token of this browser and session."""
    expected = form_token(key, browser, session)
    return hmac.compare_digest(token.encode(), expected.encode())
