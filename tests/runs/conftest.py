"""The two stores, real: SQLite files and a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.house import Stores
from tests.runs.team import Team


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    if request.param == "sqlite":
        return sqlite_stores(tmp_path)
    url = request.getfixturevalue("postgres_url")
    return Stores(url, str(tmp_path / "workers"))


@pytest.fixture
def sqlite(tmp_path: Path) -> Stores:
    return sqlite_stores(tmp_path)


@pytest.fixture
def team() -> Team:
    return Team()


def sqlite_stores(path: Path) -> Stores:
    return Stores(f"sqlite:///{path / 'saaf.sqlite'}", str(path / "workers"))
