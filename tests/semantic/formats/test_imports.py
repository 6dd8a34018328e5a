"""Public examples of each project become models that load."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
import yaml

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.semantic.formats import FORMATS, HIDDEN, Target, detect, import_semantic
from saaf_autogen.semantic.loader import load_semantic
from tests.semantic.formats.support import (
    DUCKDB,
    EXAMPLES,
    SOURCES,
    from_text,
    imported,
    metric,
    table,
    told,
)


@pytest.mark.parametrize("name", SOURCES)
def test_an_example_is_known_by_its_keys_and_what_comes_of_it_loads(
    name: str, tmp_path: Path
) -> None:
    kind, dialect = SOURCES[name]
    made = imported(name)
    assert made.format == kind
    assert made.remaining == []
    for model in made.models:
        (tmp_path / f"{model.name}.yaml").write_text(model.to_yaml())
    catalog = load_semantic(tmp_path, {"wh": dialect})
    assert catalog.tables
    assert all(item.fields for item in catalog.tables)


@pytest.mark.parametrize("name", SOURCES)
def test_naming_the_format_changes_nothing(name: str) -> None:
    kind, dialect = SOURCES[name]
    assert import_semantic(EXAMPLES / name, Target("wh", dialect), kind=kind) == imported(name)


def test_every_example_says_where_it_comes_from() -> None:
    for folder in EXAMPLES.iterdir():
        source = (folder / "SOURCE.md").read_text()
        for file in folder.rglob("*"):
            if file.is_file() and file.name != "SOURCE.md":
                named = file.name in source or f"{file.parent.name}/*{file.suffix}" in source
                assert named, file
    assert {folder.name for folder in EXAMPLES.iterdir()} == set(FORMATS)


def test_json_loads_as_yaml_does_and_faults_have_their_lines(tmp_path: Path) -> None:
    source = EXAMPLES / "ossie" / "tpcds_semantic_model.yaml"
    data = yaml.safe_load(source.read_text())
    file = tmp_path / "tpcds_semantic_model.json"
    file.write_text(json.dumps(data, indent=1))
    assert (
        import_semantic(file, DUCKDB).models == imported("ossie/tpcds_semantic_model.yaml").models
    )

    del data["semantic_model"][0]["datasets"][1]["name"]
    file.write_text(json.dumps(data, indent=1))
    with pytest.raises(ConfigurationError) as caught:
        import_semantic(file, DUCKDB)
    (finding,) = caught.value.findings
    line = file.read_text().splitlines()[finding.line - 1]
    assert finding.message == "name is required"
    assert line.strip() == "{"
    assert "tpcds.public.date_dim" in file.read_text().splitlines()[finding.line]


def test_snowflake_queries_keep_their_logical_names_without_the_old_prefix(tmp_path: Path) -> None:
    made = imported("snowflake/revenue_timeseries.yaml")
    assert "SUM(daily_cogs) OVER" in made.models[0].verified_queries[0].sql

    text = """
name: m
tables:
- name: sales
  base_table: {database: d, schema: s, table: t_sales}
  facts: [{name: amount, expr: amt, data_type: NUMBER}]
verified_queries:
- {name: q, question: How much, sql: SELECT SUM(amount) FROM __sales}
"""
    made = from_text(tmp_path, text, Target("sf", "snowflake"))
    assert made.models[0].verified_queries[0].sql == "SELECT SUM(amount) FROM sales"
    assert "prefix __" in told([*made.notes])
    assert made.remaining == []


def test_snowflake_keys_that_are_unknown_are_left_out_and_told(tmp_path: Path) -> None:
    text = """
name: m
tables:
- name: t
  base_table: {database: d, schema: s, table: t}
  synonyms:
  columns:
  - {name: c, kind: dimension, expr: c, data_type: TEXT}
  dimensions:
  - {name: a, expr: a, data_type: TEXT, index_and_retrieve_values: true}
relationships:
- {name: r, left_table: t, right_table: t, join_type: cross,
   relationship_columns: [{left_column: a, right_column: b}]}
"""
    made = from_text(tmp_path, text, Target("sf", "snowflake"))
    said = told([*made.left_out])
    assert "model.yaml:10: tables.0.dimensions.0.index_and_retrieve_values" in said
    assert "'cross' is not known" in said
    assert [item.name for item in made.models[0].tables[0].dimensions] == ["a", "c", "b"]
    assert made.models[0].tables[0].dimensions[2].saaf.tags == (HIDDEN,)
    assert made.remaining == []


def test_ossie_metrics_of_one_dataset_become_its_own() -> None:
    model = imported("ossie/tpcds_semantic_model.yaml").models[0]
    sales = table(model, "store_sales")
    assert metric(sales.metrics, "total_sales") == "SUM(ss_ext_sales_price)"
    assert all("." in item.expr for item in model.metrics)
    assert [field.name for field in sales.facts][:2] == ["ss_quantity", "ss_sales_price"]
    assert sales.primary_key is not None


def test_ossie_of_any_version_is_read_and_wordings_in_sql_are_translated(tmp_path: Path) -> None:
    text = """
version: "7.0"
semantic_model:
- name: m
  datasets:
  - name: t
    source: s.t
    fields:
    - name: a
      expression: {dialects: [{dialect: ANSI_SQL, expression: a}]}
    - name: b
      expression:
        dialects:
        - {dialect: MDX, expression: "[x].[y]"}
        - {dialect: SNOWFLAKE, expression: "IFF(a > 1, 'x', 'y')"}
    - name: c
      expression: {dialects: [{dialect: MAQL, expression: "SELECT x"}]}
"""
    made = from_text(tmp_path, text)
    fields = {field.name: field.expr for field in made.models[0].tables[0].dimensions}
    assert fields["b"] == "CASE WHEN a > 1 THEN 'x' ELSE 'y' END"
    assert "c of t is left out: it is given in MAQL alone" in told([*made.left_out])
    assert "the wording in MDX of b is left out" in told([*made.left_out])


def test_dbt_measures_filters_ratios_and_derived_metrics_become_sql() -> None:
    made = imported("dbt/sample_models")
    metrics = table(made.models[0], "transactions").metrics
    assert metric(metrics, "transacting_customers") == "COUNT(DISTINCT id_customer)"
    assert metric(metrics, "cancellation_rate").startswith("CAST((SUM(CASE WHEN")
    assert metric(metrics, "cancellation_rate").endswith("NULLIF((SUM(transaction_amount_usd)), 0)")
    assert {item.name for item in made.models[0].relationships} == {
        "customers_countries_country",
        "transactions_customers_customer",
    }
    said = told([*made.left_out])
    assert "cumulative_transactions is left out" in said
    assert "cancellations_mx is left out: its filter reads customer__customer_country" in said


def test_dbts_latest_spec_is_read_from_the_models() -> None:
    made = imported("dbt/latest_spec.yml")
    model = made.models[0]
    orders = table(model, "orders")
    assert [item.name for item in model.tables] == ["orders", "customers"]
    assert orders.time_dimensions[0].description == "When it was placed, UTC."
    done = "SUM(CASE WHEN (status = 'done') THEN amount END)"
    assert metric(orders.metrics, "done_revenue") == done
    assert metric(orders.metrics, "average_order") == "(SUM(amount)) / (COUNT(order_id))"
    assert metric(orders.metrics, "revenue_p95") == (
        "PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY amount)"
    )
    assert "revenue_month is left out" in told([*made.left_out])


def test_dbt_metrics_that_define_each_other_are_told(tmp_path: Path) -> None:
    text = """
semantic_models:
- name: t
  model: ref('t')
  entities: [{name: t, type: primary, expr: id}]
metrics:
- {name: a, type: derived, type_params: {expr: b + 1, metrics: [b]}}
- {name: b, type: derived, type_params: {expr: a + 1, metrics: [{name: a}]}}
"""
    made = from_text(tmp_path, text)
    assert "is defined by itself" in told([*made.left_out])
    assert made.models[0].tables[0].metrics == ()


def test_cube_references_are_put_in_place_and_cycles_are_told(tmp_path: Path) -> None:
    text = """
cubes:
- name: orders
  sql_table: shop.orders
  joins:
  - {name: users, relationship: many_to_one, sql: "{CUBE}.user_id = {users.id}"}
  dimensions:
  - {name: id, sql: id, type: number, primary_key: true}
  - {name: net, sql: "{CUBE}.amount - {CUBE}.tax", type: number}
  - {name: is_big, sql: "{net} > 100", type: boolean}
  - {name: loop, sql: "{pool}", type: number}
  - {name: pool, sql: "{loop}", type: number}
  - name: size
    type: string
    case:
      when: [{sql: "{CUBE}.amount > 10", label: it's big}]
      else: {label: small}
  measures:
  - {name: total, sql: "{net}", type: sum}
  - {name: big, sql: amount, type: sum, filters: [{sql: "{is_big}"}]}
  - {name: share, sql: "1.0 * {big} / NULLIF({total}, 0)", type: number}
  - {name: rolling, sql: amount, type: sum, rolling_window: {trailing: 7 day}}
  segments:
  - {name: eu, sql: "{CUBE}.region = 'EU'"}
- name: users
  sql: SELECT * FROM shop.users
  dimensions: [{name: id, sql: id, type: number, primary_key: true, public: true}]
- name: odd
  sql: SELECT * FROM shop.users WHERE secret
"""
    made = from_text(tmp_path, text)
    orders = table(made.models[0], "orders")
    assert metric(orders.metrics, "total") == "SUM((amount - tax))"
    assert metric(orders.metrics, "big") == (
        "SUM(CASE WHEN (((amount - tax) > 100)) THEN amount END)"
    )
    assert "it's" not in next(d.expr for d in orders.dimensions if d.name == "size")
    assert orders.filters[0].expr == "region = 'EU'"
    assert made.models[0].relationships[0].relationship_columns[0].left_column == "user_id"
    said = told([*made.left_out])
    assert "loop of orders is left out: pool is defined by itself" in said or "defined by" in said
    assert "it has rolling_window" in said
    assert "the cube odd is left out: its source is a query" in said
    assert made.remaining == []


def test_a_databricks_view_carries_its_filter_into_each_metric() -> None:
    made = imported("databricks/orders_v01.yaml")
    model = made.models[0]
    orders = table(model, "orders")
    condition = "o_orderstatus = 'F' AND o_totalprice > 0"
    assert orders.filters[0].expr == condition
    revenue = f"SUM(CASE WHEN {condition} THEN o_totalprice END)"
    assert metric(orders.metrics, "Revenue") == revenue
    assert metric(orders.metrics, "Revenue_per_order").startswith(f"({revenue}) / (COUNT(CASE")
    assert orders.metrics[2].synonyms == ("Revenue per order",)
    assert [item.expr for item in model.metrics] == [
        f"SUM(CASE WHEN {condition} THEN customer.c_acctbal END)".replace(
            "o_order", "orders.o_order"
        ).replace("o_total", "orders.o_total")
    ]
    assert {item.right_table for item in model.relationships} == {"customer", "nation"}
    said = told([*made.left_out])
    assert "Mixed is left out: it mixes columns of several tables" in said
    assert "Trailing revenue is left out" in said
    assert "materialization has no place" in said


def test_files_that_are_no_semantic_files_are_refused_by_name(tmp_path: Path) -> None:
    assert detect({"version": 1, "warehouses": {}}) is None
    assert detect([1]) is None
    with pytest.raises(ConfigurationError, match="no format that can be imported"):
        from_text(tmp_path, "hello: world")
    with pytest.raises(ConfigurationError, match="There is no"):
        import_semantic(tmp_path / "none.yaml", DUCKDB)
    with pytest.raises(ConfigurationError, match="choose one by --format"):
        import_semantic(EXAMPLES, DUCKDB)


def test_imported_metrics_count_what_their_sources_count(tmp_path: Path) -> None:
    text = """
cubes:
- name: orders
  sql_table: main.orders
  dimensions: [{name: state, sql: state, type: string, public: true}]
  measures:
  - {name: all, type: count}
  - {name: done, type: count, filters: [{sql: "{state} = 'done'"}]}
  - {name: done_sum, sql: amount, type: sum, filters: [{sql: "{CUBE}.state = 'done'"}]}
  - {name: buyers, sql: buyer, type: count_distinct, filters: [{sql: "{CUBE}.amount > 1"}]}
  - {name: share, sql: "1.0 * {done} / NULLIF({all}, 0)", type: number}
"""
    made = from_text(tmp_path, text)
    metrics = {item.name: item.expr for item in table(made.models[0], "orders").metrics}
    with duckdb.connect() as warehouse:
        warehouse.execute(
            "CREATE TABLE orders AS SELECT * FROM (VALUES ('done', 5, 1), ('done', 1, 2),"
            " ('open', 9, 1), ('open', NULL, 3), (NULL, 2, 4)) AS t(state, amount, buyer)"
        )
        found = warehouse.execute(f"SELECT {', '.join(metrics.values())} FROM orders").fetchone()
    assert dict(zip(metrics, found or (), strict=True)) == {
        "all": 5,
        "done": 2,
        "done_sum": 6,
        "buyers": 2,
        "share": 0.4,
    }
