from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from saaf_autogen.errors import (
    ConfigurationError,
    SqlRefused,
    TimedOut,
    WarehouseFailed,
)
from saaf_autogen.sql import DuckDBWarehouse, GuardedWarehouse, PhysicalTable, Plan, QueryLimits
from tests.sql import world

# Streams for hours without holding memory.
SLOW = "SELECT sum(hash(i) % 3) FROM range(1000000000000) t(i)"
LIMITS = QueryLimits(max_rows=1_000, max_bytes=100_000, timeout_s=10)


def unguarded(sql: str, **changes: object) -> Plan:
    """A plan as a guard with a hole might make it: what the engine itself still refuses."""
    plan = Plan(
        sql=sql,
        parameters={},
        tables=(),
        resources=(),
        grants=(),
        physical=frozenset({PhysicalTable("w", "main", "flights")}),
        alias="saaf_t1",
        ctes=frozenset({"saaf_c1"}),
        max_rows=100,
        identifiers={},
        columns=(),
    )
    return replace(plan, **changes)  # type: ignore[arg-type]  # fields by name


async def test_a_query_past_its_time_is_interrupted_and_leaves_the_thread_free(
    engine: DuckDBWarehouse, guarded: GuardedWarehouse
) -> None:
    started = time.monotonic()
    tries = [guarded.query(SLOW, visible={}, timeout_s=0.2) for _ in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(outcome, TimedOut) for outcome in outcomes)
    result = await guarded.query("SELECT 1 AS one", visible={}, timeout_s=5)
    assert result.rows == [[1]]
    assert time.monotonic() - started < 5


async def test_cancelling_the_task_interrupts_the_engine(guarded: GuardedWarehouse) -> None:
    tasks = [asyncio.create_task(guarded.query(SLOW, visible={})) for _ in range(6)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    started = time.monotonic()
    await guarded.query("SELECT count(*) FROM flights", visible=world.visible())
    assert time.monotonic() - started < 4


def test_a_query_is_interrupted_even_if_its_event_loop_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    world.build(path)
    warehouse = DuckDBWarehouse.open("w", path, concurrency=1)
    guarded = GuardedWarehouse(warehouse)

    async def start(delay: float) -> None:
        task = asyncio.create_task(guarded.query(SLOW, visible={}))
        await asyncio.sleep(delay)
        task.cancel()

    # Each delay meets the query at another point: waiting, being checked, running.
    for delay in (0, 0.001, 0.002, 0.004, 0.01, 0.05):
        asyncio.run(start(delay))
    result = asyncio.run(guarded.query("SELECT 1 AS one", visible={}, timeout_s=4))
    assert result.rows == [[1]]
    asyncio.run(warehouse.close())


async def test_a_fast_query_is_not_held_up_by_slow_ones(guarded: GuardedWarehouse) -> None:
    slow = [asyncio.create_task(guarded.query(SLOW, visible={})) for _ in range(2)]
    await asyncio.sleep(0.05)
    result = await guarded.query("SELECT 1 AS one", visible={})
    assert result.rows == [[1]]
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_rows_are_cut_at_the_limit_and_the_cut_is_said(guarded: GuardedWarehouse) -> None:
    sql = "SELECT i FROM range(500) t(i)"
    whole = await guarded.query(sql, visible={}, max_rows=500)
    assert (len(whole.rows), whole.cut) == (500, None)
    cut = await guarded.query(sql, visible={}, max_rows=499)
    assert (len(cut.rows), cut.cut) == (499, "Cut after 499 rows: there are more.")
    assert cut.rows == [[i] for i in range(499)]
    none = await guarded.query(sql, visible={}, max_rows=0)
    assert (none.rows, none.cut) == ([], "Cut after 0 rows: there are more.")


async def test_a_call_cannot_ask_for_more_rows_than_the_deployment_allows(
    guarded: GuardedWarehouse,
) -> None:
    result = await guarded.query("SELECT i FROM range(5000) t(i)", visible={}, max_rows=5_000)
    assert len(result.rows) == 1_000


async def test_rows_are_cut_at_bytes_and_the_cut_is_said(engine: DuckDBWarehouse) -> None:
    small = GuardedWarehouse(engine, limits=QueryLimits(max_bytes=1_000))
    result = await small.query("SELECT repeat('é', 100) AS t FROM range(50)", visible={})
    assert result.cut == f"Cut after {len(result.rows)} rows, at 1000 bytes: there are more."
    assert len(result.rows) == 4


@pytest.mark.parametrize(
    "value",
    [
        "repeat('x', 200000)",
        "(SELECT list(i) FROM range(100000) t(i))",
        "[(SELECT list(i) FROM range(100000) t(i))]",
        "{'a': repeat('x', 200000)}",
        "map([1], [repeat('x', 200000)])",
        "encode(repeat('x', 200000))",
        "{'a': {'b': [repeat('x', 200000)]}}",
    ],
)
async def test_a_row_larger_than_a_result_never_reaches_python(
    engine: DuckDBWarehouse, value: str
) -> None:
    guarded = GuardedWarehouse(engine, limits=LIMITS)
    with pytest.raises(SqlRefused) as caught:
        await guarded.query(f"SELECT {value} AS v", visible={})
    assert caught.value.rule == "row_too_large"


async def test_order_survives_weighing(guarded: GuardedWarehouse) -> None:
    result = await guarded.query(
        "SELECT i, 'x' || i AS t FROM range(1000) r(i) ORDER BY (i * 7919) % 1000", visible={}
    )
    assert [row[0] for row in result.rows] == sorted(range(1000), key=lambda i: i * 7919 % 1000)


async def test_values_come_as_json_holds_them(guarded: GuardedWarehouse) -> None:
    result = await guarded.query(
        "SELECT DATE '2013-01-02' AS d, TIMESTAMP '2013-01-02 03:04:05' AS t, "
        "TIME '03:04:05' AS c, 1.50::DECIMAL(5,2) AS n, 2.00::DECIMAL(5,2) AS whole, "
        "'NaN'::DOUBLE AS nan, 'ab'::BLOB AS b, [1, NULL] AS l, {'a': DATE '2013-01-01'} AS s, "
        "map([1], ['x']) AS m, INTERVAL 90 MINUTE AS i, 9007199254740993 AS big, NULL AS z, "
        "TIMESTAMPTZ '2013-01-01 00:00:00+00' AS tz",
        visible={},
    )
    assert result.rows == [
        [
            "2013-01-02",
            "2013-01-02T03:04:05",
            "03:04:05",
            1.5,
            2,
            None,
            "6162",
            [1, None],
            {"a": "2013-01-01"},
            {"1": "x"},
            "PT1H30M",
            "9007199254740993",
            None,
            "2013-01-01T00:00:00+00:00",
        ]
    ]
    assert [column.name for column in result.columns][:3] == ["d", "t", "c"]
    assert result.columns[0].type == "DATE"


async def test_an_unknown_and_an_ungranted_column_are_refused_alike(
    guarded: GuardedWarehouse,
) -> None:
    problems = []
    for name in ("tailnum", "tailnom"):
        with pytest.raises(SqlRefused) as caught:
            await guarded.query(f"SELECT id,\n  {name} FROM flights", visible=world.visible())
        problems.append(caught.value.problem())
    assert problems[0]["rule"] == "unknown_column"
    assert (problems[0]["line"], problems[0]["column"]) == (2, 3)
    assert problems[0]["detail"] == "There is no column tailnum here."
    assert problems[1] == {**problems[0], "detail": "There is no column tailnom here."}


@pytest.mark.parametrize(
    ("sql", "rule", "remedy"),
    [
        ("SELECT carier FROM flights", "unknown_column", "Did you mean carrier?"),
        ("SELECT f.carier FROM flights f", "unknown_column", "Did you mean carrier?"),
        ("SELECT x.id FROM flights f", "unknown_table", None),
        ("SELECT id FROM flights a, flights b", "ambiguous_column", None),
        ("SELECT id, count(*) FROM flights", "grouping", None),
        ("SELECT sum(note) FROM flights", "types", None),
        ("SELECT note::INTEGER FROM flights", "conversion", None),
        ("SELECT 1 // 0", "evaluation", None),
        ("SELECT 300::TINYINT", "conversion", None),
        ("SELECT (SELECT id FROM flights)", "evaluation", None),
        ("SELECT 9223372036854775807 + id FROM flights", "out_of_range", None),
        ("SELECT id FROM flights UNION SELECT 1, 2", "binding", None),
    ],
)
async def test_what_the_engine_refuses_is_said_in_our_own_words(
    guarded: GuardedWarehouse, sql: str, rule: str, remedy: str | None
) -> None:
    with pytest.raises(SqlRefused) as caught:
        await guarded.query(sql, visible=world.visible())
    error = caught.value
    assert error.rule == rule
    assert error.__cause__ is None
    assert error.remedy
    assert remedy is None or error.remedy == remedy
    assert "saaf" not in str(error)
    assert "LINE" not in str(error)


async def test_a_query_past_the_memory_limit_fails_cleanly(guarded: GuardedWarehouse) -> None:
    sql = "SELECT list(i) FROM range(200000000) t(i)"
    with pytest.raises(WarehouseFailed, match="more memory than the warehouse may use"):
        await guarded.query(sql, visible={})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM main.secrets",
        "SELECT * FROM w.main.flights",
        "SELECT * FROM w.main.flights AS f",
        'SELECT * FROM "flights" AS saaf_t1',
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT current_setting('threads')",
        "SELECT stats(1)",
        "SELECT spy()",
        "SELECT * FROM w.main.flights AS saaf_t1 POSITIONAL JOIN vault.keys",
        "SELECT COLUMNS('x') FROM w.main.flights AS saaf_t1 WHERE list_transform([1], x -> x) = 1",
        "SELECT #1 FROM w.main.flights AS saaf_t1",
        "SELECT 1; SELECT 2",
        "DESCRIBE main.secrets",
        "PRAGMA database_list",
        "COPY w.main.flights TO '/tmp/x.csv'",
    ],
)
async def test_the_engine_checks_a_plan_by_its_own_reading(
    engine: DuckDBWarehouse, sql: str
) -> None:
    with pytest.raises(SqlRefused) as caught:
        await engine.execute(unguarded(sql), limits=LIMITS)
    assert caught.value.rule == "engine_disagrees"


async def test_the_engine_runs_what_reads_as_planned(engine: DuckDBWarehouse) -> None:
    sql = "WITH saaf_c1 AS (SELECT id FROM w.main.flights AS saaf_t1) SELECT count(*) FROM saaf_c1"
    rows = await engine.execute(unguarded(sql), limits=LIMITS)
    assert rows.rows == [[300]]


def test_the_engine_is_read_only_and_its_configuration_locked(world_file: Path) -> None:
    import duckdb

    warehouse = DuckDBWarehouse.open("w", world_file, memory_limit="512MB")
    connection = warehouse._place
    assert isinstance(connection, duckdb.DuckDBPyConnection)
    for sql in (
        "INSERT INTO flights VALUES (1)",
        "CREATE TABLE x (a INT)",
        "SET enable_external_access = true",
        "SET memory_limit = '8GB'",
        "SET lock_configuration = false",
        "ATTACH '/tmp/x.duckdb'",
        "COPY flights TO '/tmp/x.csv'",
        "SELECT * FROM read_text('/etc/hostname')",
        "INSTALL httpfs",
        "LOAD httpfs",
    ):
        with pytest.raises(duckdb.Error):
            connection.cursor().execute(sql)
    asyncio.run(warehouse.close())


async def test_schemas_lists_every_table_for_the_host(engine: DuckDBWarehouse) -> None:
    schemas = {
        f"{schema.table.schema}.{schema.table.name}": schema for schema in await engine.schemas()
    }
    assert {"main.flights", "main.secrets", "vault.keys", "main.secret_view"} <= set(schemas)
    assert schemas["main.secrets"].columns[0].name == "v"
    assert schemas["main.secrets"].columns[0].type == "VARCHAR"
    assert schemas["main.secrets"].table.catalog == "w"


def test_a_missing_or_broken_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no file"):
        DuckDBWarehouse.open("w", tmp_path / "none.duckdb")
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"not a database" * 1_000)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        DuckDBWarehouse.open("w", broken)


async def test_closing_interrupts_what_runs_and_refuses_what_comes(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    world.build(path)
    warehouse = DuckDBWarehouse.open("w", path)
    guarded = GuardedWarehouse(warehouse)
    running = asyncio.create_task(guarded.query(SLOW, visible={}))
    await asyncio.sleep(0.1)
    await asyncio.wait_for(warehouse.close(), 4)
    with pytest.raises((WarehouseFailed, TimedOut)):
        await running
    with pytest.raises(WarehouseFailed, match="closed"):
        await guarded.query("SELECT 1", visible={})
    await warehouse.close()


async def test_a_plan_can_be_looked_at_before_it_is_run(guarded: GuardedWarehouse) -> None:
    sql = "SELECT count(*) AS n FROM flights WHERE origin = :o"
    plan = guarded.plan(sql, visible=world.visible(), parameters={"o": "JFK"})
    assert plan.resources == ("wh://w/main.flights",)
    result = await guarded.run(sql, plan)
    assert result.rows == [[66]]
    assert result.sql == sql
    assert result.tables == ("main.flights",)


async def test_a_parameter_never_widens_what_is_seen(guarded: GuardedWarehouse) -> None:
    sql = "SELECT count(*) FROM flights WHERE carrier = :c OR :c = 'x'"
    for value in ("B6", "x' OR '1'='1", "UA' --", "%", "x"):
        result = await guarded.query(sql, visible=world.visible(), parameters={"c": value})
        assert result.rows[0][0] in (0, 200)
    with pytest.raises(SqlRefused):
        await guarded.query(
            "SELECT id FROM flights WHERE id = :i",
            visible=world.visible(),
            parameters={"i": "not a number"},
        )


async def test_a_granted_view_is_read_like_a_table(guarded: GuardedWarehouse) -> None:
    visible = {"main.secret_view": world.table("main.secret_view", world.full("n"))}
    result = await guarded.query("SELECT * FROM secret_view", visible=visible)
    assert result.rows == [[424242]]
    with pytest.raises(SqlRefused):
        await guarded.query("SELECT * FROM secrets", visible=visible)


async def test_a_table_may_be_elsewhere_than_its_visible_name_says(
    engine: DuckDBWarehouse,
) -> None:
    guarded = GuardedWarehouse(
        engine, physical={"sales.codes": PhysicalTable("w", "vault", "keys")}
    )
    visible = {"sales.codes": world.table("sales.codes", world.full("k"))}
    result = await guarded.query("SELECT sales.codes.k FROM sales.codes", visible=visible)
    assert result.rows == [["CANARY_KEY"]]
    assert result.tables == ("sales.codes",)


async def test_columns_of_a_subquery_are_not_named_by_the_rewritten_sql(
    guarded: GuardedWarehouse,
) -> None:
    result = await guarded.query(
        "SELECT (SELECT max(id) FROM flights), 1 + (SELECT min(id) FROM flights) FROM people",
        visible=world.visible(),
    )
    assert all("saaf" not in column.name for column in result.columns)
    assert result.columns[0].name == "subquery"
