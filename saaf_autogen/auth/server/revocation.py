"""A client takes back a token of its own (RFC 7009)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from saaf_autogen.auth.server.authentication import METHODS, OAuthClient
from saaf_autogen.auth.server.messages import OAuthForm

__all__ = ["Revocation"]


@dataclass(frozen=True)
class _IssuedToken:
    kind: Literal["access", "refresh"]
    id: str
    client_id: str
    tenant: str

    def check_client(self, client: OAuthClient) -> bool:
        return self.client_id == client.get_client_id() and client.record.serves(self.tenant)


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib has no types
    """What is no token of ours counts as revoked already; another client's token is refused.

    A refresh token takes its family with it, access tokens and all; an access token ends alone.
    """

    CLIENT_AUTH_METHODS = list(METHODS)

    def check_params(self, request: OAuthForm, client: OAuthClient) -> None:
        """A token must come; an unknown ``token_type_hint`` is a hint and no more."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> _IssuedToken | None:
        """The token, if one of our keys signed it, or if it is a refresh token of ours."""
        claims = self.server.live_tokens.signed(token_string)
        if claims is not None:
            return _IssuedToken("access", claims["jti"], claims["client_id"], claims["tenant"])
        record = self.server.stores.refresh_tokens.find(token_string)
        if record is None:
            return None
        family = record.family
        return _IssuedToken("refresh", family.id, family.client_id, family.tenant)

    def revoke_token(self, token: _IssuedToken, request: OAuthForm) -> None:
        """End it, for this process at once and for others within two seconds."""
        stores = self.server.stores
        request.trace.details[token.kind] = token.id
        if token.kind == "refresh":
            stores.families.revoke(token.id, "revoked by its client")
        else:
            stores.revoked.revoke(token.id, tenant=token.tenant)
