from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql import DuckDBWarehouse, GuardedWarehouse, PhysicalTable
from tests.sql import world
from tests.sql.plans import LIMITS, plan

_TABLE = """
CREATE TABLE every AS SELECT
  true AS boolean, 1::TINYINT AS tinyint, 255::UTINYINT AS utinyint, 2::SMALLINT AS smallint,
  65535::USMALLINT AS usmallint, 3 AS integer, 4294967295::UINTEGER AS uinteger,
  9007199254740993 AS bigint, 18446744073709551615::UBIGINT AS ubigint,
  170141183460469231731687303715884105727 AS hugeint, 5::HUGEINT AS small_hugeint,
  340282366920938463463374607431768211455::UHUGEINT AS uhugeint, 0.1::FLOAT AS float,
  'nan'::DOUBLE AS nan, 'inf'::DOUBLE AS inf, 1.50::DECIMAL(5,2) AS decimal,
  123456789012345678.12::DECIMAL(30,2) AS long_decimal, 123456789012345678901::BIGNUM AS bignum,
  'é' AS varchar, '\\xAB'::BLOB AS blob, '101'::BIT AS bit, DATE '2013-01-02' AS date,
  DATE '5877642-06-25 (BC)' AS first_date, DATE 'infinity' AS last_date,
  TIME '24:00:00' AS midnight, TIMETZ '01:02:03+02' AS timetz,
  TIMESTAMP '2013-01-02 03:04:05.000006' AS timestamp,
  TIMESTAMP_NS '2013-01-02 03:04:05.000000007' AS timestamp_ns,
  TIMESTAMP_S '2013-01-02 03:04:05' AS timestamp_s, TIMESTAMP 'infinity' AS forever,
  TIMESTAMPTZ '2013-01-02 03:04:05+02' AS timestamptz,
  INTERVAL '1 year 2 months 3 days 4 hours 5.5 seconds' AS interval,
  '7d444840-9dc0-11d1-b245-5ffdce74fad2'::UUID AS uuid, 'a'::ENUM('a', 'CANARY') AS enum,
  '{"a": [1, 2.50]}'::JSON AS json, [1, NULL] AS list, [1, 2]::INTEGER[2] AS array,
  {'a': 'b', 'n': [1.5]} AS struct, map(['k'], [DATE '2013-01-02']) AS map,
  [{'e': 'a'::ENUM('a', 'CANARY')}] AS list_of_enums, union_value(k := 1) AS "union", NULL AS none
"""
# Column: (the engine's type, the value as JSON).
EVERY = {
    "boolean": ("BOOLEAN", True),
    "tinyint": ("TINYINT", 1),
    "utinyint": ("UTINYINT", 255),
    "smallint": ("SMALLINT", 2),
    "usmallint": ("USMALLINT", 65535),
    "integer": ("INTEGER", 3),
    "uinteger": ("UINTEGER", 4294967295),
    "bigint": ("BIGINT", "9007199254740993"),
    "ubigint": ("UBIGINT", "18446744073709551615"),
    "hugeint": ("HUGEINT", "170141183460469231731687303715884105727"),
    "small_hugeint": ("HUGEINT", 5),
    "uhugeint": ("UHUGEINT", "340282366920938463463374607431768211455"),
    "float": ("FLOAT", 0.10000000149011612),
    "nan": ("DOUBLE", None),
    "inf": ("DOUBLE", None),
    "decimal": ("DECIMAL(5,2)", 1.5),
    "long_decimal": ("DECIMAL(30,2)", "123456789012345678.12"),
    "bignum": ("BIGNUM", "123456789012345678901"),
    "varchar": ("VARCHAR", "é"),
    "blob": ("BLOB", "ab"),
    "bit": ("BIT", "101"),
    "date": ("DATE", "2013-01-02"),
    "first_date": ("DATE", "-5877641-06-25"),
    "last_date": ("DATE", "infinity"),
    "midnight": ("TIME", "24:00:00"),
    "timetz": ("TIME WITH TIME ZONE", "01:02:03+02"),
    "timestamp": ("TIMESTAMP", "2013-01-02T03:04:05.000006"),
    "timestamp_ns": ("TIMESTAMP_NS", "2013-01-02T03:04:05.000000007"),
    "timestamp_s": ("TIMESTAMP_S", "2013-01-02T03:04:05"),
    "forever": ("TIMESTAMP", "infinity"),
    "timestamptz": ("TIMESTAMP WITH TIME ZONE", "2013-01-02T01:04:05+00:00"),
    "interval": ("INTERVAL", "P1Y2M3DT4H5.5S"),
    "uuid": ("UUID", "7d444840-9dc0-11d1-b245-5ffdce74fad2"),
    "enum": ("ENUM", "a"),
    "json": ("JSON", {"a": [1, 2.5]}),
    "list": ("INTEGER[]", [1, None]),
    "array": ("INTEGER[2]", [1, 2]),
    "struct": ("STRUCT(a VARCHAR, n DECIMAL(2,1)[])", {"a": "b", "n": [1.5]}),
    "map": ("MAP(VARCHAR, DATE)", {"k": "2013-01-02"}),
    "list_of_enums": ("STRUCT(e ENUM)[]", [{"e": "a"}]),
    "union": ("UNION(k INTEGER)", "1"),
    "none": ('"NULL"', None),
}
_AT = PhysicalTable("t", "main", "every")


@pytest.fixture(scope="module", params=["thread", "process"])
def warehouse(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DuckDBWarehouse]:
    import duckdb

    path = tmp_path_factory.mktemp("types") / "t.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_TABLE)
    opened = DuckDBWarehouse.open("t", path, isolation=request.param)
    yield opened
    asyncio.run(opened.close())


async def test_every_type_comes_as_json_without_loss(warehouse: DuckDBWarehouse) -> None:
    rows = await warehouse.execute(
        plan("SELECT * FROM t.main.every AS saaf_t1", _AT), limits=LIMITS
    )
    told = {
        column.name: (column.type, value)
        for column, value in zip(rows.columns, rows.rows[0], strict=True)
    }
    assert told == EVERY


async def test_arrow_tells_no_label_of_an_enum(warehouse: DuckDBWarehouse) -> None:
    async with warehouse.stream(
        plan("SELECT * FROM t.main.every AS saaf_t1", _AT), limits=LIMITS
    ) as stream:
        table = await stream.table()
    assert table.schema.field("enum").type == pa.string()
    assert table.schema.field("bigint").type == pa.int64()
    assert table.schema.field("interval").type == pa.month_day_nano_interval()
    assert "CANARY" not in str(table.schema)
    assert "CANARY" not in str(table["list_of_enums"].to_pylist())


async def test_the_engine_estimates_a_plan_without_running_it(warehouse: DuckDBWarehouse) -> None:
    estimate = await warehouse.dry_run(
        plan("SELECT integer // 0 FROM t.main.every AS saaf_t1", _AT)
    )
    assert estimate.rows == 1


async def test_the_host_inspects_with_values_of_python(warehouse: DuckDBWarehouse) -> None:
    sql = "SELECT table_name, column_count FROM duckdb_tables() WHERE table_name = ?"
    assert await warehouse.inspect(sql, ["every"]) == [("every", len(EVERY))]


async def test_a_stream_is_cut_at_bytes_and_reads_no_further(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    world.build(path)
    warehouse = DuckDBWarehouse.open("w", path)
    guarded = GuardedWarehouse(warehouse, limits=LIMITS)
    sql = "SELECT repeat('x', 10000) AS t FROM range(1000000)"
    async with guarded.stream(guarded.plan(sql, visible={})) as stream:
        rows = [batch.num_rows async for batch in stream]
    assert sum(rows) == 19
    assert stream.cut == "Cut after 19 rows, at 200000 bytes: there are more."
    with pytest.raises(SqlRefused):
        async with guarded.stream(guarded.plan("SELECT error('x') AS e", visible={})) as stream:
            await stream.table()
    await warehouse.close()
