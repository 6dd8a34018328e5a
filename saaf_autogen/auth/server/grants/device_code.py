"""A device asks whether its person has answered (RFC 8628, section 3.4)."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error

from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.grants.for_user import UserGrant
from saaf_autogen.auth.server.grants.grant import TokenAnswer

__all__ = ["DeviceCode"]

_DESCRIPTIONS = {
    "authorization_pending": "The person has not answered yet.",
    "slow_down": "Poll less often: five seconds more from now on.",
    "access_denied": "The person said no.",
    "expired_token": "The person did not answer in time.",
    "invalid_grant": "The device code is not good here, or no longer.",
}


class DeviceCode(UserGrant):
    """The device's code is good for one set of tokens, once a person approved."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"

    def create_token_response(self) -> TokenAnswer:
        """Tokens, or how the waiting stands.

        Raises:
            InvalidRequestError: ``device_code`` is missing.
            OAuth2Error: as RFC 8628, section 3.5, names it.
        """
        device_code = self.request.form.get("device_code")
        if device_code is None:
            raise InvalidRequestError("device_code is missing.")
        found = self.server.stores.devices.poll(
            device_code, client=self.record, accept=self._accept
        )
        if isinstance(found, str):
            raise OAuth2Error(_DESCRIPTIONS[found], error=found)
        return self.answer(self.first_tokens(found))

    def _accept(self, _user_id: str, order: ApprovedOrder) -> ApprovedOrder | None:
        return self.bound(order)
