"""A worker's hold on a run: what every write of it is checked against."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from saaf_autogen.journal import Fenced
from saaf_autogen.runs.tables import RunRow

__all__ = ["Hold", "require_hold"]


# Read when they are asked for: decoded at each write, they would cost more than it.
_HEAVY = tuple(
    defer(getattr(RunRow, name)) for name in ("definition", "principal", "input", "meta")
)


@dataclass(frozen=True)
class Hold:
    """One taking-up of a run by a worker; ``epoch`` counts them.

    A worker that was paused past its lease still has its old hold, and can write nothing with it.
    """

    run_id: str
    worker: str
    epoch: int

    def __str__(self) -> str:
        """Its name, as effects remember it."""
        return f"{self.run_id}#{self.epoch}"


def require_hold(session: Session, hold: Hold, *, whole: bool = False) -> RunRow:
    """The run, locked to the end of the transaction: nobody takes it over meanwhile.

    ``whole``: with what is large and never changes, which is otherwise read when asked for.

    Raises:
        Fenced: another worker has it, or it has ended.
    """
    query = (
        select(RunRow)
        .options(*(() if whole else _HEAVY))
        .where(
            RunRow.id == hold.run_id,
            RunRow.worker == hold.worker,
            RunRow.epoch == hold.epoch,
            RunRow.status == "running",
        )
        .with_for_update()
    )
    row = session.scalars(query).one_or_none()
    if row is None:
        raise Fenced(f"{hold} is held no longer")
    return row
