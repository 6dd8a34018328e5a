from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saaf_autogen.auth.access import TableAccess
from tests.sql.properties.bench import Bench, duckdb_bench, postgres_bench
from tests.sql.properties.grants import full, grants
from tests.sql.properties.queries import query

QUERIES = 6
quick = settings(
    max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def bench(request: pytest.FixtureRequest, postgres_server: str) -> Iterator[Bench]:
    if request.param == "duckdb":
        made = duckdb_bench()
    else:
        names = ("properties_world", "properties_shown", "properties_bare")
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            for name in names:
                connection.execute(f"CREATE DATABASE {name}")
        made = postgres_bench(
            *(postgres_server.replace("/postgres?", f"/{name}?") for name in names)
        )
    yield made
    made.close()


def check(bench: Bench, grant: dict[str, TableAccess], data: st.DataObject) -> None:
    tables = {name: table.columns for name, table in bench.show(grant).items()}
    for _ in range(QUERIES):
        random = data.draw(st.randoms(use_true_random=False))
        made = query(random, tables, row=bench.flavour.row, divide=bench.flavour.divide)
        fault = bench.fault(grant, made)
        assert fault is None, fault


@quick
@given(grant=grants(), data=st.data())
def test_a_guarded_query_gives_what_it_would_on_a_database_of_what_the_grant_shows(
    bench: Bench, grant: dict[str, TableAccess], data: st.DataObject
) -> None:
    check(bench, grant, data)


@quick
@given(data=st.data())
def test_under_a_full_grant_a_guarded_query_gives_what_it_gives_unguarded(
    bench: Bench, data: st.DataObject
) -> None:
    check(bench, full(), data)
