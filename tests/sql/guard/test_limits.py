"""Limits of tables and of grants, as each query meets them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from saaf_autogen.auth.access import QueryBounds
from saaf_autogen.errors import SqlRefused
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.loader import check_semantic
from saaf_autogen.sql import GuardedWarehouse, QueryLimits
from saaf_autogen.sql.duckdb import DuckDBWarehouse
from tests.sql.guard.shop import ALL, Caller, build, catalog

MODEL = """
name: shop
saaf: {version: 1, warehouse: shop, dialect: duckdb}
tables:
- name: sales
  base_table: {schema: main, table: orders}
  primary_key: {columns: [id]}
  dimensions:
  - {name: id, expr: id, data_type: INTEGER}
  - {name: customer, expr: customer, data_type: INTEGER}
  - {name: town, expr: city, data_type: VARCHAR}
  - {name: late, expr: placed > DATE '2026-01-10', data_type: BOOLEAN}
  time_dimensions: [{name: placed, expr: placed, data_type: DATE}]
  filters: [{name: recent, expr: placed >= DATE '2026-01-15'}]
  saaf: {limits: {max_rows: 3, timeout_s: 5, required_filters: [[placed, town]]}}
- name: customers
  base_table: {schema: main, table: people}
  dimensions: [{name: id, expr: id, data_type: INTEGER}, {name: name, expr: name, data_type: T}]
  saaf: {limits: {max_rows: 2}}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedWarehouse]:
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    build(path)
    engine = DuckDBWarehouse.open("shop", path, memory_limit="256MB")
    yield GuardedWarehouse(engine, limits=QueryLimits(max_rows=100), mask_key="k")
    asyncio.run(engine.close())


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> SemanticCatalog:
    return catalog(tmp_path_factory.mktemp("semantic"), MODEL)


@pytest.fixture(scope="module")
def caller(known: SemanticCatalog) -> Caller:
    return Caller(known, [ALL])


NARROWED = [
    "SELECT id FROM sales WHERE placed = DATE '2026-01-05'",
    "SELECT id FROM orders WHERE id > 1 AND (placed >= '2026-01-05' AND placed < :day)",
    "SELECT id FROM sales s WHERE :day > s.placed",
    "SELECT id FROM sales WHERE placed BETWEEN DATE '2026-01-01' AND CAST(:day AS DATE) - 1",
    "SELECT id FROM sales WHERE city IN ('Rome', 'Bern')",
    "SELECT id FROM sales WHERE town = 'Rome'",
    "SELECT id FROM sales WHERE CAST(placed AS TIMESTAMP) > TIMESTAMP '2026-01-05 12:00:00'",
    "SELECT id FROM sales WHERE recent",
    "SELECT id FROM sales WHERE late",
    "SELECT c.name FROM customers c JOIN sales s ON s.customer = c.id AND s.city = 'Rome'",
    "SELECT c.name FROM customers c LEFT JOIN sales s ON s.customer = c.id AND s.city = 'Rome'",
    "SELECT c.name FROM customers c WHERE EXISTS"
    " (SELECT 1 FROM sales s WHERE s.customer = c.id AND s.city = 'Rome')",
    "WITH s AS (SELECT * FROM sales WHERE city = 'Rome') SELECT a.id FROM s a JOIN s b USING (id)",
    "SELECT a.id FROM sales a JOIN sales b USING (placed) WHERE placed > DATE '2026-01-05'",
    "FROM (sales) WHERE city = 'Rome'",
    "SELECT name FROM customers",
]
NOT_NARROWED = [
    "SELECT id FROM sales",
    "FROM sales",
    "SELECT id FROM sales WHERE id = 3",
    "SELECT id FROM sales WHERE city = 'Rome' OR id = 3",
    "SELECT id FROM sales WHERE NOT city = 'Rome'",
    "SELECT id FROM sales WHERE city <> 'Rome'",
    "SELECT id FROM sales WHERE city = city",
    "SELECT id FROM sales WHERE city IN (SELECT 'Rome')",
    "SELECT id FROM sales WHERE city = (SELECT max(name) FROM customers)",
    "SELECT id FROM sales WHERE city LIKE 'R%'",
    "SELECT city, COUNT(*) FROM sales GROUP BY city HAVING city = 'Rome'",
    "SELECT a.id FROM sales a JOIN sales b ON a.id = b.id WHERE a.city = 'Rome'",
    "SELECT id FROM sales WHERE city = 'Rome' UNION ALL SELECT id FROM sales",
    "SELECT s.id FROM sales s LEFT JOIN customers c ON s.city = 'Rome'",
    "SELECT s.id FROM sales s FULL JOIN customers c ON s.city = 'Rome'",
    "SELECT c.id FROM customers c WHERE EXISTS (SELECT 1 FROM sales) AND 'Rome' = c.name",
    "WITH s AS (SELECT * FROM sales) SELECT id FROM s WHERE city = 'Rome'",
    "SELECT id FROM (SELECT * FROM sales) WHERE city = 'Rome'",
    "SELECT id FROM sales AS s(id, customer, city) WHERE city = 1",
    "SELECT x.id FROM (orders JOIN people USING (id)) AS x WHERE city = 'Rome'",
    "SELECT (SELECT COUNT(*) FROM sales)",
    "WITH sales AS (SELECT * FROM sales) SELECT * FROM sales WHERE city = 'Rome'",
]


@pytest.mark.parametrize("sql", NARROWED)
async def test_a_query_that_narrows_what_it_reads_runs(
    shop: GuardedWarehouse, caller: Caller, sql: str
) -> None:
    values = {"day": "2026-01-18"} if ":day" in sql else {}
    result = await shop.query(
        sql, visible=caller.visible, vocabulary=caller.vocabulary, parameters=values
    )
    assert result.rows


@pytest.mark.parametrize("sql", NOT_NARROWED)
def test_a_query_that_does_not_is_refused_and_told_how(
    shop: GuardedWarehouse, caller: Caller, sql: str
) -> None:
    with pytest.raises(SqlRefused) as caught:
        shop.plan(sql, visible=caller.visible, vocabulary=caller.vocabulary)
    assert caught.value.rule == "required_filter"
    assert caught.value.extra["line"] == 1
    if "AS x" not in sql and "AS s(" not in sql:
        assert "a filter on placed or city" in caught.value.detail
        assert ".placed >= :value" in (caught.value.remedy or "")


async def test_rows_and_seconds_are_the_least_of_all_tables_grants_and_the_deployment(
    shop: GuardedWarehouse, known: SemanticCatalog, caller: Caller
) -> None:
    def plan(who: Caller, sql: str) -> tuple[int, float | None, int | None]:
        made = shop.plan(sql, visible=who.visible, vocabulary=who.vocabulary)
        return made.max_rows, made.timeout_s, made.max_bytes

    both = "SELECT s.id FROM sales s JOIN customers c ON s.customer = c.id WHERE city = 'Rome'"
    assert plan(caller, "SELECT id FROM sales WHERE city = 'Rome'") == (3, 5, None)
    assert plan(caller, "SELECT id FROM customers") == (2, None, None)
    assert plan(caller, both) == (2, 5, None)
    limited = Caller(known, [{**ALL, "limits": {"rows": 1, "seconds": 2, "bytes": 4000}}])
    assert plan(limited, both) == (1, 2, 4000)
    result = await shop.query(
        "SELECT id FROM customers", visible=caller.visible, vocabulary=caller.vocabulary
    )
    assert len(result.rows) == 2
    assert result.cut


def test_a_column_that_the_caller_may_not_see_is_not_named(
    shop: GuardedWarehouse, known: SemanticCatalog
) -> None:
    caller = Caller(known, [{**ALL, "columns": {"allow": ["id", "customer"]}}])
    with pytest.raises(SqlRefused) as caught:
        shop.plan("SELECT id FROM sales", visible=caller.visible, vocabulary=caller.vocabulary)
    assert caught.value.rule == "required_filter"
    assert "placed" not in str(caught.value.problem())
    assert "city" not in str(caught.value.problem())
    assert caller.view.describe_table("sales")["limits"]["required_filters"] == [[]]


def test_metadata_show_what_binds_the_caller(known: SemanticCatalog, caller: Caller) -> None:
    assert caller.view.describe_table("sales")["limits"] == {
        "max_rows": 3,
        "timeout_s": 5,
        "required_filters": [["placed", "city"]],
    }
    limited = Caller(known, [{**ALL, "limits": {"rows": 1, "required_filters": [["id"]]}}])
    assert limited.view.describe_table("customers")["limits"] == {
        "max_rows": 1,
        "required_filters": [["id"]],
    }


def test_grants_of_one_party_and_of_several_add_their_required_filters_up(
    known: SemanticCatalog,
) -> None:
    one: dict[str, object] = {"rows": {"id": {"lt": 9}}, "limits": {"seconds": 9}}
    two: dict[str, object] = {"rows": {"id": {"gt": 3}}, "limits": {"required_filters": [["id"]]}}
    caller = Caller(known, [{**ALL, **one}, {**ALL, "id": "other", **two}])
    assert caller.bounds("main.people") == QueryBounds(9, None, (("id",),))
    # A grant that another includes adds nothing, so neither does its limit.
    wide = Caller(known, [ALL, {**ALL, "id": "other", **two}])
    assert wide.bounds("main.people") == QueryBounds()


def test_a_required_filter_on_what_is_no_column_is_a_fault_at_its_line(tmp_path: Path) -> None:
    text = MODEL.replace("[[placed, town]]", "[[placed], [late, nothing]]")
    (tmp_path / "shop.yaml").write_text(text)
    found = check_semantic(tmp_path, {"shop": "duckdb"})
    assert [fault.message for fault in found] == [
        "the table sales has no plain column 'late'",
        "the table sales has no plain column 'nothing'",
    ]
    assert {fault.line for fault in found} == {15}
