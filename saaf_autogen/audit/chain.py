"""How entries are chained: each carries the hash of the one before it, under a key.

An entry's hash is HMAC-SHA-256 over its canonical JSON, which holds its tenant, its number and
the hash of the entry before it (``prev``). The key is derived from the master key: who can write
the database and does not have that key can neither change, insert, remove nor reorder entries
unseen. What no chain shows by itself is that its end was cut off; for that, keep a head elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saaf_autogen.audit.canonical import canonical, instant, plain, told
from saaf_autogen.audit.record import AuditOutcome, Entry

__all__ = ["GENESIS", "VERSION", "Chain", "Head", "fields_of"]

VERSION = 1
GENESIS = hashlib.sha256().hexdigest()
"""``prev`` of a tenant's first entry; where entries of an earlier format stand before it, it is
SHA-256 over the texts of those, each with a line feed after it."""

_MAX_RESOURCES = 100
_SHORT, _NAME, _REASON = 64, 500, 2_000


@dataclass(frozen=True)
class Head:
    """The last entry of a tenant's chain."""

    tenant: str
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class Chain:
    """Makes and checks the hashes of entries.

    Args:
        key: a secret in hex, ``Sealer.derive("audit")``.
    """

    def __init__(self, key: str) -> None:
        self._key = bytes.fromhex(key)

    def link(self, fields: Mapping[str, Any], seq: int, prev: str) -> tuple[str, str]:
        """An entry's text and its hash."""
        text = canonical({**fields, "seq": seq, "prev": prev})
        return text, self.hash(text)

    def hash(self, text: str) -> str:
        """The hash of an entry's canonical JSON."""
        return hmac.digest(self._key, text.encode(), "sha256").hex()

    def holds(self, text: str, claimed: str) -> bool:
        """Whether a hash is that of a text."""
        return hmac.compare_digest(self.hash(text), claimed)


def fields_of(entry: Entry) -> dict[str, Any]:
    """An entry's members, without those of the chain; members without a value are left out."""
    fields: dict[str, Any] = {
        "v": VERSION,
        "at": instant(entry.at),
        "tenant": told(entry.tenant, 63),
        "call_id": told(entry.call_id, _SHORT),
    }
    if entry.outcome is not None:
        fields["outcome"] = told(entry.outcome, _SHORT)
    if entry.duration_ms is not None:
        fields["duration_us"] = round(entry.duration_ms * 1000)
    if isinstance(entry, AuditOutcome):
        fields["kind"] = "outcome"
        return fields
    fields["kind"] = entry.kind
    fields["issuer"] = told(entry.issuer, _NAME)
    fields["subject"] = told(entry.subject, _NAME)
    fields["door"] = entry.door
    fields["action"] = told(entry.action, 200)
    fields["decision"] = entry.decision
    fields["reason"] = told(entry.reason, _REASON)
    if entry.actors:
        fields["actors"] = [told(actor, _NAME) for actor in entry.actors[:_MAX_RESOURCES]]
    if entry.resources:
        fields["resources"] = [told(name, _NAME) for name in entry.resources[:_MAX_RESOURCES]]
        if len(entry.resources) > _MAX_RESOURCES:
            fields["resources_left_out"] = len(entry.resources) - _MAX_RESOURCES
    if entry.client_id is not None:
        fields["client_id"] = told(entry.client_id, _NAME)
    if entry.run_id is not None:
        fields["run_id"] = told(entry.run_id, _SHORT)
    if entry.address is not None:
        fields["address"] = told(entry.address, _SHORT)
    if entry.changes:
        fields["changes"] = plain(entry.changes)
    if entry.details:
        fields["details"] = plain(entry.details)
    return fields
