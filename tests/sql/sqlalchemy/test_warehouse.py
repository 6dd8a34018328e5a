from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pytest

from saaf_autogen.errors import ConfigurationError, SqlRefused, TimedOut, WarehouseFailed
from saaf_autogen.sql import PhysicalTable, QueryLimits
from saaf_autogen.sql.guard import dialect_named
from saaf_autogen.sql.sqlalchemy import SQLAlchemyWarehouse
from saaf_autogen.sql.sqlalchemy.reading import bindable
from tests.sql.plans import LIMITS, plan

FLIGHTS = PhysicalTable("", "main", "flights")
ENDLESS = (
    "WITH RECURSIVE saaf_c1(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM saaf_c1) "
    "SELECT count(*) FROM saaf_c1"
)
CTES = frozenset({"saaf_c1"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE flights (id INTEGER, carrier TEXT, raw)")
        connection.execute("CREATE TABLE secrets (v TEXT)")
        connection.execute("INSERT INTO secrets VALUES ('CANARY')")
        connection.executemany(
            "INSERT INTO flights VALUES (?, ?, ?)",
            [(i, "UA" if i % 2 else "B6", None) for i in range(2_000)],
        )
    connection.close()
    return path


@pytest.fixture
async def warehouse(file: Path) -> AsyncIterator[SQLAlchemyWarehouse]:
    # The guard knows no SQLite; DuckDB's placeholders serve to reach the driver.
    opened = SQLAlchemyWarehouse(
        "lite", f"sqlite:///{file}", dialect_named("duckdb"), concurrency=2
    )
    yield opened
    await opened.close()


async def test_rows_come_with_bound_values_and_in_batches(warehouse: SQLAlchemyWarehouse) -> None:
    sql = "SELECT id, carrier FROM main.flights WHERE carrier = $saaf_p1 AND carrier <> ':x'"
    bound = plan(sql, FLIGHTS, parameters={"saaf_p1": "UA"})
    async with warehouse.stream(bound, limits=LIMITS) as stream:
        sizes = [batch.num_rows async for batch in stream]
    assert sizes == [500, 500]
    assert stream.schema.types == [pa.int64(), pa.string()]


async def test_values_keep_their_kinds(warehouse: SQLAlchemyWarehouse) -> None:
    sql = "SELECT 9007199254740993 AS i, 0.5 AS f, 'é' AS t, x'00ff' AS b, NULL AS n, 1.5 AS m "
    sql += "UNION ALL SELECT 1, 1.5, 'x', x'01', NULL, 2"
    rows = await warehouse.execute(plan(sql), limits=LIMITS)
    assert rows.rows == [
        ["9007199254740993", 0.5, "é", "00ff", None, 1.5],
        [1, 1.5, "x", "01", None, 2],
    ]
    assert [column.type for column in rows.columns] == [
        *("INTEGER", "DOUBLE", "TEXT", "BINARY", "TEXT", "NUMERIC")
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM secrets",
        "SELECT count(*) FROM secrets",
        "SELECT * FROM sqlite_master",
        "INSERT INTO flights VALUES (1, 'x', 2)",
        "DELETE FROM flights",
        "ATTACH '/tmp/x.sqlite' AS x",
        "PRAGMA table_info(flights)",
        "SELECT load_extension('x')",
    ],
)
async def test_sqlite_reads_the_planned_tables_and_nothing_else(
    warehouse: SQLAlchemyWarehouse, sql: str
) -> None:
    with pytest.raises(SqlRefused) as caught:
        await warehouse.execute(plan(sql, FLIGHTS), limits=LIMITS)
    assert caught.value.rule == "engine_disagrees"
    assert await warehouse.inspect("SELECT count(*) FROM flights") == [(2_000,)]


async def test_time_limits_and_cancelled_tasks_stop_sqlite(warehouse: SQLAlchemyWarehouse) -> None:
    endless = plan(ENDLESS, ctes=CTES)
    started = time.monotonic()
    with pytest.raises(TimedOut):
        await warehouse.execute(endless, limits=QueryLimits(timeout_s=0.3))
    tasks = [asyncio.create_task(warehouse.execute(endless, limits=LIMITS)) for _ in range(2)]
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await warehouse.execute(plan("SELECT 1 AS one"), limits=LIMITS)).rows == [[1]]
    assert time.monotonic() - started < 3


async def test_closing_stops_what_runs(file: Path) -> None:
    warehouse = SQLAlchemyWarehouse("lite", f"sqlite:///{file}", dialect_named("duckdb"))
    task = asyncio.create_task(warehouse.execute(plan(ENDLESS, ctes=CTES), limits=LIMITS))
    await asyncio.sleep(0.2)
    await asyncio.wait_for(warehouse.close(), 4)
    with pytest.raises(WarehouseFailed):
        await task


@pytest.mark.parametrize(
    ("sql", "kind", "rule"),
    [
        ("SELECT zeroblob(5000000)", SqlRefused, "row_too_large"),
        ("SELECT nosuch FROM flights", SqlRefused, "binding"),
        ("SELECT 1; SELECT 2", SqlRefused, "binding"),
        ("SELECT * FROM gone", WarehouseFailed, None),
    ],
)
async def test_what_a_driver_refuses_is_said_in_our_own_words(
    warehouse: SQLAlchemyWarehouse, sql: str, kind: type[Exception], rule: str | None
) -> None:
    with pytest.raises(kind) as caught:
        await warehouse.execute(plan(sql, FLIGHTS), limits=LIMITS)
    assert getattr(caught.value, "rule", None) == rule
    assert "sqlite" not in str(caught.value).lower()


async def test_text_that_is_not_utf8_is_a_clear_error(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO flights VALUES (9999, CAST(x'ff' AS TEXT), 0)")
    connection.close()
    warehouse = SQLAlchemyWarehouse("lite", f"sqlite:///{file}", dialect_named("duckdb"))
    sql = "SELECT carrier FROM flights WHERE id = 9999"
    with pytest.raises((WarehouseFailed, SqlRefused)) as caught:
        await warehouse.execute(plan(sql, FLIGHTS), limits=LIMITS)
    assert "UTF-8" in str(caught.value)
    await warehouse.close()


async def test_tables_are_listed_and_a_file_that_is_gone_is_told(
    warehouse: SQLAlchemyWarehouse, tmp_path: Path
) -> None:
    assert [schema.table.name for schema in await warehouse.schemas()] == ["flights", "secrets"]
    nowhere = SQLAlchemyWarehouse(
        "far", f"sqlite:///{tmp_path}/CANARY/none.sqlite", dialect_named("duckdb")
    )
    with pytest.raises(WarehouseFailed, match="cannot be reached") as caught:
        await nowhere.execute(plan("SELECT 1"), limits=LIMITS)
    assert "CANARY" not in str(caught.value)
    await nowhere.close()


def test_a_url_or_driver_that_is_not_there_is_a_configuration_error() -> None:
    for url in ("CANARY", "nosuch://u:CANARY@h/d"):
        with pytest.raises(ConfigurationError) as caught:
            SQLAlchemyWarehouse("x", url, dialect_named("duckdb"))
        assert "CANARY" not in str(caught.value)


def test_placeholders_of_each_dialect_become_sqlalchemys() -> None:
    for name, written in (
        ("bigquery", "SELECT @saaf_p1, 'a:b', x::INT64 LIKE '5%'"),
        ("databricks", "SELECT :saaf_p1, 'a:b', x::INT64 LIKE '5%'"),
        ("postgres", "SELECT %(saaf_p1)s, 'a:b', x::INT64 LIKE '5%%'"),
    ):
        text = bindable(plan(written, parameters={"saaf_p1": 1}), dialect_named(name))
        assert text == "SELECT :saaf_p1, 'a\\:b', x\\:\\:INT64 LIKE '5%'"
