from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from saaf_autogen.sql import Warehouse
from saaf_autogen.sql.introspection import Introspection, introspect, look_into
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
