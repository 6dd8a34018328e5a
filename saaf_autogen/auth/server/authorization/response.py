"""How the answer is given: a code, in the query of the redirect URI, and in no other way."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import OAuth2Error

from saaf_autogen.auth.server.authorization.parameters import Parameters

__all__ = ["RESPONSE_MODES", "RESPONSE_TYPES", "code_by_query"]

RESPONSE_TYPES = ("code",)
RESPONSE_MODES = ("query",)


def code_by_query(asked: Parameters) -> None:
    """Refuse every response type and mode that would put a token into an address.

    Raises:
        OAuth2Error: ``unsupported_response_type`` or ``invalid_request``.
    """
    response_type = asked.get("response_type")
    if response_type is None:
        raise OAuth2Error("The response_type is missing.", error="invalid_request")
    if response_type not in RESPONSE_TYPES:
        raise OAuth2Error("The response_type is code.", error="unsupported_response_type")
    if asked.get("response_mode") not in (None, *RESPONSE_MODES):
        raise OAuth2Error("The response_mode is query.", error="invalid_request")
