from __future__ import annotations

from collections.abc import Iterator
from random import Random

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saaf_autogen.auth.access import TableAccess
from tests.sql.properties.bench import Bench, duckdb_bench, postgres_bench
from tests.sql.properties.grants import full, grants

QUERIES = 6
# The same ones each time; the campaign tries others, and many more.
quick = settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
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


# Choices of hypothesis, so that a query that fails is shrunk.
randoms = st.lists(st.randoms(use_true_random=False), min_size=QUERIES, max_size=QUERIES)


@quick
@given(grant=grants(), randoms=randoms)
def test_a_guarded_query_gives_what_it_would_on_a_database_of_what_the_grant_shows(
    bench: Bench, grant: dict[str, TableAccess], randoms: list[Random]
) -> None:
    for fault in bench.faults(grant, randoms):
        pytest.fail(fault)


@quick
@given(randoms=randoms)
def test_under_a_full_grant_a_guarded_query_gives_what_it_gives_unguarded(
    bench: Bench, randoms: list[Random]
) -> None:
    for fault in bench.faults(full(), randoms):
        pytest.fail(fault)
