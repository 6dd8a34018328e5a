from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from saaf_autogen.errors import ConfigurationError, SqlRefused, WarehouseFailed
from saaf_autogen.sql import DuckDBWarehouse, GuardedWarehouse, PhysicalTable
from saaf_autogen.sql.duckdb.connection import DuckDBSource, connect
from tests.sql import world
from tests.sql.plans import LIMITS, plan


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "orders").mkdir(parents=True)
    with duckdb.connect() as connection:
        for part in (1, 2):
            connection.execute(
                f"COPY (SELECT i AS id, i * 1.5 AS total FROM range({part * 10}) t(i)) "
                f"TO '{folder}/orders/{part}.parquet'"
            )
    (folder / "people.csv").write_text("name,born,zip\nann,1980-05-17,01234\nbob,,99999\n")
    (folder / "secret.csv").write_text("v\nCANARY\n")
    return folder


@pytest.fixture(params=["thread", "process"])
async def warehouse(data: Path, request: pytest.FixtureRequest) -> AsyncIterator[DuckDBWarehouse]:
    files = {"orders": f"{data}/orders/*.parquet", "people": f"{data}/people.csv"}
    opened = DuckDBWarehouse.open("lake", files=files, isolation=request.param)
    yield opened
    await opened.close()


async def test_files_are_tables_behind_the_guard(warehouse: DuckDBWarehouse, data: Path) -> None:
    guarded = GuardedWarehouse(warehouse, limits=LIMITS)
    visible = {
        "main.orders": world.table("main.orders", world.full("id", "total")),
        "main.people": world.table("main.people", world.full("name", "born", "zip")),
    }
    count = "SELECT count(*), sum(total) FROM orders"
    assert (await guarded.query(count, visible=visible)).rows == [[30, 352.5]]
    people = await guarded.query("SELECT * FROM lake.main.people", visible=visible)
    assert people.rows == [["ann", "1980-05-17", "01234"], ["bob", None, "99999"]]
    assert [column.type for column in people.columns] == ["VARCHAR", "DATE", "VARCHAR"]
    # A file that comes later is part of its table at once.
    (data / "orders" / "3.parquet").write_bytes((data / "orders" / "1.parquet").read_bytes())
    assert (await guarded.query("SELECT count(*) FROM orders", visible=visible)).rows == [[40]]
    assert {schema.table.name for schema in await warehouse.schemas()} == {"orders", "people"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO 'DATA/orders/x.csv'",
        "SELECT * FROM read_parquet('DATA/orders/1.parquet')",
    ],
)
async def test_a_guard_with_a_hole_still_reaches_no_file(
    warehouse: DuckDBWarehouse, data: Path, sql: str
) -> None:
    with pytest.raises(SqlRefused) as caught:
        await warehouse.execute(plan(sql.replace("DATA", str(data))), limits=LIMITS)
    assert caught.value.rule == "engine_disagrees"


def test_the_engine_itself_reads_the_declared_files_only(data: Path) -> None:
    files = {"orders": f"{data}/orders/*.parquet", "people": f"{data}/people.csv"}
    connection, catalog = connect(DuckDBSource("lake", files=files))
    assert catalog == "lake"
    for sql in (
        "SELECT * FROM read_csv('/etc/passwd')",
        f"SELECT * FROM read_csv('{data}/secret.csv')",
        f"SELECT * FROM read_csv('{data}/orders/../secret.csv')",
        "SELECT * FROM glob('/etc/*')",
        f"ATTACH '{data}/x.duckdb'",
        f"COPY (SELECT 1) TO '{data}/x.csv'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "CREATE TABLE x (i INTEGER)",
        "INSTALL httpfs",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(sql).fetchall()
    connection.close()


async def test_the_process_writes_nowhere_even_where_it_reads(data: Path) -> None:
    files = {"orders": f"{data}/orders/*.parquet"}
    warehouse = DuckDBWarehouse.open("lake", files=files, isolation="process")
    with pytest.raises(WarehouseFailed):
        await warehouse.inspect(f"COPY (SELECT 1) TO '{data}/orders/x.csv'")
    left = data / "orders" / "x.csv"
    assert not left.exists() or left.stat().st_size == 0
    await warehouse.close()


async def test_a_file_that_vanished_or_broke_is_told_without_its_path(
    warehouse: DuckDBWarehouse, data: Path
) -> None:
    at = PhysicalTable("lake", "main", "people")
    (data / "people.csv").write_bytes(b"name,born,zip\n\xff\xfe,1980-01-01,1\n")
    for _ in range(2):
        with pytest.raises((WarehouseFailed, SqlRefused)) as caught:
            await warehouse.execute(
                plan("SELECT * FROM lake.main.people AS saaf_t1", at), limits=LIMITS
            )
        assert str(data) not in str(caught.value)
        (data / "people.csv").unlink(missing_ok=True)
    orders = PhysicalTable("lake", "main", "orders")
    rows = await warehouse.execute(
        plan("SELECT count(*) FROM lake.main.orders AS saaf_t1", orders), limits=LIMITS
    )
    assert rows.rows == [[30]]


def test_files_that_are_not_there_are_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"orders.*cannot be read"):
        DuckDBWarehouse.open("lake", files={"orders": f"{tmp_path}/*.parquet"})
