"""What SAAF asks of whoever executes runs, so that it can be replaced."""

from __future__ import annotations

from typing import Protocol

from saaf_autogen.runs.claims import ClaimRules
from saaf_autogen.runs.model import RunWork

__all__ = ["NoWorker", "RunEngine"]


class RunEngine(Protocol):
    """Executes runs durably. The run's row is the truth; the engine works it off."""

    @property
    def rules(self) -> ClaimRules:
        """What bounds the runs that execute at once."""
        ...

    @property
    def is_working(self) -> bool:
        """Whether it takes up runs."""
        ...

    async def launch(self) -> None:
        """Begin to work; runs that a crash interrupted are continued."""
        ...

    def reserve(self) -> str | None:
        """A slot for a run that is about to be stored: the id of the worker, if one is free.

        Every slot is given back, by ``begin`` or by ``give_back``.
        """
        ...

    def begin(self, work: RunWork) -> None:
        """Work off a run that was stored as held by the worker of a reserved slot."""
        ...

    def give_back(self) -> None:
        """The slot that was reserved is not needed."""
        ...

    def look(self) -> None:
        """Look for waiting runs soon."""
        ...

    def cancel(self, run_id: str) -> None:
        """Stop a run whose cancellation is stored, if it executes here."""
        ...

    async def drain(self, grace_s: float = 0) -> None:
        """Take up no more runs. Those still at work after ``grace_s`` are free for others."""
        ...

    async def close(self, grace_s: float = 0) -> None:
        """Drain, then stop."""
        ...


class NoWorker:
    """For processes that serve the API alone: other processes execute the runs."""

    def __init__(self, rules: ClaimRules) -> None:
        self.rules = rules
        self.is_working = True

    async def launch(self) -> None:
        """Nothing to begin."""

    def reserve(self) -> str | None:
        """Never a slot."""
        return None

    def begin(self, work: RunWork) -> None:
        """Never called: no slot is reserved."""
        raise AssertionError(f"{work.hold} was begun without a worker")

    def give_back(self) -> None:
        """Nothing was reserved."""

    def look(self) -> None:
        """Workers look by themselves."""

    def cancel(self, run_id: str) -> None:
        """Workers look by themselves."""

    async def drain(self, grace_s: float = 0) -> None:
        """Nothing is at work."""

    async def close(self, grace_s: float = 0) -> None:
        """Nothing is at work."""
