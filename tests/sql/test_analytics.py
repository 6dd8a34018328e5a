from __future__ import annotations

import math
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import pytest_asyncio

from saaf_autogen.auth.access import TRUE, ColumnAccess, ColumnCase, Comparison, TableAccess
from saaf_autogen.sql import DuckDBWarehouse, GuardedWarehouse, QueryLimits
from saaf_autogen.sql.duckdb.reading import DuckDBReading
from saaf_autogen.sql.sample import SAMPLE_TABLES
from saaf_autogen.sql.values import json_column
from tests.sql.analytics import QUERIES


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nyc(nyc_file: Path) -> AsyncIterator[GuardedWarehouse]:
    warehouse = DuckDBWarehouse.open("nyc", nyc_file)
    yield GuardedWarehouse(warehouse, limits=QueryLimits(max_bytes=20_000_000))
    await warehouse.close()


@pytest.fixture(scope="module")
def plain(nyc_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    # A process opens a file under one configuration only: the plain run has a copy.
    path = tmp_path_factory.mktemp("plain") / "nyc.duckdb"
    shutil.copy(nyc_file, path)
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def everything(tables: tuple[str, ...] | None = None) -> dict[str, TableAccess]:
    shown = (ColumnCase(TRUE, None),)
    return {
        f"main.{table.name}": TableAccess(
            f"wh://nyc/main.{table.name}",
            {name: ColumnAccess(name, shown) for name in table.columns},
        )
        for table in SAMPLE_TABLES
        if tables is None or table.name in tables
    }


def comparable(value: Any) -> Any:
    """Sums of floats differ in their last digits from run to run: threads add in any order."""
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else value
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value


def unguarded(connection: duckdb.DuckDBPyConnection, sql: str) -> list[list[Any]]:
    """What the engine gives for the text as it stands, in the same JSON."""
    reading = DuckDBReading(connection, sql.rstrip("; "))
    schema = reading.open()
    rows: list[list[Any]] = []
    while (batch := reading.next()) is not None:
        columns = [json_column(*pair) for pair in zip(batch.columns, schema, strict=True)]
        rows += [list(row) for row in zip(*columns, strict=True)]
    reading.close()
    return rows


def by_text(rows: list[list[Any]]) -> list[list[Any]]:
    return sorted(rows, key=str)


def test_there_are_enough_questions() -> None:
    assert len(QUERIES) >= 100


@pytest.mark.parametrize("sql", QUERIES)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_full_caller_gets_what_the_engine_gives(
    nyc: GuardedWarehouse, plain: duckdb.DuckDBPyConnection, sql: str
) -> None:
    expected = unguarded(plain, sql)
    names = plain.sql(sql).columns
    result = await nyc.query(sql, visible=everything())
    assert result.cut is None
    rows = comparable(result.rows)
    if "order by" in sql.lower():
        assert rows == comparable(expected)
    assert by_text(rows) == by_text(comparable(expected))
    assert len(result.columns) == len(names)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_caller_who_sees_one_carrier_gets_answers_about_it_alone(
    nyc: GuardedWarehouse,
) -> None:
    visible = everything()
    flights = visible["main.flights"]
    columns = {name: column for name, column in flights.columns.items() if name != "tailnum"}
    visible["main.flights"] = TableAccess(
        flights.resource, columns, Comparison("carrier", "eq", "UA"), max_rows=5
    )
    result = await nyc.query("SELECT carrier, count(*) FROM flights GROUP BY 1", visible=visible)
    assert result.rows == [["UA", 58_665]]
    result = await nyc.query("SELECT * FROM flights", visible=visible)
    assert [column.name for column in result.columns] == list(columns)
    assert len(result.rows) == 5
    assert result.cut == "Cut after 5 rows: there are more."
