"""An office on each of the two stores, each made by copying one that was migrated once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from saaf_autogen.db import Database
from tests.runs.schedules.office import Office, open_office

_numbers = itertools.count()
_TEMPLATE = "schedules_template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("schedules") / "saaf.sqlite"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    database.close()
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The URL of the server, which holds a migrated database by the template's name."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{_TEMPLATE}"')
    database = Database(postgres_server.replace("/postgres?", f"/{_TEMPLATE}?"))
    database.migrate()
    database.close()
    return postgres_server


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    file = tmp_path / "saaf.sqlite"
    shutil.copy(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    server: str = request.getfixturevalue("postgres_template")
    name = f"schedules_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{_TEMPLATE}"')
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
async def office(store_url: str) -> AsyncIterator[Office]:
    async with open_office(store_url) as opened:
        yield opened


@pytest.fixture
async def desk(sqlite_url: str) -> AsyncIterator[Office]:
    """On SQLite alone, for what does not depend on the store."""
    async with open_office(sqlite_url) as opened:
        yield opened
