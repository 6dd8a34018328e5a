"""What a run remembers of the calls within a turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from saaf_autogen.journal.key import CallKey

__all__ = ["Entry", "Journal", "MemoryJournal"]


@dataclass(frozen=True)
class Entry:
    """The outcome of a call, JSON-able.

    Attributes:
        digest: of what was asked. Only a check: keys name places, not contents.
        data: what came of it, in the shape of whoever recorded it.
    """

    digest: str
    data: dict[str, Any]


class Journal(Protocol):
    """Remembers finished calls, so that a turn that is done again makes none of them twice."""

    def recall(self, key: CallKey) -> Entry | None:
        """What the call under this key came to, or None when it is still to be made."""
        ...

    def record(self, key: CallKey, entry: Entry) -> None:
        """Remember a call that has just ended; it is durable soon, and surely after ``settle``."""
        ...

    async def settle(self) -> None:
        """Return once everything recorded so far is durable.

        Raises:
            Fenced: another worker has the run by now.
        """
        ...


class MemoryJournal:
    """A journal for turns that no host keeps: notebooks and tests."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def recall(self, key: CallKey) -> Entry | None:
        """As ``Journal.recall``."""
        return self.entries.get(key.place)

    def record(self, key: CallKey, entry: Entry) -> None:
        """As ``Journal.record``."""
        self.entries[key.place] = entry

    async def settle(self) -> None:
        """Nothing is written anywhere."""
