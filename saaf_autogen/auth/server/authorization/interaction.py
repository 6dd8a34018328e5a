"""What the client says of the user: ``prompt``, ``max_age``, ``login_hint``, ``nonce``."""

from __future__ import annotations

import re

from authlib.oauth2.rfc6749 import OAuth2Error

from saaf_autogen.auth.server.authorization.parameters import Parameters

__all__ = ["PROMPTS", "asked_nonce", "asked_prompt", "given_hint", "greatest_age"]

PROMPTS = ("none", "login", "consent", "select_account")
_MAX_NONCE = 512
_MAX_HINT = 320
_SECONDS = re.compile(r"[0-9]{1,9}")


def asked_prompt(asked: Parameters) -> frozenset[str]:
    """What the user is to be asked (OpenID Connect Core, section 3.1.2.1).

    Raises:
        OAuth2Error: ``invalid_request``; a value is unknown, or ``none`` stands beside another.
    """
    values = frozenset((asked.get("prompt") or "").split(" ")) - {""}
    if not values <= set(PROMPTS):
        raise OAuth2Error(f"The prompt is of {', '.join(PROMPTS)}.", error="invalid_request")
    if "none" in values and len(values) > 1:
        raise OAuth2Error("The prompt none stands alone.", error="invalid_request")
    return values


def greatest_age(asked: Parameters) -> int | None:
    """How many seconds ago the user may have signed in, at most.

    Raises:
        OAuth2Error: ``invalid_request``; it is no number.
    """
    text = asked.get("max_age")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise OAuth2Error("The max_age is a number of seconds.", error="invalid_request")
    return int(text)


def asked_nonce(asked: Parameters) -> str | None:
    """The nonce of the ID token.

    Raises:
        OAuth2Error: ``invalid_request``; it is too long to be carried about.
    """
    nonce = asked.get("nonce")
    if nonce is not None and len(nonce) > _MAX_NONCE:
        raise OAuth2Error(f"The nonce is over {_MAX_NONCE} characters.", error="invalid_request")
    return nonce


def given_hint(asked: Parameters) -> str | None:
    """The user's name as the client takes it, if it could be one."""
    hint = asked.get("login_hint")
    return hint if hint is not None and len(hint) <= _MAX_HINT and hint.isprintable() else None
