"""A device asks for a code for itself and one for its person (RFC 8628, section 3.1)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import (
    Endpoint,
    InvalidScopeError,
    UnauthorizedClientError,
)

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.scopes import ScopeRegistry, expand
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.authentication import METHODS
from saaf_autogen.auth.server.grants.device_code import DeviceCode
from saaf_autogen.auth.server.grants.grant import TokenAnswer
from saaf_autogen.auth.server.messages import OAuthForm
from saaf_autogen.auth.server.order import (
    IDENTITY_NAMES,
    asked_scopes,
    audience_for,
    details_for,
)

__all__ = ["DeviceAuthorizationEndpoint"]


class DeviceAuthorizationEndpoint(Endpoint):  # type: ignore[misc]  # Authlib has no types
    """The order is kept as it was asked; the page shows it and a person approves it or less."""

    ENDPOINT_NAME = "device_authorization"

    def create_endpoint_response(self, request: OAuthForm) -> TokenAnswer:
        """Both codes, where to go with one, and how often to ask with the other.

        Raises:
            InvalidClientError: the client did not authenticate.
            UnauthorizedClientError: it may not use this grant.
            InvalidScopeError: a scope is unknown or not the client's.
        """
        request.client = self.server.authenticate_client(request, METHODS)
        record: ClientRecord = request.client.record
        if not request.client.check_grant_type(DeviceCode.GRANT_TYPE):
            raise UnauthorizedClientError("This client may not use this grant type.")
        order = ApprovedOrder(
            scopes=_scopes(request, record, self.server.scopes),
            audience=audience_for(request, self.server.resources),
            details=details_for(request),
            dpop_jkt=self.server.proof_key(request, record, required=False),
        )
        made = self.server.stores.devices.begin(record, order)
        address = f"{self.server.issuer}/device"
        body: dict[str, Any] = {
            "device_code": made.device_code,
            "user_code": made.user_code,
            "verification_uri": address,
            "verification_uri_complete": f"{address}?user_code={made.user_code}",
            "expires_in": made.expires_in,
            "interval": made.interval,
        }
        return 200, body, DeviceCode.TOKEN_RESPONSE_HEADER


def _scopes(request: OAuthForm, client: ClientRecord, registry: ScopeRegistry) -> tuple[str, ...]:
    """Those of the request, or all of the client's; what the person may not have goes later."""
    asked = asked_scopes(request)
    unknown = [name for name in asked if name not in registry and name not in IDENTITY_NAMES]
    if unknown:
        raise InvalidScopeError("A scope is not known here.")
    allowed = expand(client.scopes) | IDENTITY_NAMES
    usable = (name for name in asked or client.scopes if name in allowed)
    wanted = tuple(name for name in usable if name in registry or name in IDENTITY_NAMES)
    if not wanted:
        raise InvalidScopeError("This client may have none of these scopes.")
    return wanted
