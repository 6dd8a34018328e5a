"""Where a row policy needs its fence, and what may be made below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pytest

from saaf_autogen.auth.access import TRUE, ColumnAccess, ColumnCase, Comparison, TableAccess
from saaf_autogen.sql import DuckDBWarehouse, Guard, GuardedWarehouse, PhysicalTable, VisibleTable
from saaf_autogen.sql.guard import DUCKDB
from saaf_autogen.sql.guard.plan import Scalar
from saaf_autogen.sql.guard.types import Kind, comparable
from tests.sql import world

TYPES = {
    "id": "INTEGER",
    "name": "VARCHAR",
    "price": "DECIMAL(15,2)",
    "share": "DOUBLE",
    "day": "DATE",
    "moment": "TIMESTAMP",
    "mood": "ENUM('a', 'b')",
}
SCHEMA = """
CREATE TABLE a (id INTEGER, name VARCHAR, price DECIMAL(15,2), share DOUBLE, day DATE,
                moment TIMESTAMP, mood VARCHAR, hidden BOOLEAN);
INSERT INTO a SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'n' || i % 7 END, i * 1.25, i / 3.0,
  DATE '2013-01-01' + i::INTEGER, TIMESTAMP '2013-01-01' + to_hours(i), 'a', i % 4 = 0
FROM range(60) t(i);
INSERT INTO a VALUES (1000, 'CANARY', 9999999999999.99, 1e300, DATE '290000-01-01',
  TIMESTAMP '290000-01-01', 'b', true);
CREATE TABLE b AS SELECT id + 20 AS id, name, price, share, day, moment, mood, hidden FROM a;
"""


def tables(
    *, typed: bool = True, rows: bool = True, masked: tuple[str, ...] = ()
) -> dict[str, VisibleTable]:
    columns = world.full(*TYPES)
    for name in masked:
        columns[name] = ColumnAccess(name, (ColumnCase(TRUE, "last4"),))
    policy = Comparison("hidden", "eq", False) if rows else TRUE
    return {
        f"main.{name}": VisibleTable(
            PhysicalTable("w", "main", name),
            TableAccess(f"wh://w/main.{name}", columns, policy),
            TYPES if typed else {},
        )
        for name in ("a", "b")
    }


def text(
    sql: str,
    parameters: Mapping[str, Scalar] | None = None,
    visible: Mapping[str, VisibleTable] | None = None,
) -> str:
    guard = Guard(DUCKDB, mask_key="k")
    made = guard.plan(sql, visible=visible or tables(), parameters=parameters, max_rows=1000)
    return made.sql


TOTAL = (
    "SELECT id FROM a WHERE id > 3",
    "SELECT id FROM a WHERE id BETWEEN 1 AND 5 OR NOT name = 'n1' OR price < 0.05",
    "SELECT id FROM a WHERE day > DATE '2013-01-05' AND day < DATE '2013-01-05' + INTERVAL '1' DAY",
    "SELECT id FROM a WHERE day < '2013-02-01' AND moment > '2013-01-02'",
    "SELECT id FROM a WHERE name LIKE 'n%' AND name IN ('n1', 'n2') AND share > 1",
    "SELECT id FROM a WHERE name IS NULL AND id IN (1, 2)",
    "SELECT a.id FROM a JOIN b ON a.id = b.id AND a.price < b.price WHERE b.name <> 'n3'",
    "SELECT a.id FROM a LEFT JOIN b USING (id, name) WHERE b.id > 3",
    "SELECT id FROM a WHERE id IN (SELECT id FROM b WHERE price > 3)",
    "SELECT id FROM a WHERE price > (SELECT 0.5 * AVG(price) FROM b WHERE b.name = a.name)",
    "SELECT id FROM a WHERE EXISTS (SELECT * FROM b WHERE b.id = a.id AND b.day > a.day)",
    "SELECT name, SUM(price) AS s FROM a GROUP BY name HAVING SUM(price) > 10 AND COUNT(*) > 1",
    "WITH x AS (SELECT name AS n, SUM(price) AS s FROM a GROUP BY name) "
    "SELECT n FROM x WHERE s = (SELECT MAX(s) FROM x) AND n <> 'n2'",
    "SELECT id FROM a WHERE SUBSTRING(name, 1, 1) = 'n' AND EXTRACT(YEAR FROM day) = 2013",
    "SELECT id FROM a WHERE UPPER(name) <> 'N1'",
    "SELECT id FROM a WHERE id > :least AND name = :name",
)  # fmt: skip
NOT_TOTAL = (
    "SELECT id FROM a WHERE 1 // (id - 1000) < 5",
    "SELECT id FROM a WHERE id + 1 > 3",
    "SELECT id FROM a WHERE CAST(name AS INTEGER) > 1",
    "SELECT id FROM a WHERE name = 5",
    "SELECT id FROM a WHERE name = :n",
    "SELECT id FROM a WHERE id = :text",
    "SELECT id FROM a WHERE day < TIMESTAMP '2013-01-01 10:00:00'",
    "SELECT id FROM a WHERE day < DATE '2013-01-01' + INTERVAL '3' HOUR",
    "SELECT id FROM a WHERE day > DATE '2013-01-01' + to_days(id)",
    "SELECT id FROM a WHERE price < 0.0000000000000000000000000001",
    "SELECT id FROM a WHERE mood = 'a'",
    "SELECT id FROM a WHERE name LIKE 'n\\'",
    "SELECT id FROM a WHERE name LIKE name",
    "SELECT id FROM a WHERE name IS TRUE",
    "SELECT id FROM a WHERE SUBSTRING(name, 1, 99999999999) = 'n'",
    "SELECT id FROM a WHERE id = (SELECT RANK() OVER (ORDER BY b.id) FROM b)",
    "SELECT name FROM a GROUP BY name HAVING COUNT(CAST(name AS INTEGER)) > 1",
    "SELECT id FROM a QUALIFY RANK() OVER (ORDER BY CAST(name AS INTEGER)) > 1",
    "SELECT id FROM a QUALIFY NTILE(id) OVER () > 1",
    "SELECT id FROM a WHERE id = (SELECT id FROM b)",
    "SELECT id FROM a WHERE id = (SELECT MAX(a.id) FROM b)",
    "SELECT x.v FROM (SELECT 1 // (id - 1000) AS v FROM a) x WHERE x.v > 0",
    "SELECT id FROM a JOIN b USING (id) WHERE a.id // 1 > 0",
    "SELECT a.id FROM a NATURAL JOIN b",
    "SELECT a.id FROM a, unnest([a.id]) AS u(v) WHERE a.id > 1",
    "SELECT COUNT(*) FILTER (WHERE CAST(name AS INTEGER) > 1) AS c FROM a",
    "SELECT id FROM a QUALIFY MAX(CAST(name AS INTEGER)) OVER () > 1",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t, a WHERE n < 3) FROM t",
)  # fmt: skip


def given(sql: str) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {"least": 3, "name": "n1", "n": 5, "text": "5"}
    return {name: value for name, value in values.items() if sql.rstrip().endswith(f":{name}")} | (
        {"least": 3} if ":least" in sql else {}
    )


@pytest.mark.parametrize("sql", TOTAL)
def test_where_no_filter_can_fail_there_is_no_fence(sql: str) -> None:
    assert "OFFSET" not in text(sql, given(sql))
    assert "OFFSET 0" in text(sql, given(sql), tables(typed=False))


@pytest.mark.parametrize("sql", NOT_TOTAL)
def test_where_a_filter_may_fail_on_a_hidden_row_the_fence_stands(sql: str) -> None:
    made = text(sql, given(sql))
    assert made.count("OFFSET 0") == made.count('AS "saaf_t1" WHERE') or "saaf_t2" in made
    assert "OFFSET 0" in made


def test_a_masked_column_in_a_filter_keeps_the_fence() -> None:
    assert "OFFSET 0" in text("SELECT id FROM a WHERE name = 'x'", visible=tables(masked=("name",)))
    assert "OFFSET" not in text("SELECT id FROM a WHERE id = 1", visible=tables(masked=("name",)))


@pytest.mark.parametrize(
    ("condition", "below"),
    [
        ("id > 3", '"id" > 3'),
        ("3 >= id", '"id" <= 3'),
        ("a.id BETWEEN 1 AND 5", '"id" >= 1 AND "saaf_t1"."id" <= 5'),
        ("price < 24", '"price" < 24'),
        ("name = 'x'", "\"name\" = 'x'"),
        ("name IN ('x', 'y')", "\"name\" IN ('x', 'y')"),
        ("day < '2013-01-05'", "\"day\" < CAST('2013-01-05' AS DATE)"),
        ("CAST(day AS DATE) >= DATE '2013-01-05'", "\"day\" >= CAST('2013-01-05' AS DATE)"),
        ("day < DATE '2013-01-05' + INTERVAL '1' YEAR", "INTERVAL '1' YEAR) AS DATE)"),
        ("moment >= DATE '2013-01-05'", "AS DATE) AS TIMESTAMP)"),
        ("share > 0.5", '"share" > 0.5'),
        ("(id > 3)", '"id" > 3'),
    ],
)
def test_beside_a_filter_that_needs_the_fence_safe_ones_are_made_below_it(
    condition: str, below: str
) -> None:
    made = text(f"SELECT id FROM a WHERE id // 1 >= 0 AND {condition}")
    inner = made[made.index("FROM (SELECT") : made.index("OFFSET 0")]
    assert below in inner
    assert "//" not in inner
    without = text(
        f"SELECT id FROM a WHERE id // 1 >= 0 AND {condition}", visible=tables(rows=False)
    )
    assert "OFFSET" not in without


@pytest.mark.parametrize(
    "condition",
    [
        "id + 1 > 3",
        "name = 5",
        "name > id::VARCHAR",
        "mood = 'a'",
        "id IS NULL",
        "id > 3 OR id < 1",
        "NOT id > 3",
        "id IN (SELECT id FROM b)",
        "day > now()",
        "day > TIMESTAMP '2013-01-01 10:00:00'",
        "price < 0.000000000000000000001",
        "id > random()",
        "id IN (1, NULL)",
        "name IN ('a', 1)",
    ],
)
def test_what_could_fail_or_means_something_else_is_not_made_below_the_fence(
    condition: str,
) -> None:
    made = text(f"SELECT id FROM a WHERE id // 1 >= 0 AND {condition}")
    inner = made[made.index('WHERE "saaf_t1"') : made.index("OFFSET 0")]
    assert " AND " not in inner, inner


@pytest.mark.parametrize(
    ("join", "alias"),
    [("a ASOF JOIN b ON a.id >= b.id", "b"), ("a SEMI JOIN b ON a.id = b.id", "b")],
)
def test_filters_of_what_a_join_only_looks_up_stay_above(join: str, alias: str) -> None:
    made = text(f"SELECT 1 AS x FROM {join} WHERE a.id // 1 > 0 AND {alias}.price > 3")
    assert '"saaf_t1"."price" >' not in made


@pytest.fixture(scope="module")
def worlds() -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]]:
    """Everything, and a world in which hidden rows never were."""
    with duckdb.connect() as whole, duckdb.connect() as shown:
        for connection in (whole, shown):
            connection.execute("ATTACH ':memory:' AS w; USE w")
            connection.execute(SCHEMA)
        shown.execute("DELETE FROM a WHERE hidden; DELETE FROM b WHERE hidden")
        yield whole, shown


JOINED = (
    "SELECT a.id, b.id FROM a {join} b ON a.id = b.id WHERE {one} AND {two}",
    "SELECT a.id, b.id FROM a {join} b ON a.id = b.id AND a.price <= b.price WHERE {one}",
    "SELECT COUNT(*), SUM(a.price) FROM a {join} b ON a.name = b.name WHERE {one} AND {two}",
    "SELECT b.name, COUNT(a.id) FROM a {join} b ON a.id // 1 = b.id WHERE {one} GROUP BY b.name",
    "SELECT x.id FROM (SELECT a.id, b.price FROM a {join} b ON a.id = b.id WHERE {two}) x "
    "WHERE x.price > 2",
)
CONDITIONS = (
    "a.id > 25",
    "b.id < 45",
    "a.name = 'n4'",
    "b.price BETWEEN 5 AND 60.5",
    "a.day < DATE '2013-01-01' + INTERVAL '1' MONTH",
    "b.day >= '2013-01-20'",
    "b.moment <= '2013-01-02'",
    "a.day = b.day",
    "a.id // 1 >= 0",
    "b.name IN ('n1', 'n2', 'n5')",
)


@pytest.mark.parametrize("join", ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
@pytest.mark.parametrize("query", JOINED)
def test_results_are_those_of_a_world_without_the_hidden_rows(
    worlds: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection], join: str, query: str
) -> None:
    whole, shown = worlds
    guard = Guard(DUCKDB, mask_key="k")
    for one in CONDITIONS:
        for two in CONDITIONS:
            sql = query.format(join=join, one=one, two=two)
            made = guard.plan(sql, visible=tables(), max_rows=100_000)
            guarded = whole.execute(made.sql, dict(made.parameters)).fetchall()
            assert by_text(guarded) == by_text(shown.execute(sql).fetchall()), sql


def by_text(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=str)


@pytest.mark.parametrize("sql", [*TOTAL, *NOT_TOTAL])
def test_neither_rows_nor_failures_depend_on_hidden_rows(
    worlds: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection], sql: str
) -> None:
    made = Guard(DUCKDB, mask_key="k").plan(
        sql, visible=tables(), parameters=given(sql), max_rows=1000
    )
    outcomes = []
    for connection in worlds:
        try:
            rows = connection.execute(made.sql, dict(made.parameters)).fetchall()
            outcomes.append(str(by_text(rows)))
        except duckdb.Error as error:
            outcomes.append(type(error).__name__)
    assert outcomes[0] == outcomes[1]
    assert "CANARY" not in outcomes[0]


async def test_a_warehouse_tells_its_types_after_the_first_query(
    engine: DuckDBWarehouse,
) -> None:
    guarded = GuardedWarehouse(engine, mask_key="k")
    sql = "SELECT id FROM flights WHERE delay > 3"
    assert "OFFSET 0" in guarded.plan(sql, visible=world.visible()).sql
    before = await guarded.query(sql, visible=world.visible())
    assert "OFFSET" not in guarded.plan(sql, visible=world.visible()).sql
    assert (await guarded.query(sql, visible=world.visible())).rows == before.rows


@pytest.mark.parametrize(
    ("one", "two", "fits"),
    [
        ("BIGINT", "DECIMAL(15,2)", True),
        ("DECIMAL(38,0)", "DECIMAL(15,2)", False),
        ("DECIMAL(38,37)", "BIGINT", False),
        ("DECIMAL(38,0)", "DOUBLE", True),
        ("NUMERIC(400,0)", "DOUBLE PRECISION", False),
        ("NUMERIC(400,390)", "REAL", False),
        ("DATE", "DATE", True),
        ("DATE", "TIMESTAMP", False),
        ("VARCHAR", "INTEGER", False),
        ("TIMESTAMP", "TIMESTAMP", True),
    ],
)
def test_columns_are_compared_where_one_type_holds_both(one: str, two: str, fits: bool) -> None:
    first, second = Kind.of_column(one), Kind.of_column(two)
    assert first is not None
    assert second is not None
    assert comparable(first, second) is fits
    assert comparable(second, first) is fits


@pytest.mark.parametrize("data_type", ["ENUM('a')", "JSON", "HUGEINT", "BLOB", "INTEGER[]", ""])
def test_types_that_nothing_is_known_of_have_no_kind(data_type: str) -> None:
    assert Kind.of_column(data_type) is None
