from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from saaf_autogen.errors import ConfigurationError, SqlRefused, TimedOut, WarehouseFailed
from saaf_autogen.sql import DuckDBWarehouse, GuardedWarehouse, PhysicalTable, QueryLimits
from saaf_autogen.sql.duckdb.process import DuckDBProcess
from tests.sql import world
from tests.sql.plans import LIMITS, eventually, plan

# Streams for hours without holding memory.
SLOW = "SELECT sum(hash(i) % 3) FROM range(1000000000000) t(i)"
# One operation that DuckDB cannot be interrupted in.
DEAF = "SELECT levenshtein(repeat('a', 100000), repeat('b', 100000)) FROM range(4)"


@pytest.fixture
async def warehouse(world_file: Path) -> AsyncIterator[DuckDBWarehouse]:
    opened = DuckDBWarehouse.open("w", world_file, memory_limit="512MB", isolation="process")
    yield opened
    await opened.close()


@pytest.fixture
def isolated(warehouse: DuckDBWarehouse) -> GuardedWarehouse:
    return GuardedWarehouse(warehouse, limits=LIMITS, mask_key="k")


def process_id(warehouse: DuckDBWarehouse) -> int:
    assert isinstance(warehouse._place, DuckDBProcess)
    return warehouse._place._child._process.pid


def told(pid: int, name: str) -> bytes:
    """What Linux tells of a process; empty when it is gone."""
    file = Path(f"/proc/{pid}/{name}")
    return file.read_bytes() if file.exists() else b""


async def gone(pid: int) -> bool:
    return not told(pid, "stat")


async def test_answers_are_those_of_the_engine_in_the_host(
    isolated: GuardedWarehouse, guarded: GuardedWarehouse
) -> None:
    sql = "SELECT carrier, origin, count(*) AS n, max(moment) AS last FROM flights GROUP BY ALL"
    sql += " ORDER BY ALL"
    here = await guarded.query(sql, visible=world.visible())
    there = await isolated.query(sql, visible=world.visible())
    assert (there.columns, there.rows) == (here.columns, here.rows)
    with pytest.raises(SqlRefused) as caught:
        await isolated.query("SELECT carier FROM flights", visible=world.visible())
    assert caught.value.remedy == "Did you mean carrier?"
    assert (caught.value.line, caught.value.column) == (1, 8)


async def test_an_interrupt_leaves_the_process_alive(
    warehouse: DuckDBWarehouse, isolated: GuardedWarehouse
) -> None:
    pid = process_id(warehouse)
    with pytest.raises(TimedOut):
        await isolated.query(SLOW, visible={}, timeout_s=0.3)
    task = asyncio.create_task(isolated.query(SLOW, visible={}))
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await isolated.query("SELECT 1 AS one", visible={})).rows == [[1]]
    assert process_id(warehouse) == pid


async def test_a_stream_that_is_left_stops_its_query(
    warehouse: DuckDBWarehouse, isolated: GuardedWarehouse
) -> None:
    pid = process_id(warehouse)
    wide = "SELECT repeat('x', 1000) AS t, i FROM range(100000000) r(i)"
    limited = GuardedWarehouse(warehouse, limits=QueryLimits(1_000_000, 50_000_000, 20))
    for _ in range(8):
        async with limited.stream(limited.plan(wide, visible={})) as stream:
            async for batch in stream:
                assert batch.num_rows
                break
    assert (await isolated.query("SELECT 1 AS one", visible={})).rows == [[1]]
    assert process_id(warehouse) == pid


async def test_an_operation_that_ignores_interrupts_is_killed_and_others_are_asked_again(
    warehouse: DuckDBWarehouse, isolated: GuardedWarehouse
) -> None:
    pid = process_id(warehouse)
    deaf = asyncio.create_task(isolated.query(DEAF, visible={}, timeout_s=0.5))
    other = asyncio.create_task(
        isolated.query(
            "SELECT count(*) FROM range(600000000) t(i) WHERE hash(i) % 7 < 7", visible={}
        )
    )
    started = time.monotonic()
    with pytest.raises(TimedOut):
        await deaf
    assert time.monotonic() - started < 2
    assert await eventually(lambda: gone(pid))
    assert (await other).rows == [[600_000_000]]
    assert (await isolated.query("SELECT 1 AS one", visible={})).rows == [[1]]
    assert process_id(warehouse) != pid


async def test_memory_is_bounded_where_duckdb_does_not_count_it(
    isolated: GuardedWarehouse,
) -> None:
    hungry = "SELECT length(format('{:>1900000000}', 'x')) + length(format('{:>1900000000}', 'y'))"
    with pytest.raises((WarehouseFailed, SqlRefused)):
        await isolated.query(hungry, visible={})
    assert (await isolated.query("SELECT 1 AS one", visible={})).rows == [[1]]


async def test_a_process_that_is_killed_from_outside_is_started_again(
    warehouse: DuckDBWarehouse, isolated: GuardedWarehouse
) -> None:
    os.kill(process_id(warehouse), signal.SIGKILL)
    results = await asyncio.gather(
        *(isolated.query(f"SELECT {i} AS i", visible={}) for i in range(8))
    )
    assert [result.rows for result in results] == [[[i]] for i in range(8)]


async def test_a_query_that_dies_with_its_process_twice_fails_in_clear_words(
    warehouse: DuckDBWarehouse, isolated: GuardedWarehouse
) -> None:
    task = asyncio.create_task(isolated.query(SLOW, visible={}))
    for _ in range(2):
        pid = process_id(warehouse)
        await asyncio.sleep(0.3)
        os.kill(pid, signal.SIGKILL)

        async def another(old: int = pid) -> bool:
            return task.done() or process_id(warehouse) != old

        assert await eventually(another)
    with pytest.raises(WarehouseFailed, match="process ended"):
        await task


async def test_the_process_holds_no_secret_and_writes_no_file(
    warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch, world_file: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "CANARY")
    fresh = DuckDBWarehouse.open("w", world_file, isolation="process")
    pid = process_id(fresh)
    assert b"PATH=" in told(pid, "environ")
    assert b"CANARY" not in told(pid, "environ")
    limits = told(pid, "limits").decode()
    sizes = {line[:25].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert sizes["Max file size"] == "0"
    assert sizes["Max address space"] != "unlimited"
    await fresh.close()


async def test_closing_ends_the_process_whatever_it_does(world_file: Path) -> None:
    warehouse = DuckDBWarehouse.open("w", world_file, isolation="process")
    guarded = GuardedWarehouse(warehouse, limits=LIMITS)
    pid = process_id(warehouse)
    running = [asyncio.create_task(guarded.query(SLOW, visible={})) for _ in range(3)]
    await asyncio.sleep(0.2)
    await asyncio.wait_for(warehouse.close(), 5)
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    assert all(isinstance(outcome, WarehouseFailed) for outcome in outcomes)
    assert await gone(pid)
    with pytest.raises(WarehouseFailed, match="closed"):
        await guarded.query("SELECT 1", visible={})


def test_the_process_ends_with_its_host(world_file: Path) -> None:
    import sys

    code = (
        "import os, sys; from pathlib import Path; from saaf_autogen.sql import DuckDBWarehouse\n"
        f"w = DuckDBWarehouse.open('w', Path({str(world_file)!r}), isolation='process')\n"
        "print(w._place._child._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    host = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(host.stdout)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        # Reaped by whoever inherits it; dead at least.
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{pid}").exists()


def test_what_cannot_be_opened_is_told_as_in_the_host(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no file"):
        DuckDBWarehouse.open("w", tmp_path / "none.duckdb", isolation="process")
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"not a database" * 1_000)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        DuckDBWarehouse.open("w", broken, isolation="process")


async def test_a_table_that_vanished_is_told_and_the_warehouse_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE a (i INTEGER)")
    warehouse = DuckDBWarehouse.open("w", path, isolation="process")
    at = PhysicalTable("w", "main", "gone")
    with pytest.raises((SqlRefused, WarehouseFailed)) as caught:
        await warehouse.execute(plan("SELECT * FROM w.main.gone AS saaf_t1", at), limits=LIMITS)
    assert "saaf_t1" not in str(caught.value)
    assert (await warehouse.execute(plan("SELECT 1 AS one"), limits=LIMITS)).rows == [[1]]
    await warehouse.close()
