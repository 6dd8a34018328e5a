"""A client exchanges a caller's token for one with which it acts for the caller (RFC 8693)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from saaf_autogen.auth.server.authentication import CONFIDENTIAL_METHODS
from saaf_autogen.auth.server.exchange import (
    ACCESS_TOKEN_TYPE,
    actors_of,
    exchange_order,
    given_token,
)
from saaf_autogen.auth.server.grants.grant import Grant, TokenAnswer

__all__ = ["TokenExchange"]


class TokenExchange(Grant):
    """Delegation alone: ``sub`` stays the caller, and who acts stands in ``act``, outermost first.

    Nothing of the new token is wider than the subject's token, the actor's, or the client's own
    rights; it ends with the first of the tokens, and with the subject's family.
    """

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
    TOKEN_ENDPOINT_AUTH_METHODS = list(CONFIDENTIAL_METHODS)

    def create_token_response(self) -> TokenAnswer:
        """Check both tokens and issue the one that grows from them.

        Raises:
            InvalidRequestError: a token is not good here, or another type is asked for.
            OAuth2Error: the request widens (``exchange_order``).
        """
        form = self.request.form
        if form.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
            raise InvalidRequestError("Only access tokens are given in exchange.")
        tokens = self.server.live_tokens
        subject = given_token(self.request, "subject_token", tokens, self.record)
        actor = None
        if "actor_token" in form or "actor_token_type" in form:
            actor = given_token(self.request, "actor_token", tokens, self.record)
        order = exchange_order(
            self.request,
            client=self.record,
            subject=subject,
            actor=actor,
            registry=self.server.scopes,
            jkt=self.jkt,
        )
        self.request.trace.actors = tuple(actors_of(order.actor))
        body: dict[str, Any] = self.server.issue(self.request, order)
        return self.answer({**body, "issued_token_type": ACCESS_TOKEN_TYPE})
