from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from saaf_autogen.errors import WarehouseFailed
from saaf_autogen.sql import Warehouse
from saaf_autogen.sql.introspection import (
    Introspection,
    introspect,
    look_for_values,
    look_into,
)
from tests.sql.introspection import nasty
from tests.sql.introspection.engines import duckdb_warehouse


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nasty.build(tmp_path_factory.mktemp("nasty") / "n.duckdb")


@pytest.fixture
async def warehouse(file: Path) -> AsyncIterator[Warehouse]:
    async with duckdb_warehouse(file) as opened:
        yield opened


@pytest.fixture
async def found(warehouse: Warehouse) -> Introspection:
    return await introspect(warehouse)


async def test_tables_and_views_of_every_schema_are_found(found: Introspection) -> None:
    assert [table.label for table in found.tables] == [
        "Odd Schema.My Table",
        "main.broken",
        "main.customers",
        "main.empty",
        "main.nested",
        "main.order",
        "main.recent",
        "main.vault",
        "sales.customers",
        "sales.regions",
    ]
    assert any("do.t.hidden" in note for note in found.notes)


async def test_keys_comments_and_labels_are_those_of_the_catalog(found: Introspection) -> None:
    customers, order = found.table("main", "CUSTOMERS"), found.table("main", "order")
    assert customers is not None
    assert order is not None
    assert customers.primary_key == ("id",)
    assert customers.unique_keys == (("E-Mail",),)
    columns = {column.name: column for column in customers.columns}
    assert columns["country"].comment == "ISO code: DE, FR # or so"
    assert not columns["country"].nullable
    assert columns["mood"].labels == ("fine", "it's, so so", "no")
    (key,) = order.foreign_keys
    assert (key.schema, key.table, key.columns, key.referred) == (
        "main",
        "customers",
        ("customer_id",),
        ("id",),
    )
    assert order.primary_key == ("select", "from")


async def test_values_are_seen_where_they_are_safe_to_show(
    warehouse: Warehouse, found: Introspection
) -> None:
    profiles = await look_into(warehouse, found.tables)
    customers = profiles["main", "customers"]
    assert customers.rows == 100
    assert customers.columns["country"].values == ("007", "DE", "FR", "NO", "yes")
    assert customers.columns["country"].whole
    assert set(customers.columns) == {"id", "country", "mood", "notes"}
    assert customers.columns["notes"].values == (), "long texts are no sample values"
    assert profiles["main", "empty"].rows == 0
    order = profiles["main", "order"].columns
    assert (order["Order Date"].least, order["Order Date"].greatest) == (
        "2024-01-01 01:00:00",
        "2024-01-13 12:00:00",
    )
    assert (order["total"].least, order["total"].greatest) == (1.5, 450)


async def test_a_view_on_a_vanished_table_is_a_note_and_stops_nothing(
    warehouse: Warehouse, found: Introspection
) -> None:
    profiles = await look_into(warehouse, found.tables)
    broken = profiles["main", "broken"]
    assert not broken.readable
    assert broken.note == "main.broken: the warehouse could not read it."
    assert profiles["main", "recent"].rows == 294


async def test_all_samples_hold_personal_values_but_never_secrets(
    warehouse: Warehouse, found: Introspection
) -> None:
    profiles = await look_into(warehouse, found.tables, samples="all")
    columns = profiles["main", "customers"].columns
    assert columns["E-Mail"].values[0] == "c100@example.org"
    assert not {"password_hash", "api_token"} & set(columns)
    assert profiles["main", "vault"].columns == {}


async def test_no_samples_means_that_only_rows_are_counted(
    warehouse: Warehouse, found: Introspection
) -> None:
    profiles = await look_into(warehouse, found.tables, samples="none")
    assert profiles["main", "order"].rows == 300
    assert all(profile.columns == {} for profile in profiles.values())


async def test_patterns_choose_the_tables(warehouse: Warehouse) -> None:
    found = await introspect(warehouse, only=["SALES.*", "main.ord?r"])
    assert [table.label for table in found.tables] == [
        "main.order",
        "sales.customers",
        "sales.regions",
    ]


async def test_progress_tells_of_each_table(warehouse: Warehouse, found: Introspection) -> None:
    told: list[tuple[int, int, str]] = []
    await look_into(
        warehouse,
        found.tables[:2],
        samples="none",
        progress=lambda done, total, name: told.append((done, total, name)),
    )
    assert told == [(0, 2, "Odd Schema.My Table"), (1, 2, "main.broken"), (2, 2, "")]


async def test_a_table_that_takes_too_long_is_left_with_a_note(
    warehouse: Warehouse, found: Introspection
) -> None:
    profiles = await look_into(warehouse, found.tables[:1], timeout_s=1e-9)
    (profile,) = profiles.values()
    assert profile.note is not None
    assert "longer than" in profile.note


async def test_the_values_of_a_vanished_table_are_a_note(
    warehouse: Warehouse, found: Introspection
) -> None:
    broken, regions = found.table("main", "broken"), found.table("sales", "regions")
    assert broken is not None
    assert regions is not None
    wanted = [(broken, broken.columns[0]), (regions, regions.columns[0])]
    values, notes = await look_for_values(warehouse, wanted)
    assert values == {(("sales", "regions"), "code"): ["N", "S"]}
    assert notes == ["main.broken.x: its values could not be read; they were not compared."]


async def test_a_closed_warehouse_fails_with_its_own_error(file: Path) -> None:
    async with duckdb_warehouse(file) as warehouse:
        pass
    with pytest.raises(WarehouseFailed):
        await introspect(warehouse)
