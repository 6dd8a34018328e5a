"""Warehouses of the tests, opened as a host opens them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from saaf_autogen.sql import DuckDBWarehouse, Warehouse
from saaf_autogen.sql.postgresql import PostgreSQLWarehouse

__all__ = ["duckdb_warehouse", "postgres_warehouse"]


@asynccontextmanager
async def postgres_warehouse(url: str) -> AsyncIterator[Warehouse]:
    """The database of a URL."""
    warehouse = PostgreSQLWarehouse("pg", url)
    try:
        yield warehouse
    finally:
        await warehouse.close()


@asynccontextmanager
async def duckdb_warehouse(path: Path) -> AsyncIterator[Warehouse]:
    """A DuckDB file."""
    warehouse = DuckDBWarehouse.open("n", path)
    try:
        yield warehouse
    finally:
        await warehouse.close()
