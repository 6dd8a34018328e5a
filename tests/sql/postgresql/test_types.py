from __future__ import annotations

import pyarrow as pa
import pytest

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql.postgresql import PostgreSQLWarehouse
from saaf_autogen.sql.postgresql.arrays import array_items
from tests.sql.plans import LIMITS, plan

# Expression: (the engine's type, the value as JSON).
EVERY = {
    "1::int2": ("int2", 1),
    "2::int4": ("int4", 2),
    "9007199254740993::int8": ("int8", "9007199254740993"),
    "0.5::float4": ("float4", 0.5),
    "'NaN'::float8": ("float8", None),
    "'-Infinity'::float8": ("float8", None),
    "1.50::numeric(10,2)": ("numeric", 1.5),
    "123456789012345678.12::numeric(30,2)": ("numeric", "123456789012345678.12"),
    "123456789012345678901234567890.5::numeric": ("numeric", "123456789012345678901234567890.5"),
    "'NaN'::numeric": ("numeric", None),
    "sum(1::bigint)": ("numeric", 1),
    "avg(3)": ("numeric", 3),
    "true": ("bool", True),
    "'é'::text": ("text", "é"),
    "'ab'::char(4)": ("bpchar", "ab  "),
    "'\\x00ff'::bytea": ("bytea", "00ff"),
    "date '2013-01-02'": ("date", "2013-01-02"),
    "date 'infinity'": ("date", "infinity"),
    "date '0044-03-15 BC'": ("date", "-0043-03-15"),
    "date '10000-01-01'": ("date", "+10000-01-01"),
    "time '24:00:00'": ("time", "24:00:00"),
    "timetz '01:02:03+02'": ("timetz", "01:02:03+02"),
    "timestamp '2013-01-02 03:04:05.000006'": ("timestamp", "2013-01-02T03:04:05.000006"),
    "timestamp '-infinity'": ("timestamp", "-infinity"),
    "timestamptz '2013-01-02 03:04:05+02'": ("timestamptz", "2013-01-02T01:04:05+00:00"),
    "interval '1 year 2 months 3 days 04:05:06.7'": ("interval", "P1Y2M3DT4H5M6.7S"),
    "interval '-1 day 2 hours'": ("interval", "P-1DT2H"),
    '\'{"a": [1, 2.50], "n": 9007199254740993}\'::jsonb': (
        "jsonb",
        {"a": [1, 2.5], "n": "9007199254740993"},
    ),
    "'[1]'::json": ("json", [1]),
    "'7d444840-9dc0-11d1-b245-5ffdce74fad2'::uuid": (
        "uuid",
        "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    ),
    "inet '10.0.0.1/8'": ("inet", "10.0.0.1/8"),
    "'b'::public.mood": ("user-defined", "b"),
    "int4range(1, 5)": ("int4range", "[1,5)"),
    "array[1, 2, null]": ("int4[]", [1, 2, None]),
    "array['a \"q\"', 'b,c', 'NULL', '']": ("text[]", ['a "q"', "b,c", "NULL", ""]),
    "array[date '2013-01-01']": ("date[]", ["2013-01-01"]),
    "array[1.5, 2.25]": ("numeric[]", [1.5, 2.25]),
    "array['{\"a\": 1}'::jsonb]": ("jsonb[]", [{"a": 1}]),
    "'12.34'::money": ("money", "$12.34"),
    "b'101'": ("bit", "101"),
    "row(1, 'a')": ("record", "(1,a)"),
    "null": ("text", None),
}


@pytest.fixture(scope="module", autouse=True)
def _mood(shop_urls: tuple[str, str]) -> None:
    import psycopg

    with psycopg.connect(shop_urls[0], autocommit=True) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('a', 'b')")


def _select() -> str:
    return "SELECT " + ", ".join(f"{text} AS c{i}" for i, text in enumerate(EVERY))


async def test_every_type_comes_as_json_without_loss(warehouse: PostgreSQLWarehouse) -> None:
    rows = await warehouse.execute(plan(_select()), limits=LIMITS)
    told = {
        text: (column.type, value)
        for text, column, value in zip(EVERY, rows.columns, rows.rows[0], strict=True)
    }
    assert told == EVERY


async def test_every_type_comes_as_arrow(warehouse: PostgreSQLWarehouse) -> None:
    async with warehouse.stream(plan(_select()), limits=LIMITS) as stream:
        table = await stream.table()
    kinds = dict(zip(EVERY, table.schema.types, strict=True))
    assert kinds["1.50::numeric(10,2)"] == pa.decimal128(10, 2)
    assert kinds["timestamptz '2013-01-02 03:04:05+02'"] == pa.timestamp("us", tz="UTC")
    assert kinds["interval '-1 day 2 hours'"] == pa.month_day_nano_interval()
    assert kinds["array[date '2013-01-01']"] == pa.list_(pa.date32())
    assert kinds["'\\x00ff'::bytea"] == pa.binary()


async def test_a_result_without_rows_has_its_types(warehouse: PostgreSQLWarehouse) -> None:
    sql = "SELECT 1.5::numeric(4,1) AS n, now() AS t WHERE false"
    async with warehouse.stream(plan(sql), limits=LIMITS) as stream:
        table = await stream.table()
    assert table.num_rows == 0
    assert table.schema.types == [pa.decimal128(4, 1), pa.timestamp("us", tz="UTC")]


async def test_an_array_of_two_dimensions_is_refused_with_a_remedy(
    warehouse: PostgreSQLWarehouse,
) -> None:
    with pytest.raises(SqlRefused) as caught:
        await warehouse.execute(plan("SELECT array[[1,2],[3,4]]"), limits=LIMITS)
    assert caught.value.remedy is not None
    assert "to_jsonb" in caught.value.remedy


def test_arrays_are_read_with_quotes_bounds_and_depth() -> None:
    assert array_items("{}") == []
    assert array_items("[0:1]={1,NULL}") == ["1", None]
    assert array_items('{"a\\"b","c\\\\","{x}"}') == ['a"b', "c\\", "{x}"]
    assert array_items("{{1,2},{3,4}}") == [["1", "2"], ["3", "4"]]
    with pytest.raises(ValueError, match="array"):
        array_items("1,2")
