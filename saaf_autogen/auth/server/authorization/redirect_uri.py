"""Where the answer goes: to one of the client's redirect URIs, or nowhere."""

from __future__ import annotations

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.redirect_uris import redirect_matches
from saaf_autogen.auth.server.authorization.refusals import PageRefusal

__all__ = ["exact_redirect_uri"]


def exact_redirect_uri(asked: str | None, client: ClientRecord) -> str:
    """The redirect URI of a request (RFC 9700, section 4.1): compared as text, never parsed.

    The one exception is the port of a loopback address (RFC 8252, section 7.3).

    Raises:
        PageRefusal: it is none of the client's; nobody is sent there.
    """
    if asked is None:
        raise PageRefusal("The request does not say where its answer goes (redirect_uri).")
    if not any(redirect_matches(registered, asked) for registered in client.redirect_uris):
        raise PageRefusal("The redirect_uri is none of this client's.")
    return asked
