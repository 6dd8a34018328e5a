"""Why an authorization request is not granted, and where that is told."""

from __future__ import annotations

__all__ = ["PageRefusal", "RedirectRefusal"]


class PageRefusal(Exception):
    """The request cannot be trusted to name where its answer goes: show a page, never redirect.

    Args:
        description: a sentence in printable ASCII, safe to show.
        error: the code of RFC 6749, section 4.1.2.1.
        status: of the page.
    """

    def __init__(
        self, description: str, *, error: str = "invalid_request", status: int = 400
    ) -> None:
        super().__init__(description)
        self.description = description
        self.error = error
        self.status = status


class RedirectRefusal(Exception):
    """The refusal goes to the client, by redirecting the browser.

    Args:
        location: the address, with ``error``, ``state`` and ``iss``.
        error: the code of RFC 6749, section 4.1.2.1.
        description: a sentence in printable ASCII.
    """

    def __init__(self, location: str, *, error: str, description: str) -> None:
        super().__init__(description)
        self.location = location
        self.error = error
        self.description = description
