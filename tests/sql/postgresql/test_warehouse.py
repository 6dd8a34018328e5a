from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time

import psycopg
import pytest

from saaf_autogen.auth.access import Comparison
from saaf_autogen.errors import SqlRefused, TimedOut, WarehouseFailed
from saaf_autogen.sql import GuardedWarehouse, PhysicalTable, QueryLimits
from saaf_autogen.sql.postgresql import PostgreSQLWarehouse
from saaf_autogen.sql.warehouse import Session
from tests.sql import world
from tests.sql.plans import LIMITS, eventually, plan, values
from tests.sql.postgresql.conftest import Activity

FLIGHTS = PhysicalTable("shop", "public", "flights")
VISIBLE = {"public.flights": world.table("public.flights", world.full("id", "carrier"))}
SLEEP = "SELECT pg_sleep(60)"
SLOW = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b"


async def test_a_guarded_query_reads_what_was_granted(warehouse: PostgreSQLWarehouse) -> None:
    guarded = GuardedWarehouse(warehouse, limits=LIMITS)
    result = await guarded.query(
        "SELECT carrier, count(*) AS n FROM flights WHERE id > :i GROUP BY 1 ORDER BY 1",
        visible=VISIBLE,
        parameters={"i": 100},
    )
    assert result.rows == [["B6", 2450], ["UA", 2450]]
    with pytest.raises(SqlRefused) as caught:
        await guarded.query("SELECT id,\n  carier FROM flights", visible=VISIBLE)
    assert caught.value.rule == "unknown_column"
    assert (caught.value.line, caught.value.column) == (2, 3)
    assert caught.value.remedy == "Did you mean carrier?"
    with pytest.raises(SqlRefused):
        await guarded.query("SELECT note FROM flights", visible=VISIBLE)


async def test_texts_of_other_collations_are_compared_above_the_fence(
    warehouse: PostgreSQLWarehouse, owner_url: str
) -> None:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE words (id int, plain text, a text COLLATE "C", b text COLLATE "POSIX")'
        )
        connection.execute("INSERT INTO words VALUES (1, 'x', NULL, NULL), (2, 'x', 'a', 'b')")
        connection.execute("GRANT SELECT ON words TO reader")
    columns = world.full("id", "plain", "a", "b")
    visible = {"public.words": world.table("public.words", columns, Comparison("id", "eq", 1))}
    guarded = GuardedWarehouse(warehouse, limits=LIMITS)
    await guarded.learn_types()

    sql = "SELECT id FROM words WHERE a < b"
    assert "OFFSET 0" in guarded.plan(sql, visible=visible).sql
    assert "OFFSET" not in guarded.plan(sql.replace("a < b", "plain > 'a'"), visible=visible).sql
    # The row that is hidden would fail: no collation is known to compare its texts by.
    assert (await guarded.query(sql, visible=visible)).rows == []


async def test_a_time_limit_ends_the_query_at_the_server(
    warehouse: PostgreSQLWarehouse, activity: Activity
) -> None:
    started = time.monotonic()
    for sql in (SLEEP, SLOW):
        with pytest.raises(TimedOut):
            await warehouse.execute(plan(sql), limits=QueryLimits(timeout_s=0.4))
    assert time.monotonic() - started < 3

    async def idle() -> bool:
        return await activity.running() == 0

    assert await eventually(idle)


async def test_a_cancelled_task_ends_the_query_at_the_server(
    warehouse: PostgreSQLWarehouse, activity: Activity
) -> None:
    tasks = [asyncio.create_task(warehouse.execute(plan(SLEEP), limits=LIMITS)) for _ in range(3)]

    async def all_run() -> bool:
        return await activity.running() == 3

    assert await eventually(all_run)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    async def idle() -> bool:
        return await activity.running() == 0

    assert await eventually(idle, 3)
    assert (await values(warehouse, "SELECT 1 AS one")) == {"one": 1}


async def test_the_servers_own_limit_holds_where_the_host_cannot_interrupt(
    warehouse: PostgreSQLWarehouse,
) -> None:
    told = await values(
        warehouse,
        "SELECT current_setting('statement_timeout') AS t, "
        "current_setting('idle_in_transaction_session_timeout') AS i, "
        "current_setting('transaction_read_only') AS r",
    )
    assert told == {"t": "21s", "i": "21s", "r": "on"}


async def test_closing_the_host_ends_queries_and_connections(
    shop_urls: tuple[str, str], activity: Activity
) -> None:
    warehouse = PostgreSQLWarehouse("shop", shop_urls[1])
    tasks = [asyncio.create_task(warehouse.execute(plan(SLEEP), limits=LIMITS)) for _ in range(2)]

    async def run() -> bool:
        return await activity.running() == 2

    assert await eventually(run)
    await asyncio.wait_for(warehouse.close(), 6)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, WarehouseFailed) for outcome in outcomes)

    async def none() -> bool:
        return await activity.count() == 0

    assert await eventually(none)
    assert not [t for t in threading.enumerate() if t.name.startswith("warehouse-shop")]


async def test_a_stream_that_is_left_frees_its_connection(
    warehouse: PostgreSQLWarehouse, activity: Activity
) -> None:
    wide = "SELECT repeat('x', 1000) AS t, i FROM generate_series(1, 10000000) g(i)"
    many = QueryLimits(max_rows=10_000_000, max_bytes=50_000_000, timeout_s=20)
    for _ in range(6):
        async with warehouse.stream(plan(wide, max_rows=10_000_000), limits=many) as stream:
            async for batch in stream:
                assert batch.num_rows <= 1_000
                break

    async def idle() -> bool:
        return await activity.running() == 0

    assert await eventually(idle)


async def test_a_full_pool_is_told_and_not_waited_for_without_end(
    warehouse: PostgreSQLWarehouse,
) -> None:
    tasks = [asyncio.create_task(warehouse.execute(plan(SLEEP), limits=LIMITS)) for _ in range(3)]
    await asyncio.sleep(0.2)
    with pytest.raises(TimedOut, match="busy: 3 queries run"):
        await warehouse.execute(plan("SELECT 1"), limits=QueryLimits(timeout_s=0.2))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT * FROM public.secrets", "engine_disagrees"),
        ("SELECT * FROM pg_catalog.pg_authid", "engine_disagrees"),
        ("SELECT 1; COMMIT; SELECT 2", "syntax"),
        ("SELECT repeat('x', 2000000)", "row_too_large"),
        ("SELECT array_agg(i) FROM generate_series(1, 100000) g(i)", "row_too_large"),
        ("SELECT 1/0", "evaluation"),
        ("SELECT 'CANARY'::int", "conversion"),
        ("SELECT 2147483647 + 1", "out_of_range"),
        ("SELECT (SELECT * FROM generate_series(1, 2))", "evaluation"),
        ("SELECT nosuch()", "types"),
    ],
)
async def test_what_the_server_refuses_is_said_in_our_own_words(
    owner_url: str, sql: str, rule: str
) -> None:
    warehouse = PostgreSQLWarehouse("shop", owner_url)
    with pytest.raises(SqlRefused) as caught:
        await warehouse.execute(plan(sql), limits=LIMITS)
    assert caught.value.rule == rule
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.remedy
    await warehouse.close()


async def test_a_write_is_refused_even_as_the_owner(owner_url: str) -> None:
    warehouse = PostgreSQLWarehouse("shop", owner_url)
    for sql in (
        "INSERT INTO public.flights VALUES (1) RETURNING 1",
        "WITH x AS (DELETE FROM public.flights RETURNING 1) SELECT * FROM x",
        "SELECT lo_create(0)",
        "SELECT set_config('transaction_read_only', 'off', false), lo_create(0)",
    ):
        with pytest.raises((SqlRefused, WarehouseFailed)):
            await warehouse.execute(plan(sql, FLIGHTS), limits=LIMITS)
    assert await warehouse.inspect("SELECT count(*) FROM public.flights") == [(5000,)]
    await warehouse.close()


async def test_row_policies_of_the_server_see_who_asks(warehouse: PostgreSQLWarehouse) -> None:
    at = PhysicalTable("shop", "public", "own")
    for subject, seen in (("ann", [[1]]), ("bob", [[2]]), ("o'neil", [])):
        rows = await warehouse.execute(
            plan("SELECT v FROM public.own", at),
            limits=LIMITS,
            session=Session("default", "local", subject),
        )
        assert rows.rows == seen
    # Who asks without a session, on the same connections, is nobody.
    assert (await warehouse.execute(plan("SELECT v FROM public.own", at), limits=LIMITS)).rows == []


async def test_a_granted_view_may_read_what_is_behind_it(warehouse: PostgreSQLWarehouse) -> None:
    view = PhysicalTable("shop", "public", "ua")
    rows = await warehouse.execute(plan("SELECT count(*) FROM public.ua", view), limits=LIMITS)
    assert rows.rows == [[2500]]
    with pytest.raises(SqlRefused):
        await warehouse.execute(
            plan("SELECT count(*) FROM public.ua, public.own", view), limits=LIMITS
        )


async def test_a_role_that_may_do_too_much_is_refused_in_production(
    owner_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    strict = PostgreSQLWarehouse("shop", owner_url, production=True)
    with pytest.raises(WarehouseFailed, match="superuser"):
        await strict.execute(plan("SELECT 1"), limits=LIMITS)
    await strict.close()
    lax = PostgreSQLWarehouse("shop", owner_url)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await lax.execute(plan("SELECT 1"), limits=LIMITS)
    assert caplog.text.count("production will refuse that") == 1
    await lax.close()


async def test_what_the_role_may_not_read_is_told_as_an_admins_task(
    warehouse: PostgreSQLWarehouse,
) -> None:
    at = PhysicalTable("shop", "public", "secrets")
    with pytest.raises(WarehouseFailed, match="role may not read"):
        await warehouse.execute(plan("SELECT * FROM public.secrets", at), limits=LIMITS)


async def test_a_table_that_vanished_is_told(warehouse: PostgreSQLWarehouse) -> None:
    at = PhysicalTable("shop", "public", "gone")
    with pytest.raises(WarehouseFailed, match="not in the warehouse any more"):
        await warehouse.execute(plan("SELECT * FROM public.gone", at), limits=LIMITS)


async def test_a_connection_that_died_is_replaced_without_a_word(
    warehouse: PostgreSQLWarehouse, owner_url: str
) -> None:
    await warehouse.execute(plan("SELECT 1"), limits=LIMITS)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'saaf'"
        )
    assert await values(warehouse, "SELECT 1 AS one") == {"one": 1}


async def test_a_server_that_goes_down_in_a_query_fails_it_and_serves_again(
    warehouse: PostgreSQLWarehouse, owner_url: str, activity: Activity
) -> None:
    task = asyncio.create_task(warehouse.execute(plan(SLEEP), limits=LIMITS))

    async def runs() -> bool:
        return await activity.running() == 1

    assert await eventually(runs)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'saaf'"
        )
    with pytest.raises(WarehouseFailed) as caught:
        await task
    assert "terminat" not in str(caught.value)
    assert await values(warehouse, "SELECT 1 AS one") == {"one": 1}


async def test_a_server_that_is_down_is_told_without_its_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warehouse = PostgreSQLWarehouse("far", "postgresql://zoe7:CANARY@127.0.0.1:1/db")
    with pytest.raises(WarehouseFailed, match="far cannot be reached") as caught:
        await warehouse.execute(plan("SELECT 1"), limits=LIMITS)
    for secret in ("CANARY", "127.0.0.1", "zoe7"):
        assert secret not in str(caught.value)
        assert secret not in caplog.text
    wrong = PostgreSQLWarehouse("wrong", "nonsense://CANARY")
    with pytest.raises(WarehouseFailed, match="no PostgreSQL URL"):
        await wrong.execute(plan("SELECT 1"), limits=LIMITS)
    await warehouse.close()
    await wrong.close()


async def test_a_server_that_never_answers_is_given_up_at_the_time_limit() -> None:
    # Connections are made, by the system, and never answered.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        warehouse = PostgreSQLWarehouse("mute", f"postgresql://u:p@127.0.0.1:{port}/db")
        started = time.monotonic()
        with pytest.raises(TimedOut):
            await warehouse.execute(plan("SELECT 1"), limits=QueryLimits(timeout_s=0.5))
        assert time.monotonic() - started < 2
        await warehouse.close()


async def test_text_that_is_not_utf8_is_a_clear_error(postgres_server: str) -> None:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0 "
            "LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    url = postgres_server.replace("/postgres?", "/raw?")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT convert_from('\\xff', 'SQL_ASCII') AS v")
    warehouse = PostgreSQLWarehouse("raw", url)
    at = PhysicalTable("raw", "public", "t")
    with pytest.raises((WarehouseFailed, SqlRefused)) as caught:
        await warehouse.execute(plan("SELECT v FROM public.t", at), limits=LIMITS)
    assert "UTF-8" in str(caught.value)
    assert (await warehouse.execute(plan("SELECT 1 AS one"), limits=LIMITS)).rows == [[1]]
    await warehouse.close()


async def test_the_host_inspects_estimates_and_lists_tables(
    warehouse: PostgreSQLWarehouse,
) -> None:
    names = {f"{each.table.schema}.{each.table.name}" for each in await warehouse.schemas()}
    assert {"public.flights", "public.ua", "public.secrets"} <= names
    found = await warehouse.inspect("SELECT relname::text FROM pg_class WHERE relname = ?", ["ua"])
    assert found == [("ua",)]
    estimate = await warehouse.dry_run(plan("SELECT * FROM public.flights", FLIGHTS))
    assert estimate.rows
    assert estimate.cost
