"""A client asks for a token for itself (RFC 6749, section 4.4)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from saaf_autogen.auth.server.authentication import METHODS
from saaf_autogen.auth.server.order import TokenOrder, audience_for, details_for, scopes_for

__all__ = ["ClientCredentials"]


class ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    """The subject is ``client:ID``, a name that no user can have."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(METHODS)

    def validate_requested_scope(self) -> None:
        """Nothing yet: scopes are checked against the client, with the rest of the order."""

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Check what is asked for and issue the token; there is no refresh token."""
        record = self.request.client.record
        order = TokenOrder(
            subject=f"client:{record.id}",
            client=record,
            scopes=scopes_for(self.request, record, self.server.scopes),
            audience=audience_for(self.request, self.server.resources),
            details=details_for(self.request),
        )
        return 200, self.server.access_tokens.issue(order), self.TOKEN_RESPONSE_HEADER
