"""What OpenAPI says of the endpoints' bodies and answers."""

from __future__ import annotations

from typing import Any

from saaf_autogen.auth.server.grants import GRANTS
from saaf_autogen.auth.server.registration import REGISTRABLE_GRANTS

__all__ = ["answers", "form", "registration", "status_of"]

_TEXT: dict[str, Any] = {"type": "string"}
_URI: dict[str, Any] = {"type": "string", "format": "uri"}
_SECRET: dict[str, Any] = {"type": "string", "format": "password"}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_CLIENT: dict[str, Any] = {
    "client_id": _TEXT,
    "client_secret": _SECRET,
    "client_assertion_type": _TEXT,
    "client_assertion": {**_TEXT, "description": "a signed JWT (RFC 7523), instead of a secret"},
}
_TARGET: dict[str, Any] = {
    "scope": {**_TEXT, "description": "names with spaces; default: all of the client's"},
    "resource": {**_URI, "description": "RFC 8707; may be repeated"},
    "authorization_details": {
        **_TEXT,
        "description": "JSON array (RFC 9396) that narrows the token",
    },
}
_FORMS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "token": (
        ["grant_type"],
        {
            "grant_type": {**_TEXT, "enum": [grant.GRANT_TYPE for grant in GRANTS]},
            "code": _TEXT,
            "redirect_uri": _URI,
            "code_verifier": _SECRET,
            "refresh_token": _SECRET,
            "device_code": _SECRET,
            "subject_token": _SECRET,
            "subject_token_type": _TEXT,
            **_TARGET,
        },
    ),
    "revoke": (["token"], {"token": _SECRET, "token_type_hint": _TEXT}),
    "introspect": (["token"], {"token": _SECRET, "token_type_hint": _TEXT}),
    "device_authorization": ([], _TARGET),
    "par": (
        ["response_type", "redirect_uri", "code_challenge", "code_challenge_method"],
        {
            "response_type": {**_TEXT, "enum": ["code"]},
            "redirect_uri": _URI,
            "code_challenge": _TEXT,
            "code_challenge_method": {**_TEXT, "enum": ["S256"]},
            "state": _TEXT,
            "nonce": _TEXT,
            "prompt": _TEXT,
            "max_age": {"type": "integer", "minimum": 0},
            "login_hint": _TEXT,
            "dpop_jkt": _TEXT,
            **_TARGET,
        },
    ),
}
_REGISTRATION: dict[str, Any] = {
    "redirect_uris": _TEXTS,
    "client_name": _TEXT,
    "token_endpoint_auth_method": _TEXT,
    "grant_types": {"type": "array", "items": {**_TEXT, "enum": list(REGISTRABLE_GRANTS)}},
    "scope": _TEXT,
    "jwks": {"type": "object"},
    "jwks_uri": _URI,
    "post_logout_redirect_uris": _TEXTS,
    "id_token_signed_response_alg": _TEXT,
    "dpop_bound_access_tokens": {"type": "boolean"},
    "require_pushed_authorization_requests": {"type": "boolean"},
}
_ANSWERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "token": (
        "200",
        "Tokens",
        {
            "access_token": _TEXT,
            "token_type": {**_TEXT, "enum": ["Bearer", "DPoP"]},
            "expires_in": {"type": "integer", "description": "seconds"},
            "scope": _TEXT,
            "refresh_token": _TEXT,
            "id_token": _TEXT,
        },
    ),
    "revoke": ("200", "It is revoked, or was none", {}),
    "introspect": ("200", "What the token says", {"active": {"type": "boolean"}}),
    "device_authorization": (
        "200",
        "Codes for the device and for the person",
        {
            "device_code": _TEXT,
            "user_code": _TEXT,
            "verification_uri": _URI,
            "verification_uri_complete": _URI,
            "expires_in": {"type": "integer", "description": "seconds"},
            "interval": {"type": "integer", "description": "seconds between polls"},
        },
    ),
    "par": (
        "201",
        "The name of the request",
        {"request_uri": _TEXT, "expires_in": {"type": "integer", "description": "seconds"}},
    ),
    "register": (
        "201",
        "The client",
        {"client_id": _TEXT, "client_secret": _TEXT, "registration_access_token": _TEXT},
    ),
    "userinfo": ("200", "Claims", {"sub": _TEXT, "name": _TEXT, "email": _TEXT}),
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": _TEXT, "error_description": _TEXT},
}


def form(name: str) -> dict[str, Any]:
    """The ``requestBody`` of an endpoint that takes a form."""
    required, properties = _FORMS[name]
    schema = {"type": "object", "properties": {**properties, **_CLIENT}}
    if required:
        schema["required"] = required
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"required": True, "content": content}


def registration() -> dict[str, Any]:
    """The ``requestBody`` of a client's metadata (RFC 7591, section 2)."""
    schema = {"type": "object", "properties": _REGISTRATION}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def status_of(name: str) -> int:
    """The status of an endpoint's good answer."""
    return int(_ANSWERS[name][0])


def answers(name: str) -> dict[str, Any]:
    """The ``responses`` of an endpoint: what it gives, and OAuth's errors (RFC 6749, 5.2)."""
    status, description, properties = _ANSWERS[name]
    schema = {"type": "object", "properties": properties}
    refused = {"description": "Refused", "content": {"application/json": {"schema": _ERROR}}}
    return {
        status: {"description": description, "content": {"application/json": {"schema": schema}}},
        "400": refused,
        "401": refused,
    }
