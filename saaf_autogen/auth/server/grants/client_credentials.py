"""A client asks for a token for itself (RFC 6749, section 4.4)."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidClientError

from saaf_autogen.auth.server.authentication import CONFIDENTIAL_METHODS
from saaf_autogen.auth.server.grants.grant import Grant, TokenAnswer
from saaf_autogen.auth.server.order import TokenOrder, audience_for, details_for, scopes_for

__all__ = ["ClientCredentials"]


class ClientCredentials(Grant):
    """The subject is ``client:ID``, a name that no user can have. Not for public clients."""

    GRANT_TYPE = "client_credentials"
    TOKEN_ENDPOINT_AUTH_METHODS = list(CONFIDENTIAL_METHODS)

    def create_token_response(self) -> TokenAnswer:
        """Check what is asked for and issue the token; there is no refresh token."""
        record = self.record
        if record.authentication == "none":
            raise InvalidClientError("A public client cannot act for itself.", status_code=401)
        order = TokenOrder(
            subject=f"client:{record.id}",
            client=record,
            scopes=scopes_for(self.request, record, self.server.scopes),
            audience=audience_for(self.request, self.server.resources),
            details=details_for(self.request),
            groups=record.groups,
            attributes=record.attributes,
            jkt=self.jkt,
        )
        return self.answer(self.server.issue(self.request, order))
