"""A PostgreSQL that may be stopped, and a seed that is printed with each failure."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.place import Place
from tests.chaos.postgres import OwnPostgres, own_postgres
from tests.chaos.report import Report


@pytest.fixture(scope="session")
def chaos_postgres() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6))


@pytest.fixture
def place(seed: int, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    return Place(
        seed,
        lambda name: tmp_path / name,
        lambda: request.getfixturevalue("chaos_postgres"),
        quick=True,
    )


@pytest.fixture
def report(seed: int) -> Report:
    print(f"CHAOS_SEED={seed}")
    return Report(seed)
