"""A client asks what a token is worth (RFC 7662)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.authentication import CONFIDENTIAL_METHODS, OAuthClient
from saaf_autogen.auth.server.messages import OAuthForm

__all__ = ["Introspection"]

_ACCESS_MEMBERS = (
    "iss",
    "aud",
    "sub",
    "client_id",
    "iat",
    "exp",
    "jti",
    "scope",
    "tenant",
    "groups",
    "attributes",
    "authorization_details",
    "fam",
    "act",
    "auth_time",
    "amr",
    "cnf",
)
Token = dict[str, Any]


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib has no types
    """A client may ask about its own tokens, and with ``introspects`` about those of its tenant.

    Of every other text it learns ``{"active": false}`` and nothing more.
    """

    CLIENT_AUTH_METHODS = list(CONFIDENTIAL_METHODS)

    def check_params(self, request: OAuthForm, client: OAuthClient) -> None:
        """A token must come; an unknown ``token_type_hint`` is a hint and no more."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        """What the answer says of the token, if it is good now."""
        return self._access(token_string) or self._refresh(token_string)

    def check_permission(self, token: Token, client: OAuthClient, request: OAuthForm) -> bool:
        """Whether this client may know."""
        record: ClientRecord = client.record
        return bool(
            record.serves(token["tenant"])
            and (token["client_id"] == record.id or record.introspects)
        )

    def create_introspection_payload(self, token: Token | None) -> dict[str, Any]:
        """The answer (section 2.2)."""
        return {"active": False} if token is None else {"active": True, **token}

    def _access(self, text: str) -> Token | None:
        live = self.server.live_tokens.read(text)
        if live is None:
            return None
        bound = "cnf" in live.claims
        members = {name: live.claims[name] for name in _ACCESS_MEMBERS if name in live.claims}
        return {**members, "token_type": "DPoP" if bound else "Bearer"}

    def _refresh(self, text: str) -> Token | None:
        stores = self.server.stores
        record = stores.refresh_tokens.find(text)
        if record is None or record.used_at is not None or record.family.revoked_at is not None:
            return None
        family = record.family
        expires = min(record.expires_at, family.expires_at)
        user = stores.users.get(family.user_id, tenant=family.tenant)
        client = stores.directory.find(family.client_id)
        if self.server.clock.now() >= expires or not (user and user.active):
            return None
        if client is None or not client.active:
            return None
        return {
            "iss": self.server.issuer,
            "sub": family.user_id,
            "client_id": family.client_id,
            "iat": int(record.created_at.timestamp()),
            "exp": int(expires.timestamp()),
            "scope": " ".join(family.order.scopes),
            "tenant": family.tenant,
        }
