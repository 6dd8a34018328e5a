"""The audit log, as admins and auditors read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from saaf_autogen.audit import AuditReader
from saaf_autogen.audit.reader import AuditFilter
from saaf_autogen.auth.administration.ledger import ADMIN, AUDITOR, Ledger
from saaf_autogen.auth.administration.pages import after_of, cursor_of
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import InvalidArguments

__all__ = ["AuditAdministration", "AuditEntries"]

_SCOPES = (AUDITOR, ADMIN)


class AuditEntries(BaseModel):
    """A page of the audit log, newest first; ``hash`` chains each entry to the one before it."""

    data: list[dict[str, Any]]
    next_cursor: str | None = None


class AuditAdministration:
    """Reads the audit log of the actor's tenant; ``audit:read`` suffices.

    Synchronous: call it in a thread. Every method raises ``Forbidden`` for who holds neither scope.
    """

    def __init__(self, ledger: Ledger, reader: AuditReader) -> None:
        self._ledger = ledger
        self._reader = reader

    def page(
        self,
        actor: Principal,
        wanted: AuditFilter,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> AuditEntries:
        """Entries, newest first."""
        self._ledger.require(actor, "iam.read_audit", scopes=_SCOPES)
        found = self._reader.page(actor.tenant, wanted, before=_before(cursor), limit=limit)
        following = None if found.next_before is None else cursor_of(str(found.next_before))
        return AuditEntries(
            data=[entry.document() for entry in found.entries], next_cursor=following
        )

    def export(self, actor: Principal, wanted: AuditFilter) -> Iterator[bytes]:
        """Entries as JSON lines, oldest first, as ``saaf audit verify`` takes them.

        Rights are checked before the first line; the rest is read in batches as it is taken.
        """
        self._ledger.require(actor, "iam.export_audit", scopes=_SCOPES)
        return self._lines(actor.tenant, wanted)

    def _lines(self, tenant: str, wanted: AuditFilter) -> Iterator[bytes]:
        for entry in self._reader.stream(tenant, wanted):
            yield json.dumps(entry.document(), separators=(",", ":")).encode() + b"\n"


def _before(cursor: str | None) -> int | None:
    key = after_of(cursor)
    if not key:
        return None
    if not (key.isascii() and key.isdigit() and len(key) < 16):
        raise InvalidArguments(
            "The cursor is not one that this API gave.",
            remedy="Pass next_cursor of the page before, or leave it out.",
        )
    return int(key)
