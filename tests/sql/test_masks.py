from __future__ import annotations

from datetime import date

import pytest

from saaf_autogen.auth.access import (
    FALSE,
    TRUE,
    AnyOf,
    ColumnAccess,
    ColumnCase,
    Comparison,
    Mask,
    Predicate,
    TableAccess,
    all_of,
)
from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql import DuckDBWarehouse, GuardedWarehouse
from tests.sql import world


def people(column: str, *cases: ColumnCase, rows: Predicate = TRUE) -> dict[str, TableAccess]:
    columns = {**world.full("name"), column: ColumnAccess(column, cases)}
    return {"main.people": world.table("main.people", columns, rows)}


async def values(
    guarded: GuardedWarehouse, column: str, *cases: ColumnCase, rows: Predicate = TRUE
) -> dict[str, object]:
    result = await guarded.query(
        f"SELECT name, {column} FROM people ORDER BY name",
        visible=people(column, *cases, rows=rows),
    )
    return dict(result.rows)


@pytest.mark.parametrize(
    ("column", "mask", "shown"),
    [
        ("email", "redact", "***"),
        ("email", "null", None),
        ("phone", "last4", "***0001"),
        ("team", "last4", "***"),
        ("born", "year", "1980-01-01T00:00:00"),
        ("email", "year", None),
        ("wages", "redact", "***"),
        ("wages", "last4", "***2001"),
        ("wages", "year", None),
        ("born", "null", None),
        ("mood", "redact", "***"),
    ],
)
async def test_a_mask_shows_what_its_name_says(
    guarded: GuardedWarehouse, column: str, mask: Mask, shown: object
) -> None:
    assert (await values(guarded, column, ColumnCase(TRUE, mask)))["ann"] == shown


async def test_a_hash_is_a_stable_pseudonym_that_depends_on_the_key(
    engine: DuckDBWarehouse,
) -> None:
    case = ColumnCase(TRUE, "hash")
    first = await values(GuardedWarehouse(engine, mask_key="one"), "team", case)
    again = await values(GuardedWarehouse(engine, mask_key="one"), "team", case)
    other = await values(GuardedWarehouse(engine, mask_key="two"), "team", case)
    assert first == again
    assert first["bob"] == first["cyd"] != first["ann"]
    assert not set(first.values()) & set(other.values())
    assert all(len(str(value)) == 16 for value in first.values())


async def test_the_first_case_that_holds_decides_and_none_means_null(
    guarded: GuardedWarehouse,
) -> None:
    shown = await values(
        guarded,
        "phone",
        ColumnCase(Comparison("name", "eq", "ann"), None),
        ColumnCase(Comparison("team", "in", ("a", "b")), "last4"),
        ColumnCase(TRUE, "redact"),
    )
    assert shown == {"ann": "555-0001", "bob": "***0002", "cyd": "***0003"}
    shown = await values(guarded, "phone", ColumnCase(Comparison("name", "eq", "ann"), None))
    assert shown == {"ann": "555-0001", "bob": None, "cyd": None}
    assert set((await values(guarded, "phone")).values()) == {None}
    assert set((await values(guarded, "phone", ColumnCase(FALSE, None))).values()) == {None}


async def test_numbers_and_text_masks_share_a_column(guarded: GuardedWarehouse) -> None:
    cases = (ColumnCase(Comparison("name", "eq", "ann"), None), ColumnCase(TRUE, "redact"))
    assert await values(guarded, "wages", *cases) == {
        "ann": "424242001",
        "bob": "***",
        "cyd": "***",
    }


async def test_a_nulled_column_keeps_its_type(guarded: GuardedWarehouse) -> None:
    result = await guarded.query(
        "SELECT email FROM people WHERE email = 'x' OR email IS NULL",
        visible=people("email", ColumnCase(TRUE, "null")),
    )
    assert result.columns[0].type == "VARCHAR"
    assert len(result.rows) == 3


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (Comparison("name", "eq", "bob"), {"bob"}),
        (Comparison("name", "ne", "bob"), {"ann", "cyd"}),
        (Comparison("born", "gte", date(1990, 1, 1)), {"bob", "cyd"}),
        (Comparison("wages", "lt", 424242002), {"ann"}),
        (Comparison("name", "in", ("ann", "cyd")), {"ann", "cyd"}),
        (Comparison("name", "in", ()), set()),
        (AnyOf((Comparison("name", "eq", "ann"), Comparison("name", "gt", "bob"))), {"ann", "cyd"}),
        (
            all_of(Comparison("team", "eq", "b"), Comparison("wages", "lte", 424242002)),
            {"bob"},
        ),
        (FALSE, set()),
    ],
)
async def test_a_row_policy_keeps_its_rows_alone(
    guarded: GuardedWarehouse, rows: Predicate, names: set[str]
) -> None:
    assert set(await values(guarded, "team", ColumnCase(TRUE, None), rows=rows)) == names


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM flights WHERE 1 // (id - 424242050) < 5",
        "SELECT f.id FROM flights f JOIN range(3) r(i) ON 1 // (f.id - 424242050) <= r.i",
        "SELECT id FROM flights ORDER BY 1 // (id - 424242050)",
        "SELECT max(id) FROM flights HAVING max(1 // (id - 424242050)) < 5",
        "SELECT id FROM flights WHERE id::SMALLINT > 0",
        "SELECT id FROM flights WHERE split_part(note, ' ', 2)::INTEGER > 0",
        "SELECT id FROM flights WHERE carrier = 'B6' AND split_part(note, ' ', 2)::INTEGER > 0",
        "WITH f AS NOT MATERIALIZED (FROM flights) "
        "SELECT id FROM f WHERE 1 // (id - 424242050) < 5",
        "SELECT name FROM people WHERE email IN ('ann@x.org', '***') AND mood::VARCHAR <> 'x'",
    ],
)
async def test_no_error_tells_of_a_hidden_row(guarded: GuardedWarehouse, sql: str) -> None:
    """The hidden rows would make these fail, and what a row makes fail tells of it."""
    if "flights" in sql:
        everything = world.table("main.flights", world.full("id", "carrier", "note"))
        with pytest.raises(SqlRefused) as caught:
            await guarded.query(sql, visible={"main.flights": everything})
        assert caught.value.rule in {"evaluation", "conversion", "out_of_range"}
    result = await guarded.query(sql, visible=world.visible())
    assert "424242" not in str(result.rows)
