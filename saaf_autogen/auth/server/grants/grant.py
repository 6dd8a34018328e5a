"""What every grant of the token endpoint does first, and how it answers."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin, UnauthorizedClientError

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.authentication import METHODS

__all__ = ["Grant", "TokenAnswer"]

TokenAnswer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class Grant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no types
    """A grant: its client is authenticated and may use it, and its DPoP proof holds.

    Attributes:
        request: an ``OAuthForm``; its ``trace`` is for the audit.
        server: see ``engine.py``.
        jkt: thumbprint of the key of the request's DPoP proof, or None if it has none.
    """

    TOKEN_ENDPOINT_AUTH_METHODS = list(METHODS)
    jkt: str | None = None

    @property
    def record(self) -> ClientRecord:
        """The client that asks."""
        found: ClientRecord = self.request.client.record
        return found

    def validate_token_request(self) -> None:
        """Authenticate the client, see whether it may use this grant, check its proof."""
        self.request.client = self.authenticate_token_endpoint_client()
        if not self.request.client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("This client may not use this grant type.")
        self.jkt = self.server.proof_key(self.request, self.record)

    def answer(self, body: dict[str, Any]) -> TokenAnswer:
        """A token response."""
        return 200, body, self.TOKEN_RESPONSE_HEADER
