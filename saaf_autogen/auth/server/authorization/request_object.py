"""Requests by value or by reference of the client's own (RFC 9101), which are not taken."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import OAuth2Error

from saaf_autogen.auth.server.authorization.parameters import Parameters

__all__ = ["refuse_request_objects"]


def refuse_request_objects(asked: Parameters) -> None:
    """A ``request_uri`` of ours was resolved before this; any other would make us fetch it.

    Raises:
        OAuth2Error: ``request_not_supported`` or ``request_uri_not_supported``.
    """
    if asked.get("request") is not None:
        raise OAuth2Error("Request objects are not taken.", error="request_not_supported")
    if asked.get("request_uri") is not None:
        raise OAuth2Error(
            "The request_uri is none that was given here.", error="request_uri_not_supported"
        )
    if asked.get("registration") is not None:
        raise OAuth2Error(
            "Registration parameters are not taken.", error="registration_not_supported"
        )
