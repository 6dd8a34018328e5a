"""How a client proves who it is at the token endpoint: exactly one way a request."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Protocol
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, InvalidRequestError

from saaf_autogen.auth.clients import ClientRecord, ClientStore
from saaf_autogen.auth.server.assertions import ASSERTION_TYPE, ClientAssertions
from saaf_autogen.auth.server.messages import OAuthForm

__all__ = ["CONFIDENTIAL_METHODS", "METHODS", "Authentication", "FindsClients", "OAuthClient"]

CONFIDENTIAL_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
METHODS = (*CONFIDENTIAL_METHODS, "none")


class FindsClients(Protocol):
    """Where clients are found; ``ClientDirectory`` and ``ClientStore`` do."""

    def find(self, client_id: str) -> ClientRecord | None:
        """The client of that id, active or not."""
        ...


class OAuthClient(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """An authenticated client as Authlib's grants see it."""

    def __init__(self, record: ClientRecord) -> None:
        self.record = record

    def get_client_id(self) -> str:
        """Its id."""
        return self.record.id

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may use a grant."""
        return grant_type in self.record.grant_types


class Authentication:
    """Authenticates clients (RFC 6749, section 2.3).

    Args:
        directory: finds clients.
        store: knows their secrets.
        assertions: checks what they signed.
    """

    def __init__(
        self, directory: FindsClients, store: ClientStore, assertions: ClientAssertions
    ) -> None:
        self._directory = directory
        self._store = store
        self._assertions = assertions

    def authenticate(self, request: OAuthForm, methods: Collection[str] = METHODS) -> OAuthClient:
        """The client that the request's credentials belong to.

        Unknown and disabled clients, wrong secrets and signatures, and a way that is not the
        client's own all get the same answer.

        Raises:
            InvalidRequestError: more than one way to authenticate was used.
            InvalidClientError: none was that counts here, or it failed (401).
        """
        form = request.form
        in_body = [name for name in ("client_secret", "client_assertion") if name in form]
        if len(in_body) + (request.authorization is not None) > 1:
            raise InvalidRequestError("Authenticate the client in one way only.")
        if request.authorization is not None:
            request.auth_method = "client_secret_basic"
            record = self._by_header(request.authorization, form.get("client_id"))
        elif "client_secret" in form:
            request.auth_method = "client_secret_post"
            record = self._by_secret(form.get("client_id", ""), form["client_secret"])
        elif "client_assertion" in form or "client_assertion_type" in form:
            request.auth_method = "private_key_jwt"
            record = self._by_assertion(request)
        else:
            request.auth_method = "none"
            record = self._public(form.get("client_id", ""))
        if record is None or not record.active or request.auth_method not in methods:
            raise _failed()
        return OAuthClient(record)

    def remembers(self, request: OAuthForm) -> bool:
        """Whether the client would authenticate by a secret that is known without the store."""
        form = request.form
        if request.authorization is None:
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        else:
            try:
                client_id, secret = _basic(request.authorization)
            except InvalidClientError:
                return False
        return self._store.remembers(client_id, secret)

    def _by_header(self, header: str, client_id: str | None) -> ClientRecord | None:
        name, secret = _basic(header)
        if client_id not in (None, name):
            raise InvalidRequestError("client_id differs from the Authorization header.")
        return self._by_secret(name, secret)

    def _by_secret(self, client_id: str, secret: str) -> ClientRecord | None:
        return self._store.authenticate(client_id, secret) if client_id and secret else None

    def _by_assertion(self, request: OAuthForm) -> ClientRecord | None:
        form = request.form
        assertion = form.get("client_assertion", "")
        claimed = self._assertions.client_of(assertion)
        if form.get("client_assertion_type") != ASSERTION_TYPE or claimed is None:
            return None
        if form.get("client_id", claimed) != claimed:
            return None
        record = self._directory.find(claimed)
        if record is None or not record.active or record.authentication != "private_key_jwt":
            return None
        return record if self._assertions.proves(assertion, record) else None

    def _public(self, client_id: str) -> ClientRecord | None:
        record = self._directory.find(client_id) if client_id else None
        return record if record and record.authentication == "none" else None


def _basic(header: str) -> tuple[str, str]:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        raise _failed()
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
        # Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1).
        name, _, secret = (unquote_plus(part, errors="strict") for part in text.partition(":"))
    except ValueError as error:
        raise _failed() from error
    return name, secret


def _failed() -> InvalidClientError:
    return InvalidClientError("The client could not be authenticated.", status_code=401)
