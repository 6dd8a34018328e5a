"""Where a page may send a browser next: to another page of this host, never elsewhere."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

__all__ = ["PAGES", "local_address", "with_query"]

PAGES = ("/oauth/authorize", "/device", "/account", "/sign-out")
"""The pages to which one comes back after signing in."""

_CLEAN = re.compile(r"/[!-\[\]-~]*")
_MAX_LENGTH = 16_384


def local_address(text: str, base: str = "") -> str | None:
    """The text as the path and query of one of ``PAGES`` below ``base``, or None if it is not.

    No scheme, no host, no backslash, nothing outside printable ASCII, no dots for folders: what a
    browser would read as another address than we do.
    """
    if len(text) > _MAX_LENGTH or not _CLEAN.fullmatch(text):
        return None
    parts = urlsplit(text)
    if (
        parts.scheme
        or parts.netloc
        or parts.fragment
        or parts.path not in {base + page for page in PAGES}
    ):
        return None
    return text


def with_query(path: str, **fields: str) -> str:
    """A path with those of the fields that are not empty."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items() if value)
    return f"{path}?{query}" if query else path
