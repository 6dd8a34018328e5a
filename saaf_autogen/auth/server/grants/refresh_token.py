"""A client gets the next tokens of a family (RFC 6749, section 6; RFC 9700, section 4.14)."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError

from saaf_autogen.auth.server.grants.for_user import UserGrant
from saaf_autogen.auth.server.grants.grant import TokenAnswer
from saaf_autogen.auth.server.refresh import RefreshRecord

__all__ = ["RefreshToken"]


class RefreshToken(UserGrant):
    """Each token is good once; the second use of one ends its family."""

    GRANT_TYPE = "refresh_token"

    def create_token_response(self) -> TokenAnswer:
        """The next tokens; a request that asks for too much leaves the token as it was.

        Raises:
            InvalidRequestError: ``refresh_token`` is missing.
            InvalidGrantError: it is unknown, another client's or key's, used, expired or revoked.
        """
        token = self.request.form.get("refresh_token")
        if token is None:
            raise InvalidRequestError("refresh_token is missing.")
        stores = self.server.stores
        record = self._usable(stores.refresh_tokens.find(token))
        body = self.tokens(record.family, first=False)
        following = stores.refresh_tokens.rotate(token, record.family)
        if following is None:
            raise self._reused(record)
        body["refresh_token"] = following
        return self.answer(body)

    def _usable(self, record: RefreshRecord | None) -> RefreshRecord:
        if record is None or record.family.client_id != self.record.id:
            raise _refused()
        key = record.family.order.dpop_jkt
        if key is not None and key != self.jkt:
            raise _refused()
        if record.used_at is not None:
            raise self._reused(record)
        now = self.server.clock.now()
        family = record.family
        if family.revoked_at is not None or now >= min(family.expires_at, record.expires_at):
            raise _refused()
        return record

    def _reused(self, record: RefreshRecord) -> InvalidGrantError:
        self.server.stores.families.revoke(record.family.id, "refresh token was reused")
        return _refused()


def _refused() -> InvalidGrantError:
    return InvalidGrantError("The refresh token is not good here, or no longer.")
