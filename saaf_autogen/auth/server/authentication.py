"""How a client proves who it is at the token endpoint: exactly one way a request."""

from __future__ import annotations

import base64
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, InvalidRequestError

from saaf_autogen.auth.clients import ClientRecord, ClientStore
from saaf_autogen.auth.server.messages import OAuthForm

__all__ = ["METHODS", "OAuthClient", "authenticate"]

METHODS = ("client_secret_basic", "client_secret_post")
_GRANT_TYPES = frozenset({"client_credentials"})


class OAuthClient(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """An authenticated client as Authlib's grants see it."""

    def __init__(self, record: ClientRecord) -> None:
        self.record = record

    def get_client_id(self) -> str:
        """Its id."""
        return self.record.id

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may use a grant."""
        return grant_type in _GRANT_TYPES


def authenticate(request: OAuthForm, store: ClientStore) -> OAuthClient:
    """The client that the request's credentials belong to (RFC 6749, section 2.3).

    Unknown, disabled and public clients and wrong secrets all get the same answer.

    Raises:
        InvalidRequestError: more than one way to authenticate was used.
        InvalidClientError: none was, or it failed (401).
    """
    form = request.form
    in_body = [name for name in ("client_secret", "client_assertion") if name in form]
    if len(in_body) + (request.authorization is not None) > 1:
        raise InvalidRequestError("Authenticate the client in one way only.")
    if request.authorization is not None:
        client_id, secret = _basic(request.authorization)
        if form.get("client_id", client_id) != client_id:
            raise InvalidRequestError("client_id differs from the Authorization header.")
        request.auth_method = "client_secret_basic"
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        request.auth_method = "client_secret_post"
    record = store.authenticate(client_id, secret) if client_id and secret else None
    if record is None:
        raise _failed()
    return OAuthClient(record)


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
