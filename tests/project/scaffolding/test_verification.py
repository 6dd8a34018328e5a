from __future__ import annotations

import pytest

from saaf_autogen.errors import NotFound
from tests.project.scaffolding.conftest import Shop

MODEL = """\
name: shop
saaf: {warehouse: shop}
tables:
- name: sales
  base_table: {schema: main, table: orders}
  primary_key: {columns: [id]}
  dimensions:
  - {name: id, expr: id, data_type: INTEGER}
  - {name: status, expr: status, data_type: VARCHAR}
  - {name: shout, expr: "upper(status)", data_type: VARCHAR}
  - {name: customer, expr: customer, data_type: INTEGER}
  facts:
  - {name: total, expr: total, data_type: NUMBER}
  - {name: hidden_net, expr: total / 1.2, data_type: NUMBER, access_modifier: private_access}
  filters:
  - {name: paid, expr: status = 'paid'}
  metrics:
  - {name: revenue, expr: SUM(total)}
  - {name: mean, expr: revenue / COUNT(*)}
- name: customers
  base_table: {schema: main, table: customers}
  primary_key: {columns: [id]}
  dimensions:
  - {name: id, expr: id, data_type: INTEGER}
relationships:
- name: sold_to
  left_table: sales
  right_table: customers
  relationship_columns: [{left_column: customer, right_column: id}]
  relationship_type: many_to_one
metrics:
- {name: per_customer, expr: SUM(sales.total) / COUNT(DISTINCT customers.id)}
verified_queries:
- {name: by_status, question: "How many?", sql: "SELECT status, COUNT(*) FROM orders GROUP BY 1"}
- name: of_status
  question: How many of one?
  sql: SELECT COUNT(*) FROM orders WHERE status = :status
  saaf: {parameters: {status: {example: paid}}}
"""


async def test_all_that_the_files_promise_is_run_by_its_name(shop: Shop) -> None:
    shop.put("shop.yaml", MODEL)
    verdicts = await shop.verify()
    assert [(each.promise.kind, each.promise.name, each.error) for each in verdicts] == [
        ("field", "sales.shout", None),
        ("field", "sales.hidden_net", None),
        ("filter", "sales.paid", None),
        ("metric", "sales.revenue", None),
        ("metric", "sales.mean", None),
        ("metric", "per_customer", None),
        ("query", "by_status", None),
        ("query", "of_status", None),
    ]
    assert [each.rows for each in verdicts[-2:]] == [2, 1]
    lines = MODEL.splitlines()
    for each in verdicts:
        short = each.promise.name.rpartition(".")[2]
        nearby = lines[each.promise.line - 3 : each.promise.line]
        assert any(f"name: {short}" in line for line in nearby)


async def test_what_fails_says_where_and_why(shop: Shop) -> None:
    broken = MODEL.replace("expr: SUM(total)}", "expr: SUM(read_text('x'))}").replace(
        "SELECT status, COUNT(*) FROM orders GROUP BY 1", "SELECT status + 1 FROM orders"
    )
    shop.put("shop.yaml", broken)
    failed = {each.promise.name: each for each in await shop.verify() if not each.ok}
    assert "sales.revenue" in failed
    assert failed["sales.revenue"].rule is not None
    assert failed["by_status"].error
    assert failed["by_status"].rows is None
    assert "of_status" not in failed


async def test_a_vanished_table_is_told_by_the_queries_that_read_it(shop: Shop) -> None:
    shop.put("shop.yaml", MODEL)
    shop.execute("DROP TABLE orders")
    verdicts = await shop.verify()
    assert all(not each.ok for each in verdicts)
    assert all(each.error and "DROP" not in each.error for each in verdicts)


async def test_names_choose_what_is_run(shop: Shop) -> None:
    shop.put("shop.yaml", MODEL)
    assert [each.promise.name for each in await shop.verify(["of_status", "PAID"])] == [
        "sales.paid",
        "of_status",
    ]
    with pytest.raises(NotFound, match="called 'nothing'"):
        await shop.verify(["by_status", "nothing"])


async def test_limits_of_tables_do_not_stand_in_the_way(shop: Shop) -> None:
    limited = MODEL.replace(
        "  primary_key: {columns: [id]}\n",
        "  primary_key: {columns: [id]}\n  saaf: {limits: {required_filters: [[id]]}}\n",
        1,
    )
    shop.put("shop.yaml", limited)
    assert all(each.ok for each in await shop.verify())
