"""Claims about the user of an access token (OpenID Connect Core, section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.identity.users import UserStore
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import InsufficientScope, Unauthenticated

__all__ = ["USER_CLAIMS", "UserInfo", "claims_of"]

USER_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": ("name", "preferred_username", "updated_at"),
    "email": ("email", "email_verified"),
}
"""The claims that a scope gives."""


class UserInfo:
    """Answers who the user of a token is.

    Args:
        issuer: only its own users are known.
        users: reads them; synchronous.
    """

    def __init__(self, issuer: str, users: UserStore) -> None:
        self._issuer = issuer
        self._users = users

    def read(self, principal: Principal) -> dict[str, Any]:
        """The claims that the token's scopes give; synchronous: call it in a thread.

        Raises:
            InsufficientScope: the token is not for ``openid``.
            Unauthenticated: it is not of a user of this host who is active.
        """
        if "openid" not in principal.scopes:
            raise InsufficientScope(["openid"], action="Reading who the user is")
        user = None
        if principal.issuer == self._issuer and principal.kind == "user":
            user = self._users.get(principal.subject)
        if user is None or not user.active or user.tenant != principal.tenant:
            raise Unauthenticated(
                "The access token is of no user of this host.",
                remedy="Ask with a token that a user approved here.",
                extra={"error": "invalid_token"},
            )
        return claims_of(user, principal.scopes)


def claims_of(user: UserRecord, scopes: frozenset[str]) -> dict[str, Any]:
    """What these scopes tell of a user; claims without a value are left out (section 5.3.2)."""
    known: dict[str, Any] = {
        "name": user.name or None,
        "preferred_username": user.username,
        "updated_at": int(user.updated_at.timestamp()),
        "email": user.email,
        "email_verified": user.email_verified if user.email else None,
    }
    given = [name for scope, names in USER_CLAIMS.items() if scope in scopes for name in names]
    return {"sub": user.id, **{name: known[name] for name in given if known[name] is not None}}
