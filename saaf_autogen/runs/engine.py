"""What SAAF asks of a run engine, so that the library behind it can be replaced."""

from __future__ import annotations

from typing import Protocol

__all__ = ["RunEngine"]


class RunEngine(Protocol):
    """Executes runs durably. The run's row is the truth; the engine works it off."""

    async def launch(self) -> None:
        """Begin to work; runs that a crash interrupted are continued.

        Raises:
            ConfigurationError: another engine works in this process or on this store.
        """
        ...

    async def start(self, run_id: str) -> None:
        """Take up a run whose row is committed, at once if there is a free slot."""
        ...

    async def cancel(self, run_id: str) -> None:
        """Stop a run whose cancellation is recorded, if it executes here."""
        ...

    async def drain(self, grace_s: float = 0) -> None:
        """Take up no more runs. Those still at work after ``grace_s`` continue at next launch."""
        ...

    async def close(self, grace_s: float = 0) -> None:
        """Drain, then stop."""
        ...
