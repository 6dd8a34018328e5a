"""Access tokens of ours that come back: whose they are, and whether they are good now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.keys import KeySource
from saaf_autogen.auth.server.stores import ServerStores
from saaf_autogen.auth.tokens.revocation import revoked_name
from saaf_autogen.auth.tokens.signature import read_signed
from saaf_autogen.clock import Clock
from saaf_autogen.errors import Unauthenticated

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.users import UserRecord

__all__ = ["LiveToken", "LiveTokens"]

_CLIENT = "client:"


@dataclass(frozen=True)
class LiveToken:
    """An access token that is good now.

    Attributes:
        claims: as signed.
        holder: the subject: a user, or a client.
    """

    claims: Mapping[str, Any]
    holder: UserRecord | ClientRecord

    @property
    def subject(self) -> str:
        """Its ``sub``."""
        return str(self.claims["sub"])

    @property
    def of_client(self) -> bool:
        """Whether the subject is a client."""
        return isinstance(self.holder, ClientRecord)

    @property
    def scopes(self) -> tuple[str, ...]:
        """Its scopes."""
        return tuple(str(self.claims["scope"]).split())

    @property
    def audience(self) -> tuple[str, ...]:
        """The resources that it is for."""
        value = self.claims["aud"]
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def details(self) -> tuple[dict[str, Any], ...] | None:
        """Its RFC 9396 details, or None."""
        value = self.claims.get("authorization_details")
        return None if value is None else tuple(value)

    @property
    def actor(self) -> Mapping[str, Any] | None:
        """Its ``act`` claim, or None."""
        value: Mapping[str, Any] | None = self.claims.get("act")
        return value


class LiveTokens:
    """Reads them. Synchronous: it asks the stores for the subject.

    Args:
        issuer: our name; tokens of others are none.
        keys: our public keys.
        stores: users, clients, what was revoked.
        clock: the time; there is no allowance for other clocks, since it is our own.
    """

    def __init__(self, issuer: str, keys: KeySource, stores: ServerStores, clock: Clock) -> None:
        self._issuer = issuer
        self._keys = keys
        self._stores = stores
        self._clock = clock

    def signed(self, token: str) -> Mapping[str, Any] | None:
        """The claims, if one of our keys signed it as an access token of ours; good or not."""
        try:
            claims = read_signed(token, self._keys)
        except Unauthenticated:
            return None
        return claims if claims.get("iss") == self._issuer else None

    def read(self, token: str) -> LiveToken | None:
        """The token; None if it is none of ours, expired or revoked, or its people are not active.

        Its people are the subject and the client that it was issued to.
        """
        claims = self.signed(token)
        if claims is None or self._clock.now().timestamp() >= claims["exp"]:
            return None
        revoked = self._stores.revoked
        by_admin = revoked_name(claims["tenant"], claims["jti"])
        if any(name in revoked for name in (claims["jti"], claims.get("fam"), by_admin)):
            return None
        client = self._client(claims["client_id"], claims["tenant"])
        holder = self._holder(claims["sub"], claims["tenant"])
        return None if client is None or holder is None else LiveToken(claims, holder)

    def _holder(self, subject: str, tenant: str) -> UserRecord | ClientRecord | None:
        if subject.startswith(_CLIENT):
            return self._client(subject.removeprefix(_CLIENT), tenant)
        user = self._stores.users.get(subject, tenant=tenant)
        return user if user is not None and user.active else None

    def _client(self, client_id: str, tenant: str) -> ClientRecord | None:
        found = self._stores.directory.find(client_id)
        return found if found is not None and found.active and found.serves(tenant) else None
