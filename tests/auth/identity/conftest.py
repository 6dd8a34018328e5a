from __future__ import annotations

from collections.abc import Iterator

import pytest

from saaf_autogen.audit import AuditLog
from saaf_autogen.auth.identity.people import People
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.db import Database
from saaf_autogen.settings import Settings
from saaf_autogen.testing import ManualClock
from tests.auth.identity.household import Household

SETTINGS = {"name": "acme", "tenants": ["default", "other"]}


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
