"""Which scopes a client may ask a user for."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidScopeError

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.scopes import IDENTITY_SCOPES, ScopeRegistry, expand, is_scope
from saaf_autogen.auth.server.authorization.parameters import Parameters

__all__ = ["askable_scopes", "identity_scopes"]


def askable_scopes(
    asked: Parameters, client: ClientRecord, registry: ScopeRegistry
) -> tuple[str, ...]:
    """The scopes of the request that are the client's; all of the client's when it names none.

    Identity scopes are every client's. ``offline_access`` is passed over for a client that gets no
    refresh tokens (OpenID Connect Core, section 11).

    Raises:
        InvalidScopeError: one is unknown, or nothing of what was asked for is the client's.
    """
    names = tuple(dict.fromkeys((asked.get("scope") or "").split(" ")))
    names = tuple(name for name in names if name)
    identity = identity_scopes()
    unknown = [name for name in names if name not in registry and name not in identity]
    if unknown:
        named = " ".join(name for name in unknown if is_scope(name))
        raise InvalidScopeError(f"Unknown: {named}" if named else "A scope is malformed.")
    if not names:
        return tuple(scope for scope in client.scopes if scope in registry)
    if "refresh_token" not in client.grant_types:
        identity = identity - {"offline_access"}
    own = expand(client.scopes) | identity
    allowed = tuple(name for name in names if name in own)
    if not allowed:
        raise InvalidScopeError("This client may ask for none of these scopes.")
    return allowed


def identity_scopes() -> frozenset[str]:
    """Names of the scopes that are about the person alone."""
    return frozenset(scope.name for scope in IDENTITY_SCOPES)
