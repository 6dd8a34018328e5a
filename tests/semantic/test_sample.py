"""The sample's verified queries, on the real data."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pytest

from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.loader import load_semantic
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.sql.guard import Guard, PhysicalTable, VisibleTable
from saaf_autogen.sql.guard.dialects import dialect_named
from tests.semantic.conftest import SAMPLE, make_access

CATALOG = load_semantic(SAMPLE)
QUERIES = {query.spec.name: query.spec for query in CATALOG.queries}
VIEW = SemanticView(CATALOG, make_access(CATALOG))
TABLES = {
    resource.removeprefix("wh://nyc/"): access for resource, access in make_access(CATALOG).items()
}
GUARD = Guard(dialect_named("duckdb"), mask_key="test")


def run(warehouse: duckdb.DuckDBPyConnection, name: str, **values: object) -> list[Any]:
    """The rows of a verified query, planned as for a caller who may see everything."""
    query = QUERIES[name]
    examples: dict[str, Any] = {
        key: item.example for key, item in query.saaf.parameters.items()
    } | values
    plan = GUARD.plan(
        query.sql,
        visible={
            table: VisibleTable(PhysicalTable("nyc", *table.split(".")), each)
            for table, each in TABLES.items()
        },
        parameters=examples,
        max_rows=10_000,
        vocabulary=VIEW.vocabulary("nyc"),
    )
    return warehouse.execute(plan.sql, dict(plan.parameters) or None).fetchall()


@pytest.mark.parametrize("name", QUERIES)
def test_a_verified_query_runs_with_its_examples_and_finds_rows(
    warehouse: duckdb.DuckDBPyConnection, name: str
) -> None:
    rows = run(warehouse, name)

    assert rows
    assert any(value is not None for value in rows[0])
    assert rows == run(warehouse, name)


@pytest.mark.parametrize("name", QUERIES)
def test_a_verified_query_with_many_rows_has_an_order(
    warehouse: duckdb.DuckDBPyConnection, name: str
) -> None:
    if len(run(warehouse, name)) > 1:
        assert "ORDER BY" in QUERIES[name].sql


def test_there_are_enough_verified_queries_and_most_take_parameters() -> None:
    assert len(QUERIES) >= 20
    assert sum(bool(query.saaf.parameters) for query in QUERIES.values()) >= len(QUERIES) // 2


def test_known_numbers_come_out(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert run(warehouse, "flight_count") == [(336_776,)]
    assert run(warehouse, "dep_delay_by_origin")[0] == ("EWR", 15.11, 120_835)
    assert run(warehouse, "cancelled_on_date", day=date(2013, 2, 8)) == [(472,)]
    assert run(warehouse, "longest_delays", n=1)[0][-1] == 1301
    assert len(run(warehouse, "top_destinations_from_origin", n=3)) == 3


def test_columns_and_types_are_those_of_the_warehouse(
    warehouse: duckdb.DuckDBPyConnection, sample: SemanticCatalog
) -> None:
    described = {
        (table.spec.base_table.table, field.sql_name, field.spec.data_type)
        for table in sample.tables
        for field in table.fields
    }
    real = warehouse.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'main'"
    ).fetchall()

    assert described == set(real)


def test_enums_are_complete(warehouse: duckdb.DuckDBPyConnection, sample: SemanticCatalog) -> None:
    for table in sample.tables:
        for field in table.fields:
            if field.spec.is_enum:
                sql = f"SELECT DISTINCT {field.sql_name} FROM {table.sql_name}"
                real = {row[0] for row in warehouse.execute(sql).fetchall()} - {None}
                assert real == set(field.spec.sample_values), (table.spec.name, field.sql_name)


def test_values_with_synonyms_exist(
    warehouse: duckdb.DuckDBPyConnection, sample: SemanticCatalog
) -> None:
    for table in sample.tables:
        for field in table.fields:
            sql = f"SELECT DISTINCT CAST({field.sql_name} AS VARCHAR) FROM {table.sql_name}"
            if field.spec.saaf.value_synonyms:
                real = {row[0] for row in warehouse.execute(sql).fetchall()}
                assert set(field.spec.saaf.value_synonyms) <= real


def test_filters_and_metrics_run(
    warehouse: duckdb.DuckDBPyConnection, sample: SemanticCatalog
) -> None:
    for table in sample.tables:
        for metric in table.metrics:
            warehouse.execute(f"SELECT {metric.spec.expr} FROM {table.sql_name}").fetchall()
        for item in table.filters:
            sql = f"SELECT COUNT(*) FROM {table.sql_name} WHERE {item.spec.expr}"
            assert warehouse.execute(sql).fetchall()[0][0] > 0


def test_primary_keys_are_unique(
    warehouse: duckdb.DuckDBPyConnection, sample: SemanticCatalog
) -> None:
    for table in sample.tables:
        assert table.spec.primary_key is not None
        keys = ", ".join(table.spec.primary_key.columns)
        sql = f"SELECT COUNT(*) FROM {table.sql_name} GROUP BY {keys} HAVING COUNT(*) > 1"
        assert warehouse.execute(sql).fetchall() == []
