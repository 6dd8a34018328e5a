"""Whether a chain holds: nothing was changed, removed, inserted or reordered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from saaf_autogen.audit.canonical import canonical
from saaf_autogen.audit.chain import GENESIS, Chain, Head
from saaf_autogen.audit.reader import AuditReader, StoredEntry
from saaf_autogen.audit.store import columns_of

__all__ = ["Broken", "Verified", "read_export", "verify_export", "verify_store"]

Progress = Callable[[int], None]
_PROGRESS_EVERY = 10_000


class Broken(Exception):
    """A chain does not hold; ``seq`` is the first number at which it does not."""

    def __init__(self, tenant: str, seq: int, what: str) -> None:
        super().__init__(f"tenant {tenant}, entry {seq}: {what}")
        self.tenant = tenant
        self.seq = seq
        self.what = what


@dataclass(frozen=True)
class Verified:
    """A chain that holds.

    Attributes:
        first: number of the first entry that was looked at; over 1 for a part of a log.
        unchained: how many entries are of an earlier format; the chain covers them as a whole.
        head: the last entry; None where there is none.
    """

    tenant: str
    first: int
    entries: int
    unchained: int
    head: Head | None


class _Walk:
    """Follows one tenant's chain from entry to entry."""

    def __init__(self, tenant: str, chain: Chain, known: Head | None, *, anywhere: bool) -> None:
        self._tenant = tenant
        self._chain = chain
        self._known = known
        self._old = hashlib.sha256()
        self._first: int | None = None if anywhere else 1
        self._expected = 1
        self._prev: str | None = None
        self.entries = 0
        self.unchained = 0

    def step(self, entry: StoredEntry) -> None:
        """The next entry; raises ``Broken``."""
        if self._first is None:
            self._first = self._expected = entry.seq
        if entry.seq > self._expected:
            raise self._broken(f"it is missing; the next one is {entry.seq}")
        if entry.seq < self._expected:
            raise self._broken(f"entry {entry.seq} stands in its place")
        if entry.hash is None:
            self._step_unchained(entry)
        else:
            self._step_chained(entry, entry.hash)
        known = self._known
        if known and known.seq == entry.seq and known.hash != (entry.hash or self.old_hash()):
            raise self._broken("it is not the entry of the head that was kept")
        self._expected += 1
        self.entries += 1

    def end(self) -> Verified:
        """What was found; raises ``Broken`` where the kept head was not reached."""
        known = self._known
        if known and self._expected <= known.seq:
            raise self._broken(f"it is missing, and so is all up to {known.seq}: the end was cut")
        last = self._expected - 1
        head = Head(self._tenant, last, self._prev or self.old_hash()) if self.entries else None
        return Verified(self._tenant, self._first or 1, self.entries, self.unchained, head)

    def old_hash(self) -> str:
        """What the first chained entry names as the one before it."""
        return self._old.hexdigest() if self.unchained else GENESIS

    def _step_chained(self, entry: StoredEntry, hash_: str) -> None:
        if not self._chain.holds(entry.body, hash_):
            raise self._broken("it was changed")
        body = json.loads(entry.body)
        if (body["tenant"], body["seq"]) != (self._tenant, entry.seq):
            raise self._broken(f"it was made as entry {body['seq']} of tenant {body['tenant']}")
        if entry.columns is not None and entry.columns != columns_of(body):
            raise self._broken("what the store repeats of it was changed")
        prev = self._prev
        if prev is None and self._first == 1:
            prev = self.old_hash()
            if body["prev"] != prev and self.unchained:
                raise Broken(
                    self._tenant,
                    1,
                    f"the {self.unchained} entries of the earlier format were changed",
                )
        if prev is not None and body["prev"] != prev:
            raise self._broken("it does not follow the entry before it")
        self._prev = hash_

    def _step_unchained(self, entry: StoredEntry) -> None:
        if self._prev is not None:
            raise self._broken("it has no hash: it was inserted")
        self._old.update(f"{entry.body}\n".encode())
        self.unchained += 1
        # The columns of these are covered by nothing else than their texts.
        if entry.columns is not None and entry.columns != columns_of(json.loads(entry.body)):
            raise self._broken("what the store repeats of it was changed")

    def _broken(self, what: str) -> Broken:
        return Broken(self._tenant, self._expected, what)


def verify_store(
    reader: AuditReader,
    chain: Chain,
    tenant: str,
    *,
    known: Head | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Follow a tenant's chain from its first entry to its head.

    Entries are read in batches; those that are added meanwhile are left for the next time.

    Args:
        reader: the log.
        chain: with the key.
        tenant: whose entries.
        known: a head that was kept elsewhere; without one, a cut end is not seen if the store's
            own head was set back, too.
        progress: told now and then how many entries hold so far.

    Raises:
        Broken: at the first entry where the chain does not hold.
    """
    head, last = reader.ends(tenant)
    walk = _Walk(tenant, chain, known, anywhere=False)
    for entry in reader.stream(tenant, up_to=head.seq if head else last):
        walk.step(entry)
        if progress and walk.entries % _PROGRESS_EVERY == 0:
            progress(walk.entries)
    found = walk.end()
    reached = found.entries
    if head is None:
        if last:
            raise Broken(tenant, 1, "there are entries, and the chain's head is gone")
        return found
    if reached < head.seq:
        raise Broken(tenant, reached + 1, "it is missing: the end was cut")
    if last > head.seq:
        raise Broken(tenant, head.seq + 1, "it stands after the chain's head: it was inserted")
    if head.hash != (found.head.hash if found.head else GENESIS):
        raise Broken(tenant, head.seq, "the chain's head names another entry")
    return found


def verify_export(
    lines: Iterable[str],
    chain: Chain,
    *,
    known: Head | None = None,
    progress: Progress | None = None,
) -> list[Verified]:
    """Follow the chains of exported entries, of which there may be several tenants'.

    An export may begin anywhere: then what its first entry follows is taken on trust.

    Raises:
        Broken: at the first entry where a chain does not hold.
    """
    walks: dict[str, _Walk] = {}
    for count, entry in enumerate(read_export(lines), 1):
        walk = walks.get(entry.tenant)
        if walk is None:
            head = known if known and known.tenant == entry.tenant else None
            walk = walks[entry.tenant] = _Walk(entry.tenant, chain, head, anywhere=True)
        walk.step(entry)
        if progress and count % _PROGRESS_EVERY == 0:
            progress(count)
    return [walk.end() for walk in walks.values()]


def read_export(lines: Iterable[str]) -> Iterator[StoredEntry]:
    """The entries of JSON lines, as ``StoredEntry.document`` wrote them."""
    for number, line in enumerate(lines, 1):
        try:
            document: dict[str, Any] = json.loads(line)
            tenant, seq, hash_ = document["tenant"], document["seq"], document.pop("hash")
            if hash_ is None:
                del document["seq"]
            body = canonical(document)
        except (ValueError, KeyError, TypeError):
            raise Broken("?", 0, f"line {number} is no entry of an audit log") from None
        yield StoredEntry(str(tenant), int(seq), body, hash_)
