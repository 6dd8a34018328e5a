from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.loader import load_semantic
from saaf_autogen.semantic.model import SemanticModel

SNOWFLAKE = """
name: revenue
description: Revenue by customer.
tables:
- name: customers
  description: Customers.
  base_table: {database: SALES_DB, schema: PUBLIC, table: CUSTOMERS}
  primary_key: {columns: [C_CUSTKEY]}
  unique_keys: [{columns: [C_NAME]}]
  dimensions:
  - {name: customer_key, expr: C_CUSTKEY, data_type: NUMBER, unique: true}
  - name: customer_name
    synonyms: [client name]
    expr: C_NAME
    data_type: VARCHAR
    cortex_search_service: {service: names, literal_column: C_NAME, database: D, schema: S}
  - {name: segment, expr: C_SEGMENT, data_type: VARCHAR, is_enum: true, sample_values: [A, B]}
  facts:
  - {name: balance, expr: C_BALANCE, data_type: NUMBER, access_modifier: private_access}
  metrics:
  - name: total_balance
    expr: SUM(C_BALANCE)
    non_additive_dimensions:
    - {table: customers, dimension: segment, sort_direction: ascending, null_order: last}
  filters:
  - {name: rich, expr: C_BALANCE > 1000}
- name: orders
  base_table: {database: SALES_DB, schema: PUBLIC, table: ORDERS}
  dimensions:
  - {name: customer_key, expr: O_CUSTKEY, data_type: NUMBER}
  time_dimensions:
  - {name: order_date, expr: O_ORDERDATE, data_type: DATE, sample_values: [2024-01-31]}
  - {name: order_year, expr: YEAR(O_ORDERDATE), data_type: NUMBER}
relationships:
- name: orders_to_customers
  left_table: orders
  right_table: customers
  relationship_columns: [{left_column: O_CUSTKEY, right_column: customer_key}]
metrics:
- {name: balance_again, expr: customers.total_balance}
verified_queries:
- name: rich_customers
  question: Who are the richest customers?
  use_as_onboarding_question: true
  verified_at: 1763769600
  verified_by: ann
  sql: SELECT C_NAME FROM CUSTOMERS ORDER BY C_BALANCE DESC LIMIT 10
module_custom_instructions: {sql_generation: Round money to cents.}
"""


def test_a_snowflake_semantic_model_loads_unchanged(tmp_path: Path) -> None:
    (tmp_path / "revenue.yaml").write_text(SNOWFLAKE)

    catalog = load_semantic(tmp_path, {"sf": "snowflake"})

    assert catalog.dialect("sf") == "snowflake"
    assert set(catalog.facts) == {"wh://sf/PUBLIC.CUSTOMERS", "wh://sf/PUBLIC.ORDERS"}


def test_facts_hold_physical_columns_and_leave_computed_fields_out(tmp_path: Path) -> None:
    (tmp_path / "revenue.yaml").write_text(SNOWFLAKE)

    facts = load_semantic(tmp_path, {"sf": "snowflake"}).facts["wh://sf/PUBLIC.ORDERS"]

    assert [column.name for column in facts.columns] == ["O_CUSTKEY", "O_ORDERDATE"]


def test_a_model_survives_yaml_and_json(sample: SemanticCatalog) -> None:
    model = sample.models[0][0]

    assert SemanticModel.model_validate(yaml.safe_load(model.to_yaml())) == model
    assert SemanticModel.model_validate(json.loads(model.to_json())) == model


def test_a_written_model_holds_only_the_keys_that_were_read() -> None:
    model = SemanticModel.model_validate(yaml.safe_load(SNOWFLAKE))

    written = model.to_document()

    assert set(written) == set(yaml.safe_load(SNOWFLAKE))
    assert written["tables"][0]["base_table"] == {
        "database": "SALES_DB",
        "schema": "PUBLIC",
        "table": "CUSTOMERS",
    }


def test_json_and_yaml_files_of_one_shape_make_equal_catalogs(tmp_path: Path) -> None:
    model = SemanticModel.model_validate(yaml.safe_load(SNOWFLAKE))
    for name, text in (("a.yaml", model.to_yaml()), ("b.json", model.to_json())):
        (tmp_path / name[0]).mkdir()
        (tmp_path / name[0] / name).write_text(text)

    first = load_semantic(tmp_path / "a", {"sf": "snowflake"})
    second = load_semantic(tmp_path / "b", {"sf": "snowflake"})

    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize(
    "place", [("tables", 0), ("tables", 0, "dimensions", 0), ("verified_queries", 0), ()]
)
def test_an_extra_key_is_refused_at_every_level(place: tuple[str | int, ...]) -> None:
    data = yaml.safe_load(SNOWFLAKE)
    inner = data
    for part in place:
        inner = inner[part]
    inner["sampel_values"] = ["x"]

    with pytest.raises(ValidationError, match="sampel_values"):
        SemanticModel.model_validate(data)


def test_tags_of_every_field_on_a_column_are_joined(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        """
name: t
tables:
- name: people
  base_table: {schema: main, table: people}
  saaf: {tags: [hr]}
  dimensions:
  - {name: mail, expr: email, data_type: VARCHAR, saaf: {tags: [pii]}}
  - {name: email, expr: email, data_type: VARCHAR, saaf: {tags: [contact]}}
- name: staff
  base_table: {schema: main, table: people}
  saaf: {tags: [internal]}
  dimensions:
  - {name: id, expr: id, data_type: NUMBER}
"""
    )

    facts = load_semantic(tmp_path, {"main": "duckdb"}).facts["wh://main/main.people"]

    assert facts.tags == {"hr", "internal"}
    assert {column.name: set(column.tags) for column in facts.columns} == {
        "email": {"pii", "contact"},
        "id": set(),
    }
