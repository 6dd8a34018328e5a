from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from saaf_autogen.sql import (
    DuckDBWarehouse,
    GuardedWarehouse,
    PhysicalTable,
    QueryLimits,
)
from tests.sql import world


@pytest.fixture(scope="session")
def world_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "w.duckdb"
    world.build(path)
    return path


@pytest.fixture(scope="session")
def engine(world_file: Path) -> Iterator[DuckDBWarehouse]:
    warehouse = DuckDBWarehouse.open("w", world_file, memory_limit="512MB")
    yield warehouse
    asyncio.run(warehouse.close())


@pytest.fixture
def guarded(engine: DuckDBWarehouse) -> GuardedWarehouse:
    return GuardedWarehouse(
        engine,
        limits=QueryLimits(max_rows=1_000, max_bytes=200_000, timeout_s=5),
        mask_key="test-key",
        physical={"main.nothing": PhysicalTable("w", "main", "flights")},
    )
