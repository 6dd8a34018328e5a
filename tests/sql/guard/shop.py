"""A small shop: orders of customers, with definitions of every kind on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import duckdb

from saaf_autogen.auth.access import QueryBounds, TableAccess
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.loader import load_semantic
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.settings import GrantSettings

SCHEMA = """
CREATE TABLE orders (id INTEGER, customer INTEGER, placed DATE, amount INTEGER, cost INTEGER,
  state VARCHAR, city VARCHAR, partner INTEGER);
INSERT INTO orders
  SELECT i, i % 4, DATE '2026-01-01' + CAST(i AS INTEGER), i * 10, i,
         CASE i % 5 WHEN 0 THEN 'returned' ELSE 'paid' END,
         CASE i % 2 WHEN 0 THEN 'Rome' ELSE 'Oslo' END, 3 - i % 4
  FROM range(1, 21) t(i);
CREATE TABLE people (id INTEGER, name VARCHAR, email VARCHAR, born DATE);
INSERT INTO people VALUES (0, 'ann', 'ann@x.org', '1980-05-17'), (1, 'bob', 'bob@x.org', NULL),
  (2, 'cyd', 'cyd@y.org', '1999-01-02'), (3, 'dan', 'dan@y.org', '2001-03-04');
CREATE TABLE visits (person INTEGER, day DATE);
INSERT INTO visits SELECT i % 3, DATE '2026-01-01' FROM range(9) t(i);
"""

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
  - {name: partner, expr: partner, data_type: INTEGER}
  - {name: status, expr: state, data_type: VARCHAR}
  - {name: city, expr: city, data_type: VARCHAR}
  - {name: city_code, expr: "UPPER(LEFT(city, 2))", data_type: VARCHAR}
  time_dimensions:
  - {name: placed, expr: placed, data_type: DATE}
  facts:
  - {name: amount, expr: amount, data_type: INTEGER}
  - {name: cost, expr: cost, data_type: INTEGER}
  - {name: margin, expr: amount - cost, data_type: INTEGER}
  - {name: double_margin, expr: margin * 2, data_type: INTEGER}
  - {name: secret_rate, expr: cost * 1.0 / amount, data_type: DOUBLE,
     access_modifier: private_access}
  filters:
  - {name: returned, expr: state = 'returned'}
  - {name: large, expr: amount > 100 OR double_margin > 250}
  - {name: roman, expr: sales.city = 'Rome'}
  metrics:
  - {name: revenue, expr: SUM(amount)}
  - {name: order_count, expr: COUNT(*)}
  - {name: total_margin, expr: SUM(margin)}
  - {name: return_share, expr: 1.0 * COUNT(*) FILTER (WHERE returned) / order_count}
  - {name: avg_rate, expr: AVG(secret_rate)}
  - {name: stock, expr: SUM(amount), non_additive_dimensions: [{table: sales, dimension: placed}]}
  - {name: partner_revenue, expr: SUM(amount), using_relationships: [sales_partners]}
- name: customers
  base_table: {schema: main, table: people}
  primary_key: {columns: [id]}
  dimensions:
  - {name: id, expr: id, data_type: INTEGER}
  - {name: name, expr: name, data_type: VARCHAR}
  - {name: email, expr: email, data_type: VARCHAR, saaf: {tags: [confidential]}}
  - {name: domain, expr: "SPLIT_PART(email, '@', 2)", data_type: VARCHAR}
  time_dimensions:
  - {name: born, expr: born, data_type: DATE}
  filters:
  - {name: adult, expr: born < DATE '2000-01-01'}
  metrics:
  - {name: customer_count, expr: COUNT(*)}
- name: visits
  base_table: {schema: main, table: visits}
  dimensions:
  - {name: person, expr: person, data_type: INTEGER}
  time_dimensions:
  - {name: day, expr: day, data_type: DATE}
  metrics:
  - {name: order_count, expr: COUNT(person)}
relationships:
- {name: sales_customers, left_table: sales, right_table: customers,
   relationship_columns: [{left_column: customer, right_column: id}],
   relationship_type: many_to_one}
- {name: sales_partners, left_table: sales, right_table: customers,
   relationship_columns: [{left_column: partner, right_column: id}],
   relationship_type: many_to_one}
metrics:
- {name: revenue_per_person, expr: SUM(sales.amount) / COUNT(DISTINCT customers.id)}
- {name: revenue_again, expr: sales.revenue + 0}
- {name: mixed, expr: SUM(sales.amount) / SUM(customers.id)}
"""


def build(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(SCHEMA)


def catalog(folder: Path, text: str = MODEL) -> SemanticCatalog:
    folder.mkdir(exist_ok=True)
    (folder / "shop.yaml").write_text(dedent(text))
    return load_semantic(folder, {"shop": "duckdb"})


ALL: dict[str, object] = {"id": "all", "to": "*", "resource": "wh://shop/*"}


class Caller:
    """What a caller with some grants may see, as the policy and the semantic layer say it."""

    def __init__(self, catalog: SemanticCatalog, grants: Sequence[dict[str, object]]) -> None:
        policy = Policy([GrantSettings.model_validate(item) for item in grants], [], {})
        who = Principal(issuer="test", subject="client:c", scopes=frozenset())
        self.access: dict[str, TableAccess] = {
            resource: access
            for resource, facts in catalog.facts.items()
            if (access := policy.table_access(who, facts)) is not None
        }
        self.view = SemanticView(catalog, self.access)
        self.visible = {
            name.removeprefix("wh://shop/"): access for name, access in self.access.items()
        }
        self.vocabulary = self.view.vocabulary("shop")

    def bounds(self, table: str) -> QueryBounds:
        return self.visible[table].bounds
