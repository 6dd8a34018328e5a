from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator

import psycopg
import pytest

from saaf_autogen.auth.access import TableAccess
from saaf_autogen.errors import SaafError
from saaf_autogen.sql import GuardedWarehouse, PhysicalTable, QueryLimits
from saaf_autogen.sql.postgresql import PostgreSQLWarehouse
from tests.sql import world
from tests.sql.attacks import Attack, corpus
from tests.sql.attacks.oracle import told, told_names
from tests.sql.attacks.trial import Trial, duckdb_trial, postgres_trial, snowflake_trial

DUCKDB, POSTGRES, SNOWFLAKE = corpus("duckdb"), corpus("postgres"), corpus("snowflake")


@pytest.fixture(scope="module")
def duckdb_engines() -> Iterator[Trial]:
    trial = duckdb_trial()
    yield trial
    trial.close()


@pytest.fixture(scope="module")
def snowflake_engines() -> Iterator[Trial]:
    trial = snowflake_trial()
    yield trial
    trial.close()


@pytest.fixture(scope="module")
def postgres_engines(postgres_server: str) -> Iterator[Trial]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for name in ("attacked", "attacked_twin"):
            connection.execute(f"CREATE DATABASE {name}")
    trial = postgres_trial(
        *(
            postgres_server.replace("/postgres?", f"/{name}?")
            for name in ("attacked", "attacked_twin")
        )
    )
    yield trial
    trial.close()


@pytest.fixture(scope="module")
def postgres_warehouse(postgres_server: str) -> Iterator[PostgreSQLWarehouse]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE attacked_warehouse")
    url = postgres_server.replace("/postgres?", "/attacked_warehouse?")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(world.POSTGRES)
    warehouse = PostgreSQLWarehouse("w", url)
    yield warehouse
    asyncio.run(warehouse.close())


@pytest.fixture
def guarded_postgres(postgres_warehouse: PostgreSQLWarehouse) -> GuardedWarehouse:
    """As a superuser, which the warehouse warns of outside of production."""
    flights = PhysicalTable(postgres_warehouse.catalog, "public", "flights")
    return GuardedWarehouse(
        postgres_warehouse,
        limits=QueryLimits(max_rows=1_000, max_bytes=200_000, timeout_s=5),
        mask_key="test-key",
        physical={"public.nothing": flights},
    )


def may_run(attacks: Iterable[Attack]) -> list[Attack]:
    return [attack for attack in attacks if not attack.refused]


def named(attack: Attack) -> str:
    return f"{attack.kind}: {attack.sql[:120]}".encode("ascii", "replace").decode()


def test_the_corpora_are_large_and_many_of_their_statements_are_of_one_dialect() -> None:
    for attacks, least in ((DUCKDB, 600), (POSTGRES, 700), (SNOWFLAKE, 400)):
        assert len(attacks) >= least
    distinct = {(a.sql, str(a.parameters)) for a in (*DUCKDB, *POSTGRES, *SNOWFLAKE)}
    assert len(distinct) >= 1_200


@pytest.mark.parametrize("attack", DUCKDB, ids=named)
def test_an_attack_on_bare_duckdb_is_repelled_by_the_guard_alone(
    duckdb_engines: Trial, attack: Attack
) -> None:
    assert not duckdb_engines.of(attack).faults


@pytest.mark.parametrize("attack", POSTGRES, ids=named)
def test_an_attack_on_postgresql_as_a_superuser_is_repelled_by_the_guard_alone(
    postgres_engines: Trial, attack: Attack
) -> None:
    assert not postgres_engines.of(attack).faults


@pytest.mark.parametrize("attack", SNOWFLAKE, ids=named)
def test_an_attack_on_snowflake_is_refused_or_reads_projections_alone(
    snowflake_engines: Trial, attack: Attack
) -> None:
    assert not snowflake_engines.of(attack).faults


async def what_a_caller_reads(
    guarded: GuardedWarehouse, attack: Attack, visible: dict[str, TableAccess]
) -> str:
    try:
        result = await guarded.query(
            attack.sql, visible=visible, parameters=attack.parameters, timeout_s=0.4
        )
    except SaafError as error:
        return json.dumps(error.problem()) + str(error)
    columns = [[column.name, column.type] for column in result.columns]
    return json.dumps([columns, result.rows, result.cut, result.tables])


@pytest.mark.parametrize("attack", may_run(DUCKDB), ids=named)
async def test_an_attack_on_the_duckdb_warehouse_tells_nothing_hidden(
    guarded: GuardedWarehouse, attack: Attack
) -> None:
    text = await what_a_caller_reads(guarded, attack, world.visible())
    assert not told(text, attack.sql, attack.parameters)
    assert not told_names(text, attack.sql, attack.parameters)


@pytest.mark.parametrize("attack", may_run(POSTGRES), ids=named)
async def test_an_attack_on_the_postgresql_warehouse_tells_nothing_hidden(
    guarded_postgres: GuardedWarehouse, attack: Attack
) -> None:
    started = time.monotonic()
    text = await what_a_caller_reads(guarded_postgres, attack, world.visible("public"))
    assert not told(text, attack.sql, attack.parameters)
    assert not told_names(text, attack.sql, attack.parameters)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("SELECT tailnum FROM flights", "it told CANARY_TAIL_1"),
        ("SELECT count(*) FROM flights", "it tells worlds apart"),
        ("CREATE TABLE stolen AS SELECT 1 AS x", "it changed"),
        ("SELECT count(*) FROM flights WHERE 1 // (id - 424242001) > 9", "it tells worlds apart"),
    ],
)
def test_the_oracle_notices_what_leaks_without_a_guard(sql: str, fault: str) -> None:
    trial = duckdb_trial()
    plan = trial.guard.plan("SELECT 1", visible=trial.visible, max_rows=1_000)
    # The plan of an unguarded host: the caller's own text.
    object.__setattr__(plan, "sql", sql)
    object.__setattr__(trial.guard, "plan", lambda *_, **__: plan)
    faults = trial.of(Attack("duckdb", "control", sql)).faults
    trial.close()
    assert any(fault in found for found in faults), faults
