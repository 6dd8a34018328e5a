"""Pushed authorization requests (RFC 9126): a client sends its request first, and proves itself."""

from __future__ import annotations

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.authorization import Authorizations
from saaf_autogen.auth.server.issuer import Issuer
from saaf_autogen.auth.server.messages import Answer, FormRequest, OAuthForm

__all__ = ["PushedRequests"]

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class PushedRequests:
    """The endpoint. Synchronous: call it in a thread from async code.

    Args:
        issuer: tells which client pushes (public ones may, too), and which key it holds.
        authorizations: checks and keeps requests.
    """

    def __init__(self, issuer: Issuer, authorizations: Authorizations) -> None:
        self._issuer = issuer
        self._authorizations = authorizations

    def push(self, request: FormRequest) -> Answer:
        """Keep a request for a minute, in which its user's browser is to come with its name."""
        return self._issuer.further("par", request, self._keep)

    def _keep(self, form: OAuthForm, client: ClientRecord, key: str | None) -> Answer:
        pairs = [(name, value) for name in form.payload.datalist for value in form.values(name)]
        if "client_id" not in form.form:
            # Who authenticated in a header need not say its name again.
            pairs.append(("client_id", client.id))
        uri, lasts = self._authorizations.push(client, pairs, dpop_jkt=key)
        return Answer(201, {"request_uri": uri, "expires_in": lasts}, _NO_STORE)
