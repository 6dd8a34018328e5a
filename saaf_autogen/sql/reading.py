"""One query at an engine, as the drivers give it: blocking, and stoppable from any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Reading"]


class Reading(Protocol):
    """What an engine does for one query. ``Runner`` calls it and bounds it.

    ``open``, ``next`` and ``close`` block and are called by one thread at a time; ``interrupt`` and
    ``abandon`` come from others, before, during or after them.

    Attributes:
        interrupt_every_s: seconds between interrupts of a query that goes on.
    """

    interrupt_every_s: ClassVar[float]

    def open(self) -> pa.Schema:
        """Check and start the query; the schema, its fields made by ``values.described``.

        Raises:
            SqlRefused, WarehouseFailed: in words that are safe to show to the caller.
        """
        ...

    def next(self) -> pa.RecordBatch | None:
        """The next rows, a few thousand at most; None after the last."""
        ...

    def interrupt(self) -> None:
        """Ask the engine to stop."""
        ...

    def abandon(self) -> None:
        """Let go by force, as the engine did not answer an interrupt."""
        ...

    def close(self) -> None:
        """Give back what the query held; may be called twice."""
        ...
