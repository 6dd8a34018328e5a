"""TPC-H: what the guard lets through returns what it did before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.guard.corpora import tpch_queries
from benchmarks.guard.tpch import POLICIES, comparable, database, handwritten, visible
from saaf_autogen.sql import Guard
from saaf_autogen.sql.duckdb.check import cross_check
from saaf_autogen.sql.guard import DUCKDB

QUERIES = tpch_queries()


@pytest.fixture(scope="module")
def tpch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path: Path = database(0.01, tmp_path_factory.mktemp("tpch"))
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


@pytest.mark.parametrize("policies", [{}, POLICIES], ids=["everything", "row policies"])
@pytest.mark.parametrize("number", range(1, 23))
def test_a_guarded_query_returns_what_it_does_with_the_filters_written_by_hand(
    tpch: duckdb.DuckDBPyConnection, number: int, policies: dict[str, Any]
) -> None:
    sql = QUERIES[number - 1]
    expected = tpch.execute(handwritten(sql, policies)).fetchall()
    guard = Guard(DUCKDB, mask_key="k")
    for types in (True, False):
        tables = visible(tpch, policies)
        if not types:
            tables = {name: type(t)(t.physical, t.access) for name, t in tables.items()}
        plan = guard.plan(sql, visible=tables, max_rows=1_000_000)
        cross_check(tpch.cursor(), plan)
        rows = tpch.execute(plan.sql, dict(plan.parameters)).fetchall()
        assert comparable(rows) == comparable(expected)
        assert ("OFFSET 0" in plan.sql) == (bool(policies) and not types)
