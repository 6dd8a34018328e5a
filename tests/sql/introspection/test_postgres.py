from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from saaf_autogen.errors import WarehouseFailed
from saaf_autogen.sql import Warehouse
from saaf_autogen.sql.guard import dialect_named
from saaf_autogen.sql.introspection import Introspection, introspect, look_into
from saaf_autogen.sql.sqlalchemy import SQLAlchemyWarehouse
from tests.sql.introspection import nasty
from tests.sql.introspection.engines import postgres_warehouse


@pytest.fixture
def url(postgres_url: str) -> str:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(nasty.POSTGRES)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    return postgres_url


@pytest.fixture
async def warehouse(url: str) -> AsyncIterator[Warehouse]:
    async with postgres_warehouse(url) as opened:
        yield opened


@pytest.fixture
async def found(warehouse: Warehouse) -> Introspection:
    return await introspect(warehouse)


async def test_tables_views_and_partitioned_tables_are_found_without_their_partitions(
    found: Introspection,
) -> None:
    labels = [table.label for table in found.tables]
    assert labels == [
        "public.Foo",
        "public.daily",
        "public.events",
        "public.hidden",
        "public.odd",
        "public.per_country",
        "sales.customers",
        "sales.lines",
        "sales.shipments",
    ]
    kinds = {table.name: table.kind for table in found.tables}
    assert (kinds["per_country"], kinds["daily"], kinds["events"]) == ("view", "table", "table")


async def test_what_differs_in_upper_case_only_is_left_out_and_said(found: Introspection) -> None:
    assert any("public.foo" in note and "upper case" in note for note in found.notes)


async def test_types_comments_and_nullability_are_those_of_the_catalog(
    found: Introspection,
) -> None:
    customers = found.table("sales", "customers")
    assert customers is not None
    assert customers.comment == "Who buys"
    columns = {column.name: column for column in customers.columns}
    assert (columns["id"].type, columns["id"].nullable) == ("integer", False)
    assert (columns["country"].type, columns["country"].comment) == (
        "character varying(20)",
        "ISO code",
    )
    assert not columns["country"].nullable, "the domain forbids NULL"
    assert (columns["feeling"].type, columns["feeling"].labels) == ("enum", ("sad", "ok", "it's"))
    assert (columns["tags"].type, columns["tags"].family) == ("text[]", "other")
    assert (columns["since"].type, columns["since"].family) == ("timestamp with time zone", "time")
    lines = found.table("sales", "lines")
    assert lines is not None
    assert {column.name: column.type for column in lines.columns}["price"] == "numeric(10,2)"


async def test_composite_keys_keep_their_order(found: Introspection) -> None:
    lines, shipments = found.table("sales", "lines"), found.table("sales", "shipments")
    assert lines is not None
    assert shipments is not None
    assert lines.primary_key == ("order_no", "line_no")
    (key,) = shipments.foreign_keys
    assert (key.schema, key.table) == ("sales", "lines")
    assert list(zip(key.columns, key.referred, strict=True)) == [
        ("order_no", "order_no"),
        ("line_no", "line_no"),
    ]
    customers = found.table("sales", "customers")
    assert customers is not None
    assert customers.unique_keys == (("email",),)


async def test_rows_values_and_ranges_are_seen_and_personal_columns_are_not(
    warehouse: Warehouse, found: Introspection
) -> None:
    profiles = await look_into(warehouse, found.tables)
    customers = profiles["sales", "customers"]
    assert (customers.rows, customers.estimated, customers.note) == (90, False, None)
    assert customers.columns["country"].values == ("DE", "FR", "NO")
    assert customers.columns["country"].whole
    assert customers.columns["feeling"].values == ("sad", "ok", "it's")
    assert not {"email", "address", "password"} & set(customers.columns)
    events = profiles["public", "events"]
    assert events.rows == 1_000
    assert events.columns["kind"].values == ("click", "view")
    assert (events.columns["day"].least, events.columns["day"].greatest) == (
        "2024-06-01",
        "2025-07-05",
    )


async def test_infinite_dates_and_numbers_that_are_none_stop_nothing(
    warehouse: Warehouse, found: Introspection
) -> None:
    profiles = await look_into(warehouse, found.tables)
    forever = profiles["sales", "lines"].columns["forever"]
    assert (forever.least, forever.greatest) == ("2024-05-05", None)
    odd = profiles["public", "odd"]
    assert odd.note is None
    assert odd.columns["nan"].greatest is None
    assert set(odd.columns) == {"nan", "f"}


async def test_a_large_table_is_counted_by_estimate_and_looked_at_in_part(
    url: str, warehouse: Warehouse
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE large AS "
            "SELECT i AS id, i % 3 AS third FROM generate_series(1, 1200000) i"
        )
        connection.execute("ANALYZE large")
    found = await introspect(warehouse, only=["public.large"])
    profile = (await look_into(warehouse, found.tables))["public", "large"]
    assert profile.estimated
    assert profile.sampled
    assert profile.rows is not None
    assert 1_100_000 < profile.rows < 1_300_000
    assert set(profile.columns["third"].values) == {0, 1, 2}
    assert not profile.columns["third"].whole, "only a part of the rows was seen"


async def test_tables_and_columns_that_the_role_may_not_read_are_not_there(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS saaf_scaffold_reader")
        connection.execute("CREATE ROLE saaf_scaffold_reader LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA sales TO saaf_scaffold_reader")
        connection.execute("GRANT SELECT (id, country) ON sales.customers TO saaf_scaffold_reader")
    reader = url.replace("postgres:@", "saaf_scaffold_reader:@")
    assert reader != url
    async with postgres_warehouse(reader) as narrow:
        found = await introspect(narrow)
    assert [table.label for table in found.tables] == ["sales.customers"]
    assert [column.name for column in found.tables[0].columns] == ["id", "country"]


async def test_a_server_that_is_down_fails_with_one_clear_error() -> None:
    async with postgres_warehouse("postgresql://reader:hidden@127.0.0.1:1/db") as warehouse:
        with pytest.raises(WarehouseFailed) as caught:
            await introspect(warehouse)
    assert "hidden" not in str(caught.value)
    assert caught.value.remedy


async def test_through_sqlalchemy_the_same_catalog_is_read(url: str, found: Introspection) -> None:
    driver = url.replace("postgresql://", "postgresql+psycopg://")
    warehouse = SQLAlchemyWarehouse("any", driver, dialect_named("postgres"))
    try:
        again = await introspect(warehouse)
        profiles = await look_into(warehouse, again.tables)
    finally:
        await warehouse.close()
    assert again.tables == found.tables
    assert profiles["sales", "customers"].columns["country"].values == ("DE", "FR", "NO")


async def test_an_engine_without_that_catalog_is_read_by_its_columns(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, kind TEXT, email TEXT)")
        connection.executemany(
            "INSERT INTO things (kind) VALUES (?)", [(each,) for each in "abab" * 5]
        )
    warehouse = SQLAlchemyWarehouse(
        "any", f"sqlite:///{tmp_path / 'x.db'}", dialect_named("postgres")
    )
    try:
        found = await introspect(warehouse)
        profiles = await look_into(warehouse, found.tables)
    finally:
        await warehouse.close()
    (table,) = found.tables
    assert [column.name for column in table.columns] == ["id", "kind", "email"]
    assert profiles[table.key].columns["kind"].values == ("a", "b")
    assert "email" not in profiles[table.key].columns
    assert any("by hand" in note for note in found.notes)
