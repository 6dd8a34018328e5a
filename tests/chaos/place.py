"""Where a campaign works: its folder, its databases, its seed and its size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.postgres import OwnPostgres

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """What a campaign is given.

    Attributes:
        seed: of everything random in it.
        folder: makes an empty folder of a name.
        postgres: a server of the campaign's own, started when it is first asked for.
        quick: whether to do a tenth of the work.
    """

    seed: int
    folder: Callable[[str], Path]
    postgres: Callable[[], OwnPostgres]
    quick: bool = False

    def database(self, kind: str) -> str | None:
        """The URL of a new store; None: SQLite, wherever the deployment keeps it."""
        return self.postgres().new_database() if kind == "postgresql" else None
