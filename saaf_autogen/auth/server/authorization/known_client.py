"""Who asks, and whether they may ask a user at all."""

from __future__ import annotations

from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.server.authorization.refusals import PageRefusal
from saaf_autogen.auth.server.directory import ClientDirectory

__all__ = ["known_client"]


def known_client(client_id: str | None, directory: ClientDirectory) -> ClientRecord:
    """The client of the request: known, active, and allowed to send users here.

    Raises:
        PageRefusal: it is not; nobody can say where the answer would go.
    """
    if client_id is None:
        raise PageRefusal("The request does not say who asks (client_id).")
    client = directory.find(client_id)
    if client is None or not client.active:
        raise PageRefusal("The client is not known here.", error="unauthorized_client")
    if "authorization_code" not in client.grant_types:
        raise PageRefusal("The client may not send users here.", error="unauthorized_client")
    return client
