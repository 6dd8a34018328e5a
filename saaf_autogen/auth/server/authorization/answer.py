"""The address that takes the answer to the client."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

__all__ = ["answer_address", "clean"]

_UNCLEAN = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def answer_address(
    redirect_uri: str, *, issuer: str, state: str | None, **members: str | None
) -> str:
    """The redirect URI with the answer in its query; ``iss`` is in every one (RFC 9207)."""
    pairs = {**members, "state": state, "iss": issuer}
    query = urlencode({name: text for name, text in pairs.items() if text}, quote_via=quote)
    joint = "&" if "?" in redirect_uri else "?"
    return f"{redirect_uri}{joint}{query}"


def clean(description: str) -> str:
    """A sentence in the characters of RFC 6749, section 4.1.2.1."""
    return _UNCLEAN.sub("'", description)[:300]
