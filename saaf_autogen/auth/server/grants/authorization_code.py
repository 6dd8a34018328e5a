"""A client redeems the code that a user's browser brought it (RFC 6749, section 4.1; RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError

from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.codes import CodeRecord
from saaf_autogen.auth.server.grants.for_user import UserGrant
from saaf_autogen.auth.server.grants.grant import TokenAnswer

__all__ = ["AuthorizationCode"]

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class AuthorizationCode(UserGrant):
    """PKCE by S256 always. Whoever brings a code uses it up, right or wrong."""

    GRANT_TYPE = "authorization_code"

    def create_token_response(self) -> TokenAnswer:
        """Use the code up; then tokens, if code, client, address, verifier and key belong together.

        Raises:
            InvalidRequestError: ``code`` or ``redirect_uri`` is missing.
            InvalidGrantError: the code is unknown, used, expired or another client's, or the rest
                does not fit. A replay ends the family that the code started.
        """
        form = self.request.form
        if "code" not in form:
            raise InvalidRequestError("code is missing.")
        family = self.server.stores.codes.redeem(
            form["code"], client=self.record, accept=self._accept
        )
        if family is None:
            raise InvalidGrantError("The code is not good, or is not redeemed as it was asked for.")
        return self.answer(self.first_tokens(family))

    def _accept(self, code: CodeRecord) -> ApprovedOrder | None:
        form = self.request.form
        fits = (
            self.record.serves(code.tenant)
            and form.get("redirect_uri") == code.redirect_uri
            and _answers(form.get("code_verifier", ""), code.code_challenge)
        )
        return self.bound(code.order) if fits else None


def _answers(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    hashed = hashlib.sha256(verifier.encode("ascii")).digest()
    expected = base64.urlsafe_b64encode(hashed).rstrip(b"=")
    return hmac.compare_digest(expected, challenge.encode())
