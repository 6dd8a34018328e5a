"""Names of the semantic layer in SQL: each query is run, next to the same one written out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from saaf_autogen.errors import SqlRefused
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.sql import GuardedWarehouse
from saaf_autogen.sql.duckdb import DuckDBWarehouse
from saaf_autogen.sql.guard import Guard, PhysicalTable, VisibleTable
from saaf_autogen.sql.guard.dialects import dialect_named
from tests.sql.guard.shop import ALL, Caller, build, catalog


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedWarehouse]:
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    build(path)
    engine = DuckDBWarehouse.open("shop", path, memory_limit="256MB")
    yield GuardedWarehouse(engine, mask_key="k")
    asyncio.run(engine.close())


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> SemanticCatalog:
    return catalog(tmp_path_factory.mktemp("semantic"))


@pytest.fixture(scope="module")
def everything(known: SemanticCatalog) -> Caller:
    return Caller(known, [ALL])


async def rows(shop: GuardedWarehouse, caller: Caller, sql: str, **values: Any) -> list[Any]:
    result = await shop.query(
        sql, visible=caller.visible, vocabulary=caller.vocabulary, parameters=values
    )
    return result.rows


async def refusal(shop: GuardedWarehouse, caller: Caller, sql: str) -> SqlRefused:
    with pytest.raises(SqlRefused) as caught:
        await rows(shop, caller, sql)
    return caught.value


# By names, and written out over what the physical tables hold.
SAME = {
    "a filter": (
        "SELECT id FROM orders WHERE returned ORDER BY id",
        "SELECT id FROM orders WHERE state = 'returned' ORDER BY id",
    ),
    "a filter, qualified and negated": (
        "SELECT id FROM orders AS o WHERE NOT o.large AND o.returned ORDER BY id",
        "SELECT id FROM orders WHERE NOT (amount > 100 OR (amount - cost) * 2 > 250)"
        " AND state = 'returned' ORDER BY id",
    ),
    "a filter by the table's full name": (
        "SELECT main.orders.id FROM main.orders WHERE main.orders.returned ORDER BY 1",
        "SELECT id FROM orders WHERE state = 'returned' ORDER BY 1",
    ),
    "a computed field everywhere": (
        "SELECT city_code, SUM(margin) AS m FROM orders WHERE margin > 20 GROUP BY city_code"
        " HAVING SUM(margin) > 0 ORDER BY city_code",
        "SELECT UPPER(LEFT(city, 2)), SUM(amount - cost) FROM orders WHERE amount - cost > 20"
        " GROUP BY 1 ORDER BY 1",
    ),
    "a column under another name": (
        "SELECT status, COUNT(*) FROM orders GROUP BY status ORDER BY status",
        "SELECT state, COUNT(*) FROM orders GROUP BY state ORDER BY state",
    ),
    "the logical table": (
        "SELECT sales.id FROM sales WHERE roman ORDER BY id",
        "SELECT id FROM orders WHERE city = 'Rome' ORDER BY id",
    ),
    "the logical table under an alias": (
        "SELECT s.id FROM sales s JOIN customers c ON c.id = s.customer WHERE c.adult ORDER BY 1",
        "SELECT o.id FROM orders o JOIN people p ON p.id = o.customer"
        " WHERE p.born < DATE '2000-01-01' ORDER BY 1",
    ),
    "a common table expression before a logical table": (
        "WITH sales AS (SELECT 7 AS id) SELECT id FROM sales",
        "SELECT 7",
    ),
    "metrics": (
        "SELECT city, AGG(revenue), agg(order_count) AS n FROM sales GROUP BY city ORDER BY n, 1",
        "SELECT city, SUM(amount), COUNT(*) FROM orders GROUP BY city ORDER BY 3, 1",
    ),
    "a metric over computed facts": (
        "SELECT AGG(total_margin) FROM orders",
        "SELECT SUM(amount - cost) FROM orders",
    ),
    "a metric over a metric and a filter": (
        "SELECT AGG(return_share) FROM orders WHERE NOT large",
        "SELECT 1.0 * COUNT(*) FILTER (WHERE state = 'returned') / COUNT(*) FROM orders"
        " WHERE NOT (amount > 100 OR (amount - cost) * 2 > 250)",
    ),
    "a metric over a private fact": (
        "SELECT AGG(avg_rate) FROM orders",
        "SELECT AVG(cost * 1.0 / amount) FROM orders",
    ),
    "MEASURE, qualified by alias and by name": (
        "SELECT MEASURE(s.revenue), MEASURE(sales.revenue) FROM orders s",
        "SELECT SUM(amount), SUM(amount) FROM orders",
    ),
    "HAVING, ORDER BY and arithmetic": (
        "SELECT customer, AGG(revenue) * 2 FROM sales GROUP BY customer"
        " HAVING AGG(revenue) > 400 ORDER BY AGG(revenue) DESC",
        "SELECT customer, SUM(amount) * 2 FROM orders GROUP BY customer"
        " HAVING SUM(amount) > 400 ORDER BY 2 DESC",
    ),
    "ORDER BY a metric by its name": (
        "SELECT customer, AGG(revenue) FROM sales GROUP BY customer ORDER BY revenue DESC",
        "SELECT customer, SUM(amount) FROM orders GROUP BY customer ORDER BY 2 DESC",
    ),
    "FILTER and OVER of a single aggregate": (
        "SELECT AGG(revenue) FILTER (WHERE returned) FROM sales",
        "SELECT SUM(amount) FILTER (WHERE state = 'returned') FROM orders",
    ),
    "a metric over an aggregate's window": (
        "SELECT id, AGG(revenue) OVER (PARTITION BY city) FROM sales ORDER BY id",
        "SELECT id, SUM(amount) OVER (PARTITION BY city) FROM orders ORDER BY id",
    ),
    "a relationship": (
        "SELECT name, AGG(revenue) FROM sales JOIN customers USING (sales_customers)"
        " GROUP BY name ORDER BY name",
        "SELECT name, SUM(amount) FROM orders JOIN people ON people.id = customer"
        " GROUP BY name ORDER BY name",
    ),
    "a relationship from its other side": (
        "SELECT o.id, p.name FROM people p RIGHT JOIN orders o USING (sales_partners) ORDER BY 1",
        "SELECT o.id, p.name FROM people p RIGHT JOIN orders o ON o.partner = p.id ORDER BY 1",
    ),
    "a metric of the whole model": (
        "SELECT AGG(revenue_per_person) FROM sales s JOIN customers c ON s.customer = c.id",
        "SELECT SUM(o.amount) / COUNT(DISTINCT p.id) FROM orders o JOIN people p"
        " ON p.id = o.customer",
    ),
    "a metric of the whole model over a table's metric": (
        "SELECT AGG(revenue_again) FROM sales",
        "SELECT SUM(amount) FROM orders",
    ),
    "a correlated subquery": (
        "SELECT id FROM customers c WHERE EXISTS"
        " (SELECT 1 FROM visits v WHERE v.person = c.id AND adult) ORDER BY id",
        "SELECT id FROM people c WHERE EXISTS (SELECT 1 FROM visits v WHERE v.person = c.id)"
        " AND born < DATE '2000-01-01' ORDER BY id",
    ),
    "names in common table expressions and derived tables": (
        "WITH big AS (SELECT *, margin FROM sales WHERE large) SELECT COUNT(*), SUM(margin)"
        " FROM (SELECT margin FROM big) AS x",
        "SELECT COUNT(*), SUM(amount - cost) FROM orders"
        " WHERE amount > 100 OR (amount - cost) * 2 > 250",
    ),
    "a set operation": (
        "SELECT id FROM sales WHERE returned UNION SELECT id FROM sales WHERE large ORDER BY id",
        "SELECT id FROM orders WHERE state = 'returned' OR amount > 100"
        " OR (amount - cost) * 2 > 250 ORDER BY id",
    ),
    "a lateral subquery": (
        "SELECT s.id, x.m FROM sales s, LATERAL (SELECT s.margin AS m) x WHERE s.id < 3 ORDER BY 1",
        "SELECT id, amount - cost FROM orders WHERE id < 3 ORDER BY 1",
    ),
    "a filter with parameters beside it": (
        "SELECT COUNT(*) FROM sales WHERE returned AND id > 3 + 2",
        "SELECT COUNT(*) FROM orders WHERE state = 'returned' AND id > 5",
    ),
    "DISTINCT with an order": (
        "SELECT DISTINCT returned FROM sales ORDER BY returned",
        "SELECT DISTINCT state = 'returned' FROM orders ORDER BY 1",
    ),
    # One's own column of the same name.
    "an alias that says the same": (
        "SELECT state = 'returned' AS returned, COUNT(*) FROM orders WHERE returned GROUP BY 1",
        "SELECT TRUE, COUNT(*) FROM orders WHERE state = 'returned'",
    ),
    "an alias that is grouped by": (
        "SELECT amount > 50 AS large, COUNT(*) FROM orders GROUP BY large ORDER BY large",
        "SELECT amount > 50, COUNT(*) FROM orders GROUP BY 1 ORDER BY 1",
    ),
    "an aggregate of the filter's name": (
        "SELECT COUNT(*) FILTER (WHERE returned) AS returned FROM orders WHERE returned",
        "SELECT COUNT(*) FROM orders WHERE state = 'returned'",
    ),
    "an aggregate's alias, read by its name": (
        "SELECT city, COUNT(*) FILTER (WHERE returned) AS returned FROM orders GROUP BY city"
        " HAVING returned > 1 ORDER BY returned, city",
        "SELECT city, COUNT(*) FILTER (WHERE state = 'returned') FROM orders GROUP BY city"
        " HAVING COUNT(*) FILTER (WHERE state = 'returned') > 1 ORDER BY 2, 1",
    ),
    "a derived column of the filter's name": (
        "SELECT id FROM (SELECT id, amount > 190 AS returned FROM orders) WHERE returned",
        "SELECT id FROM orders WHERE amount > 190",
    ),
}


@pytest.mark.parametrize("case", SAME)
async def test_a_name_means_what_it_stands_for(
    shop: GuardedWarehouse, everything: Caller, case: str
) -> None:
    by_name, written_out = SAME[case]
    found = await rows(shop, everything, by_name)
    assert found == await rows(shop, everything, written_out)
    assert found


async def test_results_are_called_as_the_caller_wrote_them(
    shop: GuardedWarehouse, everything: Caller
) -> None:
    result = await shop.query(
        "SELECT Margin, sales.city_code, returned, AGG(revenue), AGG(Order_Count) OVER () FROM"
        " sales GROUP BY ALL LIMIT 1",
        visible=everything.visible,
        vocabulary=everything.vocabulary,
    )
    names = [column.name for column in result.columns]
    assert names == ["Margin", "city_code", "returned", "revenue", "Order_Count"]


# The rule, a part of what is told, and a part of the remedy.
REFUSED = {
    "SELECT id FROM orders WHERE AGG(revenue) > 1": ("metric_place", "WHERE", "HAVING"),
    "SELECT COUNT(*) FROM orders GROUP BY AGG(revenue)": ("metric_place", "GROUP BY", "HAVING"),
    "SELECT revenue FROM orders": ("metric_place", "many rows", "AGG(revenue)"),
    "SELECT o.revenue FROM orders o": ("metric_place", "many rows", "AGG(o.revenue)"),
    "SELECT AGG(return_share) OVER () FROM orders": ("metric_place", "several", "WHERE"),
    "SELECT AGG(return_share) FILTER (WHERE large) FROM sales": ("metric_place", "FILTER", "WHERE"),
    "SELECT AGG(revenu) FROM orders": ("unknown_metric", "revenu", "revenue"),
    "SELECT AGG(amount + 1) FROM orders": ("unknown_metric", "one metric", "AGG(metric)"),
    "SELECT AGG(*) FROM orders": ("unknown_metric", "one metric", "AGG(metric)"),
    "SELECT AGG(DISTINCT revenue) FROM orders": ("unknown_metric", "one metric", "AGG(metric)"),
    "SELECT AGG(margin) FROM orders": ("unknown_metric", "field", "without AGG"),
    "SELECT AGG(customer_count) FROM orders": ("unknown_metric", "customers", "FROM"),
    "SELECT AGG(revenue)": ("unknown_metric", "does not read", "FROM"),
    "SELECT AGG(stock) FROM orders": ("definition", "sales.placed", "yourself"),
    "SELECT AGG(partner_revenue) FROM sales JOIN customers USING (sales_customers)": (
        "definition",
        "one relationship",
        "yourself",
    ),
    "SELECT AGG(customer_count) FROM sales JOIN customers USING (sales_customers)": (
        "metric_join",
        "repeat rows of customers",
        "WITH",
    ),
    "SELECT AGG(revenue) FROM sales JOIN visits ON person = customer": (
        "metric_join",
        "visits",
        "WITH",
    ),
    "SELECT AGG(revenue) FROM customers c LEFT JOIN sales USING (sales_customers)": (
        "metric_join",
        "without sales",
        "WITH",
    ),
    "SELECT AGG(revenue) FROM sales, (SELECT 1 AS one) x": ("metric_join", "x", "WITH"),
    "SELECT AGG(revenue) FROM sales s JOIN customers c ON c.id = s.city COLLATE NOCASE": (
        "metric_join",
        "c",
        "WITH",
    ),
    "SELECT AGG(revenue) FROM sales s CROSS JOIN customers c LEFT JOIN visits v"
    " ON s.customer = c.id": ("metric_join", "c", "WITH"),
    "SELECT AGG(mixed) FROM sales JOIN customers USING (sales_customers)": (
        "metric_join",
        "customers",
        "WITH",
    ),
    "SELECT AGG(revenue_per_person) FROM sales": ("metric_join", "customers", "FROM"),
    "SELECT AGG(order_count) FROM sales JOIN visits ON person = customer": (
        "ambiguous_name",
        "more than one place",
        "AGG(visits.order_count)",
    ),
    "SELECT a.id FROM sales a JOIN sales b ON a.id = b.id WHERE returned": (
        "ambiguous_name",
        "more than one place",
        "a.returned or b.returned",
    ),
    "SELECT amount > 50 AS large FROM orders WHERE large": (
        "ambiguous_name",
        "name that the SELECT gives",
        "orders.large",
    ),
    "SELECT id FROM sales WHERE EXISTS (SELECT 1 FROM visits AS sales WHERE returned)": (
        "ambiguous_name",
        "outer sales",
        "aliases",
    ),
    "SELECT COUNT(*) FROM sales JOIN customers": (
        "join_condition",
        "without a condition",
        "USING (sales_customers)",
    ),
    "SELECT COUNT(*) FROM sales JOIN visits USING (sales_customers)": (
        "join_condition",
        "and not these",
        "ON sales.customer = customers.id",
    ),
    "SELECT secret_rate FROM sales": ("unknown_column", "secret_rate", ""),
    "WITH s AS (SELECT id FROM sales) SELECT id FROM s WHERE returned": (
        "unknown_column",
        "returned",
        "",
    ),
    "SELECT a FROM sales AS s(a) WHERE returned": ("unknown_column", "returned", ""),
}


@pytest.mark.parametrize("sql", REFUSED)
async def test_what_would_be_wrong_is_refused_with_a_remedy(
    shop: GuardedWarehouse, everything: Caller, sql: str
) -> None:
    rule, detail, remedy = REFUSED[sql]
    error = await refusal(shop, everything, sql)
    assert error.rule == rule, error
    assert detail in error.detail
    assert remedy in (error.remedy or "")


async def test_a_refusal_points_at_the_name_that_the_caller_wrote(
    shop: GuardedWarehouse, everything: Caller
) -> None:
    error = await refusal(shop, everything, "SELECT id\nFROM sales\nWHERE AGG(revenue) > 1")
    assert (error.extra["line"], error.extra["column"]) == (3, 7)


async def test_a_definition_the_guard_would_refuse_is_refused_where_its_name_stands(
    shop: GuardedWarehouse, tmp_path: Path
) -> None:
    text = """
    name: shop
    saaf: {version: 1, warehouse: shop, dialect: duckdb}
    tables:
    - name: sales
      base_table: {schema: main, table: orders}
      dimensions: [{name: id, expr: id, data_type: INTEGER}]
      filters: [{name: odd, expr: "getenv('HOME') = id::VARCHAR"}]
    """
    caller = Caller(catalog(tmp_path, text), [ALL])
    error = await refusal(shop, caller, "SELECT id FROM sales WHERE odd")
    assert (error.rule, error.extra["column"]) == ("function", 28)


class TestGrants:
    async def test_definitions_over_a_hidden_column_do_not_exist(
        self, shop: GuardedWarehouse, known: SemanticCatalog
    ) -> None:
        allowed = ["id", "customer", "placed", "state", "city"]
        caller = Caller(
            known,
            [
                {**ALL, "id": "part", "resource": "wh://shop/main.orders"}
                | {"columns": {"allow": allowed}},
                {**ALL, "resource": "wh://shop/main.people"}
                | {"columns": {"deny_tags": ["confidential"]}},
            ],
        )
        names = {item.name for table in caller.vocabulary.tables for item in table.definitions}
        assert names == {
            *("status", "city_code", "returned", "roman", "order_count", "return_share"),
            *("adult", "customer_count"),
        }
        for sql in (
            "SELECT margin FROM sales",
            "SELECT id FROM sales WHERE large",
            "SELECT domain FROM customers",
        ):
            error = await refusal(shop, caller, sql)
            assert error.rule == "unknown_column"
            assert "amount" not in str(error.problem())
        error = await refusal(shop, caller, "SELECT AGG(revenue) FROM sales")
        assert error.rule == "unknown_metric"
        assert error.remedy == "Metrics: order_count, return_share."
        assert not caller.vocabulary.metrics

    async def test_a_refusal_names_no_hidden_dimension_of_a_metric(
        self, shop: GuardedWarehouse, known: SemanticCatalog
    ) -> None:
        allowed = {"columns": {"allow": ["id", "amount"]}}
        caller = Caller(known, [{**ALL, "resource": "wh://shop/main.orders"} | allowed])
        error = await refusal(shop, caller, "SELECT AGG(stock) FROM sales")
        assert error.rule == "definition"
        assert "placed" not in str(error.problem())

    async def test_definitions_see_rows_and_masks_as_the_caller_does(
        self, shop: GuardedWarehouse, known: SemanticCatalog
    ) -> None:
        caller = Caller(
            known,
            [
                {**ALL, "id": "rome", "resource": "wh://shop/main.orders"}
                | {"rows": {"city": {"eq": "Rome"}}},
                {**ALL, "resource": "wh://shop/main.people"}
                | {"columns": {"mask": {"email": "redact", "born": "year"}}},
            ],
        )
        assert await rows(shop, caller, "SELECT AGG(order_count), AGG(revenue) FROM sales") == [
            [10, 1100]
        ]
        assert await rows(shop, caller, "SELECT DISTINCT domain FROM customers") == [[""]]
        written = "SELECT id FROM customers WHERE born < DATE '2000-01-01' ORDER BY id"
        named = "SELECT id FROM customers WHERE adult ORDER BY id"
        assert await rows(shop, caller, named) == await rows(shop, caller, written)

    def test_a_filter_on_a_value_that_rows_exclude_does_not_exist(
        self, known: SemanticCatalog
    ) -> None:
        caller = Caller(known, [{**ALL, "rows": {"city": {"eq": "Oslo"}}}])
        (sales,) = [table for table in caller.vocabulary.tables if table.name == "sales"]
        assert "roman" not in sales.values
        assert "returned" in sales.values

    async def test_a_masked_key_is_not_unique(
        self, shop: GuardedWarehouse, known: SemanticCatalog
    ) -> None:
        masked = {"columns": {"mask": {"id": "null"}}}
        caller = Caller(
            known,
            [
                {**ALL, "resource": "wh://shop/main.people"} | masked,
                {**ALL, "id": "rest", "resource": "wh://shop/main.orders"},
            ],
        )
        error = await refusal(
            shop, caller, "SELECT AGG(revenue) FROM sales JOIN customers USING (sales_customers)"
        )
        assert error.rule == "metric_join"

    async def test_a_metric_of_tables_that_are_not_granted_does_not_exist(
        self, shop: GuardedWarehouse, known: SemanticCatalog
    ) -> None:
        caller = Caller(known, [{**ALL, "resource": "wh://shop/main.people"}])
        for name in ("revenue", "revenue_again", "revenue_per_person", "nonsense"):
            error = await refusal(shop, caller, f"SELECT AGG({name}) FROM customers")
            assert error.detail == f"There is no metric {name} here."
            assert error.remedy == "Metrics: customer_count."
        error = await refusal(shop, caller, "SELECT 1 FROM sales")
        assert error.rule == "unknown_table"


class TestNames:
    async def test_a_logical_name_that_is_another_base_table_must_be_qualified(
        self, shop: GuardedWarehouse, tmp_path: Path
    ) -> None:
        text = """
        name: shop
        saaf: {version: 1, warehouse: shop, dialect: duckdb}
        tables:
        - name: people
          base_table: {schema: main, table: visits}
          dimensions: [{name: person, expr: person, data_type: INTEGER}]
        - name: customers
          base_table: {schema: main, table: people}
          dimensions: [{name: id, expr: id, data_type: INTEGER}]
        """
        known = catalog(tmp_path, text)
        error = await refusal(shop, Caller(known, [ALL]), "SELECT * FROM people")
        assert error.rule == "ambiguous_table"
        assert error.remedy == "Write main.people or main.visits."
        assert await rows(shop, Caller(known, [ALL]), "SELECT COUNT(*) FROM main.people") == [[4]]
        narrow = Caller(known, [{**ALL, "resource": "wh://shop/main.visits"}])
        assert await rows(shop, narrow, "SELECT COUNT(*) FROM people") == [[9]]

    async def test_two_logical_tables_on_one_base_table_each_have_their_own(
        self, shop: GuardedWarehouse, tmp_path: Path
    ) -> None:
        text = """
        name: shop
        saaf: {version: 1, warehouse: shop, dialect: duckdb}
        tables:
        - name: small
          base_table: {schema: main, table: orders}
          dimensions: [{name: id, expr: id, data_type: INTEGER}]
          filters: [{name: first, expr: id < 3}, {name: shared, expr: id = 1}]
        - name: wide
          base_table: {schema: main, table: orders}
          dimensions: [{name: id, expr: id, data_type: INTEGER}]
          filters: [{name: first, expr: id < 11}, {name: shared, expr: id = 1}]
        """
        caller = Caller(catalog(tmp_path, text), [ALL])
        assert await rows(shop, caller, "SELECT COUNT(*) FROM small WHERE first") == [[2]]
        assert await rows(shop, caller, "SELECT COUNT(*) FROM wide WHERE first") == [[10]]
        assert await rows(shop, caller, "SELECT COUNT(*) FROM orders WHERE shared") == [[1]]
        error = await refusal(shop, caller, "SELECT COUNT(*) FROM orders WHERE first")
        assert error.remedy == "Read small or wide in FROM."

    async def test_many_definitions_in_one_query_are_bounded(
        self, shop: GuardedWarehouse, everything: Caller
    ) -> None:
        many = " OR ".join(["large"] * 2_000)
        error = await refusal(shop, everything, f"SELECT 1 FROM sales WHERE {many}")
        assert error.rule in ("too_long", "too_deep")


@pytest.mark.parametrize("name", ["duckdb", "postgres", "snowflake", "bigquery", "databricks"])
def test_names_expand_in_every_dialect_as_its_engine_would_fold_them(
    everything: Caller, name: str
) -> None:
    dialect = dialect_named(name)
    plan = Guard(dialect, mask_key="k").plan(
        "SELECT City_Code, AGG(return_share) FROM main.orders s"
        " JOIN main.people USING (sales_customers) WHERE NOT large AND people.ADULT"
        " GROUP BY city_code HAVING AGG(REVENUE) > 1",
        visible={
            table: VisibleTable(PhysicalTable("shop", *table.split(".")), access)
            for table, access in everything.visible.items()
        },
        max_rows=10,
        vocabulary=everything.vocabulary,
    )
    (tree,) = sqlglot.parse(plan.sql, read=name)
    assert isinstance(tree, exp.Select)
    shown = {source.alias: set(source.this.named_selects) for source in tree.find_all(exp.Subquery)}
    assert len(shown) == 2
    # Every column is one that the projections show, spelled as they spell it.
    outer = [column for column in tree.find_all(exp.Column) if column.table in shown]
    assert {column.name.lower() for column in outer} >= {"city", "state", "amount", "cost", "born"}
    assert all(column.name in shown[column.table] for column in outer)
    assert dialect.folded("City_Code") in tree.named_selects
