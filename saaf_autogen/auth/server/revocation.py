"""A client takes back a token of its own (RFC 7009)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from saaf_autogen.auth.server.authentication import METHODS, OAuthClient
from saaf_autogen.auth.server.messages import OAuthForm
from saaf_autogen.auth.tokens.signature import read_signed
from saaf_autogen.errors import Unauthenticated

__all__ = ["Revocation"]

# Verifiers may take a token this much longer than its ``exp`` says.
_SKEW = timedelta(seconds=60)


@dataclass(frozen=True)
class _IssuedToken:
    claims: dict[str, Any]

    def check_client(self, client: OAuthClient) -> bool:
        return bool(self.claims.get("client_id") == client.get_client_id())


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib has no types
    """What is no token of ours counts as revoked already; another client's token is refused."""

    CLIENT_AUTH_METHODS = list(METHODS)

    def check_params(self, request: OAuthForm, client: OAuthClient) -> None:
        """A token must come; an unknown ``token_type_hint`` is a hint and no more."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> _IssuedToken | None:
        """The token, if one of our keys signed it."""
        try:
            return _IssuedToken(read_signed(token_string, self.server.keys))
        except Unauthenticated:
            return None

    def revoke_token(self, token: _IssuedToken, request: OAuthForm) -> None:
        """Remember its id until it would have expired."""
        expires = datetime.fromtimestamp(token.claims["exp"], UTC) + _SKEW
        self.server.revoked.revoke(
            token.claims["jti"], tenant=token.claims["tenant"], expires_at=expires
        )
