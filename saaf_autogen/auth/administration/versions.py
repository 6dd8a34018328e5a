"""Versions of entries: two admins who change one thing at once must not undo one another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import BaseModel

from saaf_autogen.errors import PreconditionFailed

__all__ = ["ANY", "Entry", "Expected", "tag_of"]


class Entry(BaseModel):
    """Something that is administrated, as admins see it. ``version`` counts its changes."""

    version: int

    def tagged(self) -> str:
        """What its entity tag is of: all that is shown."""
        return self.model_dump_json()


def tag_of(entry: Entry) -> str:
    """The strong entity tag of an entry (RFC 9110, section 8.8.3), in its quotes.

    It is of the version and of all that is shown, so that a thing that was removed and made again
    under its old name is not taken for what it was.
    """
    shown = hashlib.sha256(entry.tagged().encode()).hexdigest()
    return f'"{entry.version}-{shown[:20]}"'


@dataclass(frozen=True)
class Expected:
    """What the caller of a change has seen (``If-Match``); ``tags`` None means any version."""

    tags: frozenset[str] | None

    def check(self, entry: Entry) -> None:
        """Compare with the entry as it is, within the transaction of the change.

        Raises:
            PreconditionFailed: it is another version.
        """
        if self.tags is not None and tag_of(entry) not in self.tags:
            raise PreconditionFailed(
                "It was changed since you read it.",
                remedy="Read it again, and make the change on what it is now.",
            )


ANY = Expected(None)
"""Whatever it is now: ``If-Match: *``."""
