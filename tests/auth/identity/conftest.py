from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from saaf_autogen.audit import AuditLog
from saaf_autogen.auth.identity.people import People
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.db import Database
from saaf_autogen.settings import Settings
from saaf_autogen.testing import ManualClock
from tests.auth.identity.household import Household

SETTINGS = {"name": "acme", "tenants": ["default", "other"]}


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store on SQLite, to be copied: making one takes longer than most tests."""
    path = tmp_path_factory.mktemp("identity") / "saaf.sqlite"
    store = Database(f"sqlite:///{path}")
    store.migrate()
    store.close()
    return path


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Iterator[Database]:
    path = shutil.copy(migrated, tmp_path / "saaf.sqlite")
    store = Database(f"sqlite:///{path}")
    yield store
    store.close()


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> str:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE identity_template")
    store = Database(postgres_server.replace("/postgres?", "/identity_template?"))
    store.migrate()
    store.close()
    return "identity_template"


@pytest.fixture
def postgres(postgres_server: str, migrated_postgres: str) -> Iterator[Database]:
    name = f"identity_{secrets.token_hex(8)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_postgres}")
    store = Database(postgres_server.replace("/postgres?", f"/{name}?"))
    yield store
    store.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def home(database: Database, clock: ManualClock) -> Iterator[Household]:
    """The room's parts on SQLite."""
    yield from household(database, clock)


@pytest.fixture(params=["sqlite", "postgres"])
def anywhere(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Household]:
    """The room's parts on SQLite, and on PostgreSQL."""
    name = "database" if request.param == "sqlite" else "postgres"
    yield from household(request.getfixturevalue(name), clock)


def household(database: Database, clock: ManualClock) -> Iterator[Household]:
    audit = AuditLog(database, "00" * 32)
    ended: list[str] = []
    settings = Settings.model_validate(SETTINGS)
    people = People(
        database,
        settings,
        ScopeRegistry(),
        audit,
        issuer="http://localhost:8000",
        clock=clock,
        on_end=lambda _within, user_id: ended.append(user_id),
    )
    yield Household(database, people, audit, clock, ended)
    people.close()
