"""Proof Key for Code Exchange (RFC 7636): always, of every client, and by S256 alone."""

from __future__ import annotations

import re

from authlib.oauth2.rfc6749 import OAuth2Error

from saaf_autogen.auth.server.authorization.parameters import Parameters

__all__ = ["CHALLENGE_METHODS", "code_challenge"]

CHALLENGE_METHODS = ("S256",)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def code_challenge(asked: Parameters) -> str:
    """The challenge: SHA-256 of the verifier, in base64url.

    Raises:
        OAuth2Error: ``invalid_request``; there is none, or by ``plain``, which is the default of
            RFC 7636 when no method is named.
    """
    challenge = asked.get("code_challenge")
    if challenge is None:
        raise OAuth2Error("PKCE is required: send a code_challenge.", error="invalid_request")
    if asked.get("code_challenge_method") not in CHALLENGE_METHODS:
        raise OAuth2Error("The code_challenge_method is S256.", error="invalid_request")
    if not _CHALLENGE.fullmatch(challenge):
        raise OAuth2Error("The code_challenge is no SHA-256 in base64url.", error="invalid_request")
    return challenge
