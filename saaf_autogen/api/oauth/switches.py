"""What of the authorization server is switched on; the rest is not there."""

from __future__ import annotations

from fastapi import Request

from saaf_autogen.api.security import HasIdentity
from saaf_autogen.errors import NotFound

__all__ = ["identity_state", "only_where_clients_register", "only_where_tokens_are_issued"]


def identity_state(request: Request) -> HasIdentity:
    """The project that a request came to."""
    state: HasIdentity = request.app.state.saaf
    return state


async def only_where_tokens_are_issued(request: Request) -> None:
    """Where ``oauth.enabled`` is false, tokens come from other issuers.

    Raises:
        NotFound: this host issues none.
    """
    if not identity_state(request).identity.metadata.issues:
        raise NotFound(
            "This host issues no tokens.",
            remedy="See /.well-known/oauth-protected-resource for the issuers that it trusts.",
        )


async def only_where_clients_register(request: Request) -> None:
    """Registration is off unless ``oauth.registration`` is ``open``.

    Raises:
        NotFound: clients cannot register themselves here.
    """
    if not identity_state(request).identity.metadata.registers:
        raise NotFound(
            "Clients cannot register themselves here.",
            remedy="Ask an admin for a client, or use a client id metadata document.",
        )
