"""What the grants share whose tokens are a user's: the user's rights now, the family, ID tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidGrantError, OAuth2Error

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.approval import ApprovedOrder
from saaf_autogen.auth.server.families import EndedBecause, FamilyRecord
from saaf_autogen.auth.server.grants.grant import Grant
from saaf_autogen.auth.server.order import (
    TokenOrder,
    audience_within,
    details_within,
    scopes_now,
    scopes_within,
)

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.users import UserRecord

__all__ = ["UserGrant"]


class UserGrant(Grant):
    """A grant whose tokens speak for a user, by an approval that started a family."""

    def bound(self, order: ApprovedOrder) -> ApprovedOrder | None:
        """The order of a new family, or None if the request is not by the key that was approved.

        A public client's family stays with the key of its first redemption (RFC 9449, section 5).
        """
        if order.dpop_jkt is not None and order.dpop_jkt != self.jkt:
            return None
        public = self.record.authentication == "none"
        return replace(order, dpop_jkt=self.jkt if public else None)

    def first_tokens(self, family: FamilyRecord) -> dict[str, Any]:
        """The response to the redemption that started a family.

        Raises:
            OAuth2Error: the user or the client may have no tokens, or more is asked for than was
                approved. The family then ends: what it grew from is used up.
        """
        try:
            body = self.tokens(family, first=True)
        except OAuth2Error:
            self.server.stores.families.revoke(family.id, "its first redemption failed")
            raise
        if "refresh_token" in self.record.grant_types:
            body["refresh_token"] = self.server.stores.refresh_tokens.issue(family)
        return body

    def tokens(self, family: FamilyRecord, *, first: bool) -> dict[str, Any]:
        """Access and ID token of a family, as narrow as the request and the rights of now are.

        Raises:
            OAuth2Error: ``invalid_grant`` if user or client are not active; ``invalid_scope``,
                ``invalid_target``, ``invalid_authorization_details`` if the request widens.
        """
        approved = family.order
        self.request.trace.subject = family.user_id
        self.request.trace.details["family"] = family.id
        user = self._user(family)
        asked = approved.scopes if first else scopes_within(self.request, approved.scopes)
        order = TokenOrder(
            subject=user.id,
            client=self.record.within(family.tenant),
            scopes=scopes_now(asked, self.record, user, self.server.scopes),
            audience=audience_within(self.request, approved.audience),
            details=details_within(self.request, approved.details),
            groups=user.groups,
            attributes=user.attributes,
            family=family.id,
            auth_time=approved.auth_time,
            amr=approved.amr,
            jkt=self.jkt,
        )
        body: dict[str, Any] = self.server.issue(self.request, order)
        if "openid" in order.scopes:
            body["id_token"] = self.server.id_tokens.issue(
                client=self.record,
                user_id=user.id,
                order=approved,
                access_token=body["access_token"],
                first=first,
            )
        return body

    def _user(self, family: FamilyRecord) -> UserRecord:
        client = self.record
        # A client of the same id that was made since is another client.
        if not client.serves(family.tenant) or _is_older(family, client):
            raise self._ended(family, "client is not active")
        user: UserRecord | None = self.server.stores.users.get(family.user_id, tenant=family.tenant)
        if user is None or not user.active:
            raise self._ended(family, "user is not active")
        return user

    def _ended(self, family: FamilyRecord, because: EndedBecause) -> InvalidGrantError:
        self.server.stores.families.revoke(family.id, because)
        return InvalidGrantError("What was approved is no longer good.")


def _is_older(family: FamilyRecord, client: ClientRecord) -> bool:
    # Clients that describe themselves at an address are made by no one.
    return client.origin != "document" and family.created_at < client.created_at
