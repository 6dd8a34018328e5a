"""Which client a name stands for: one of the store, or the address of a client's own document."""

from __future__ import annotations

from saaf_autogen.auth.clients import ClientRecord, ClientStore
from saaf_autogen.auth.server.client_documents import ClientDocuments

__all__ = ["ClientDirectory"]


class ClientDirectory:
    """Finds clients for every endpoint of the authorization server.

    Args:
        store: declared, managed and registered clients.
        documents: clients that are described at their id, or None if none are taken.
    """

    def __init__(self, store: ClientStore, documents: ClientDocuments | None = None) -> None:
        self._store = store
        self._documents = documents

    def is_document(self, client_id: str) -> bool:
        """Whether a client id is the address of a document that may be taken."""
        documents = self._documents
        return documents is not None and documents.enabled and documents.is_address(client_id)

    async def prepare(self, client_id: str | None) -> None:
        """Fetch the client's document if its id is the address of one; ``find`` then knows it.

        Fetching fails silently: the client is then unknown, which is for ``find`` to say.
        """
        if self._documents is not None and client_id:
            await self._documents.fetch(client_id)

    def find(self, client_id: str) -> ClientRecord | None:
        """The client of that id, active or not; synchronous, by the store or what was fetched."""
        if self._documents is not None and self._documents.is_address(client_id):
            return self._documents.known(client_id)
        return self._store.find(client_id)
