from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from saaf_autogen.errors import SqlRefused, TimedOut, WarehouseFailed
from saaf_autogen.sql import GuardedWarehouse, PhysicalTable, QueryLimits
from saaf_autogen.sql.snowflake import SnowflakeWarehouse
from saaf_autogen.sql.warehouse import Session
from tests.sql import world
from tests.sql.plans import LIMITS, eventually, plan
from tests.sql.snowflake.conftest import Emulator

EVERY = PhysicalTable("SHOP", "PUBLIC", "EVERY")
# Column: (Snowflake's type, the value as JSON).
TYPES = {
    "I": ("NUMBER(38,0)", "9007199254740993"),
    "SMALL": ("NUMBER(5,0)", 5),
    "N": ("NUMBER(10,2)", 1.5),
    "F": ("FLOAT", 0.5),
    "B": ("BOOLEAN", True),
    "S": ("VARCHAR", "é"),
    "BI": ("BINARY", "00ff"),
    "D": ("DATE", "2013-01-02"),
    "TM": ("TIME", "01:02:03"),
    "TS": ("TIMESTAMP_NTZ", "2013-01-02T03:04:05.123456"),
    "TZ": ("TIMESTAMP_TZ", "2013-01-02T03:04:05+00:00"),
    "V": ("VARIANT", {"a": [1, 2.5]}),
}


async def test_a_guarded_query_reads_what_was_granted(warehouse: SnowflakeWarehouse) -> None:
    guarded = GuardedWarehouse(warehouse, limits=LIMITS)
    visible = {"PUBLIC.FLIGHTS": world.table("PUBLIC.FLIGHTS", world.full("ID", "CARRIER"))}
    result = await guarded.query(
        "SELECT carrier, count(*) AS n FROM flights WHERE id < :most GROUP BY 1 ORDER BY 1",
        visible=visible,
        parameters={"most": 3},
        session=Session("default", "local", "ann"),
    )
    assert result.rows == [["B6", 1], ["UA", 1]]
    with pytest.raises(SqlRefused) as caught:
        await guarded.query("SELECT note FROM flights", visible=visible)
    assert "CANARY" not in str(caught.value)


async def test_every_type_of_the_emulator_comes_without_loss(
    warehouse: SnowflakeWarehouse,
) -> None:
    sql = 'SELECT * FROM "SHOP"."PUBLIC"."EVERY"'
    rows = await warehouse.execute(plan(sql, EVERY), limits=LIMITS)
    told = {
        column.name: (column.type, value)
        for column, value in zip(rows.columns, rows.rows[0], strict=True)
    }
    assert told == TYPES
    async with warehouse.stream(plan(f"{sql} WHERE 1 = 0", EVERY), limits=LIMITS) as stream:
        table = await stream.table()
    assert table.num_rows == 0
    assert table.schema.field("N").type == pa.decimal128(10, 2)
    assert table.schema.field("SMALL").type == pa.int64()


async def test_values_are_bound_by_the_server(warehouse: SnowflakeWarehouse) -> None:
    sql = "SELECT :saaf_p1 AS a, ':x' AS b, :saaf_p12 AS c, :saaf_p1 AS d"
    bound = {"saaf_p1": "o'neil; DROP TABLE x", "saaf_p12": 5}
    rows = await warehouse.execute(plan(sql, parameters=bound), limits=LIMITS)
    assert rows.rows == [["o'neil; DROP TABLE x", ":x", 5, "o'neil; DROP TABLE x"]]


async def test_a_time_limit_and_a_cancelled_task_abort_the_query_at_the_server(
    tmp_path: Path,
) -> None:
    # A server of its own: the emulator takes the abort, and works on.
    emulator = Emulator(tmp_path / "log")
    warehouse = SnowflakeWarehouse("shop", emulator.access(), concurrency=2)
    slow = plan("SELECT count(*) FROM range(10000000000) a, range(1000000) b")
    started = time.monotonic()
    with pytest.raises(TimedOut):
        await warehouse.execute(slow, limits=QueryLimits(timeout_s=2))
    assert time.monotonic() - started < 3

    async def aborted() -> bool:
        return "/queries/v1/abort-request" in emulator.log.read_text()

    assert await eventually(aborted)
    await warehouse.close()
    emulator.stop()


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT nosuch FROM flights", SqlRefused),
        ("SELECT * FROM nosuch", WarehouseFailed),
        ("SELECT TO_NUMBER(note) FROM flights", SqlRefused),
        ("SELECT", SqlRefused),
    ],
)
async def test_what_snowflake_refuses_is_said_in_our_own_words(
    warehouse: SnowflakeWarehouse, sql: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        await warehouse.execute(plan(sql), limits=LIMITS)
    assert "CANARY" not in str(caught.value)
    assert "Error" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_the_host_inspects_in_arrow_and_in_json(warehouse: SnowflakeWarehouse) -> None:
    assert await warehouse.inspect("SELECT id FROM flights WHERE id = ?", [2]) == [(2,)]
    shown = await warehouse.inspect("SHOW TABLES IN SCHEMA SHOP.PUBLIC")
    assert any("FLIGHTS" in row for row in shown)
    assert {schema.table.name for schema in await warehouse.schemas()} == {"FLIGHTS", "EVERY"}


async def test_sessions_are_kept_and_bounded(
    warehouse: SnowflakeWarehouse, emulator: Emulator
) -> None:
    before = emulator.log.read_text().count("Session login")
    await asyncio.gather(*(warehouse.execute(plan("SELECT 1"), limits=LIMITS) for _ in range(8)))
    assert emulator.log.read_text().count("Session login") - before <= 2


async def test_a_key_pair_logs_in(emulator: Emulator, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "key.p8"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    access = emulator.access(token=None, private_key_file=file)
    warehouse = SnowflakeWarehouse("shop", access)
    assert (await warehouse.execute(plan("SELECT 1 AS one"), limits=LIMITS)).rows == [[1]]
    await warehouse.close()


async def test_a_token_is_read_anew_from_its_file(emulator: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "token"
    warehouse = SnowflakeWarehouse("shop", emulator.access(token=None, token_file=file))
    with pytest.raises(WarehouseFailed, match="no credentials"):
        await warehouse.execute(plan("SELECT 1"), limits=LIMITS)
    file.write_text("rotated\n")
    assert (await warehouse.execute(plan("SELECT 1 AS one"), limits=LIMITS)).rows == [[1]]
    await warehouse.close()


async def test_a_service_that_is_down_is_told_without_its_secrets(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = emulator.access(extra={"host": "127.0.0.1", "port": 1, "protocol": "http"})
    warehouse = SnowflakeWarehouse("shop", nowhere)
    started = time.monotonic()
    with pytest.raises((WarehouseFailed, TimedOut)) as caught:
        await warehouse.execute(plan("SELECT 1"), limits=QueryLimits(timeout_s=10))
    assert time.monotonic() - started < 11
    assert "CANARY_TOKEN" not in str(caught.value)
    assert "CANARY_TOKEN" not in caplog.text
    assert "127.0.0.1" not in str(caught.value)
    await warehouse.close()


async def test_what_is_not_estimated_is_not_run_where_cost_is_bounded(
    warehouse: SnowflakeWarehouse,
) -> None:
    # The emulator has no plans of Snowflake's shape.
    guarded = GuardedWarehouse(warehouse, limits=LIMITS, max_cost=1_000_000)
    with pytest.raises((SqlRefused, WarehouseFailed)):
        await guarded.query("SELECT 1 AS one", visible={})
