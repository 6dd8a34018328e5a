"""A deployment on a small DuckDB warehouse that tests may change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from saaf_autogen.project.scaffolding.drift import Drift, compare
from saaf_autogen.project.scaffolding.files import write
from saaf_autogen.project.scaffolding.scaffold import ScaffoldPlan, scaffold
from saaf_autogen.project.scaffolding.site import open_warehouse, read_site
from saaf_autogen.project.scaffolding.verification import Verdict, promises, verify
from saaf_autogen.sql import GuardedWarehouse

SHOP = """
CREATE TABLE customers (
  id INTEGER PRIMARY KEY, country VARCHAR NOT NULL, email VARCHAR, password VARCHAR);
COMMENT ON TABLE customers IS 'Who buys';
COMMENT ON COLUMN customers.country IS 'ISO code';
INSERT INTO customers
  SELECT i, ['DE', 'FR', 'NO'][i % 3 + 1], 'c' || i || '@example.org', 'pw' FROM range(1, 61) t(i);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), total DECIMAL(10, 2),
  placed TIMESTAMP, status VARCHAR);
INSERT INTO orders
  SELECT i, i % 60 + 1, i * 1.5, TIMESTAMP '2024-01-01' + to_hours(i), ['new', 'paid'][i % 2 + 1]
  FROM range(1, 201) t(i);
"""
SETTINGS = """
warehouses:
  shop: {engine: duckdb, path: shop.duckdb}
grants:
  - {id: everyone, to: "*", resource: "wh://shop/*"}
  - id: careful
    to: {groups: [analysts]}
    resource: wh://shop/*
    columns: {deny_tags: [personal]}
"""


@dataclass(frozen=True)
class Shop:
    """A deployment folder and its DuckDB file."""

    folder: Path

    @property
    def semantic(self) -> Path:
        return self.folder / "semantic"

    @property
    def main(self) -> Path:
        """Where the main schema is drafted."""
        return self.semantic / "shop" / "main.yaml"

    def execute(self, sql: str) -> None:
        with duckdb.connect(str(self.folder / "shop.duckdb")) as connection:
            connection.execute(sql)

    def put(self, name: str, text: str) -> Path:
        """A semantic file by hand, to the byte."""
        file = self.semantic / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        return file

    def texts(self) -> dict[str, str]:
        """All semantic files."""
        return {
            file.relative_to(self.semantic).as_posix(): file.read_bytes().decode()
            for file in self.semantic.rglob("*")
            if file.is_file()
        }

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[GuardedWarehouse]:
        site = read_site(self.folder)
        guarded = open_warehouse(site, site.choose(None))
        try:
            yield guarded
        finally:
            await guarded.warehouse.close()

    async def scaffold(self, *, save: bool = True, **options: Any) -> ScaffoldPlan:
        site = read_site(self.folder)
        async with self.opened() as guarded:
            plan = await scaffold(site, guarded.warehouse, **options)
        if save:
            write(site, plan.changes)
        return plan

    async def drift(self, **options: Any) -> list[Drift]:
        async with self.opened() as guarded:
            found, _ = await compare(read_site(self.folder), guarded.warehouse, **options)
        return found

    async def verify(self, names: Sequence[str] = ()) -> list[Verdict]:
        site = read_site(self.folder)
        async with self.opened() as guarded:
            wanted = promises(site, "shop", names)
            return [verdict async for verdict in verify(site, guarded, wanted)]


def make_shop(folder: Path, sql: str = SHOP) -> Shop:
    (folder / "saaf.yaml").write_text(SETTINGS)
    shop = Shop(folder)
    shop.execute(sql)
    return shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return make_shop(tmp_path)
