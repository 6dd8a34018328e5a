from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.semantic.loader import check_semantic, load_semantic
from tests.semantic.conftest import SAMPLE, found

Write = Callable[..., Path]
GOOD = """
name: shop
saaf: {warehouse: main}
tables:
- name: orders
  base_table: {schema: main, table: orders}
  dimensions:
  - {name: id, expr: id, data_type: NUMBER}
  - {name: region, expr: region, data_type: VARCHAR}
  facts:
  - {name: amount, expr: amount, data_type: NUMBER}
  filters:
  - {name: big, expr: amount > 10}
  metrics:
  - {name: total, expr: SUM(amount)}
verified_queries:
- name: of_region
  question: What did EU sell?
  sql: SELECT SUM(amount) FROM orders WHERE region = :region
  saaf: {parameters: {region: {column: orders.region, example: EU}}}
"""


def line_of(text: str, part: str) -> int:
    """The line of a part in a text whose first line is empty, as the fixture writes it."""
    return (
        text.lstrip("\n")
        .splitlines()
        .index(next(line for line in text.splitlines() if part in line))
        + 1
    )


def test_the_sample_deployment_has_no_finding() -> None:
    assert check_semantic(SAMPLE, {"nyc": "duckdb"}) == []


def test_every_column_of_the_sample_is_described() -> None:
    catalog = load_semantic(SAMPLE, {"nyc": "duckdb"})

    bare = [
        f"{table.spec.name}.{field.spec.name}"
        for table in catalog.tables
        for field in table.fields
        if not field.spec.description
    ]

    assert bare == []


def test_a_good_file_has_no_finding(folder: Write) -> None:
    assert found(folder(shop=GOOD)) == []


def test_an_absent_folder_is_an_empty_catalog(tmp_path: Path) -> None:
    assert load_semantic(tmp_path / "none").tables == ()


REFUSED: list[tuple[str, str, str, str]] = [
    ("big, expr: amount", "big, exp: amount", "exp: amount", "expr is required"),
    ("  metrics:", "  metricks:", "metricks", "unknown key"),
    ("amount > 10", "amuont > 10", "amuont", "describes no column 'amuont'"),
    ("SUM(amount)}", "SUM(amount}", "SUM(amount}", "not valid YAML|is not valid duckdb SQL"),
    ("SUM(amount)}", "SUM(amount) x y}", "x y", "is not valid duckdb SQL"),
    ("amount > 10", "amount > :n", ":n", "takes no parameters"),
    ("name: region,", "name: id,", "expr: region", "column 'id' is declared twice"),
    ("expr: region, data_type: VARCHAR", "expr: region, data_type: VARCHAR, is_enum: true",
     "is_enum", "enum without values"),
    ("SELECT SUM(amount) FROM", "SELEC SUM(amount) FROM", "SELEC ", "does not parse"),
    ("SELECT SUM(amount) FROM", "DELETE FROM", "DELETE", "only a query"),
    ("SELECT SUM(amount)", "SELECT 1; SELECT SUM(amount)", "SELECT 1;", "one statement"),
    ("FROM orders WHERE", "FROM ordres WHERE", "ordres", "unknown table ordres"),
    ("FROM orders WHERE", "FROM other.orders WHERE", "other.orders", "unknown table other.orders"),
    ("SELECT SUM(amount)", "SELECT SUM(amuont)", "SUM(amuont)", "unknown column 'amuont'"),
    ("= :region", "= :area", ":area", "does not declare its parameter :area"),
    ("= :region", "= :area", "parameters:", "has no parameter :region"),
    ("= :region", "= ?", "= ?", "unnamed parameters"),
    ("column: orders.region", "column: orders.reigon", "reigon", "has no column 'reigon'"),
    ("column: orders.region", "column: order.region", "order.region", "no table 'order'"),
    ("column: orders.region", "column: region", "column: region", "should match pattern"),
    ("warehouse: main", "warehouse: mian", "mian", "there is no warehouse 'mian'"),
    ("warehouse: main", "dialect: oracel", "oracel", "speaks duckdb, not oracel|no SQL dialect"),
    ("warehouse: main", "version: 2", "version: 2", "Input should be 1"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "message"), REFUSED, ids=[r[3] for r in REFUSED])
def test_a_fault_is_found_at_its_line(
    folder: Write, old: str, new: str, at: str, message: str
) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD

    findings = found(folder(shop=text))

    assert (line_of(text, at), True) in [
        (line, bool(re.search(message, said))) for line, said in findings
    ], findings


def test_every_finding_says_how_to_mend_it_where_there_is_a_way(folder: Write) -> None:
    text = GOOD.replace("FROM orders", "FROM ordres").replace("orders.region", "orders.reigon")

    remedies = [finding.remedy for finding in check_semantic(folder(shop=text))]

    assert len(remedies) == 2
    assert all(remedies)


RELATED = """
name: more
saaf: {warehouse: main}
tables:
- name: regions
  base_table: {schema: main, table: regions}
  primary_key: {columns: [nmae]}
  dimensions:
  - {name: name, expr: name, data_type: VARCHAR}
  filters:
  - {name: a, expr: name = 'EU'}
  - {name: a, expr: name = 'US'}
relationships:
- name: r
  left_table: ordres
  right_table: regions
  relationship_columns: [{left_column: region, right_column: name}]
- name: r
  left_table: regions
  right_table: regions
  relationship_columns: [{left_column: parent, right_column: name}]
"""


def test_faults_of_keys_filters_and_relationships_are_found_at_their_lines(folder: Write) -> None:
    findings = found(folder(more=RELATED))

    assert findings == [
        (6, "the table regions has no column 'nmae'"),
        (11, "the filter 'a' is declared twice"),
        (14, "there is no table 'ordres' in this file"),
        (17, "the relationship 'r' is declared twice"),
        (20, "the table regions has no column 'parent'"),
    ]


def test_names_that_two_files_share_are_found_with_the_other_place(folder: Write) -> None:
    findings = check_semantic(folder(a=GOOD, b=GOOD), {"main": "duckdb"})

    assert [(f.file.name, f.line, f.message) for f in findings] == [
        ("b.yaml", 1, "the model 'shop' is declared twice"),
        ("b.yaml", 4, "the table 'orders' is declared twice"),
        ("b.yaml", 16, "the verified query 'of_region' is declared twice"),
    ]
    assert findings[1].remedy == "it is also at a.yaml:4"


def test_a_query_may_read_a_table_that_another_file_describes(folder: Write) -> None:
    other = """
    name: other
    saaf: {warehouse: main}
    verified_queries:
    - {name: count, question: All orders, sql: SELECT COUNT(id) FROM main.orders}
    """

    catalog = load_semantic(folder(a=GOOD, b=other), {"main": "duckdb"})

    assert [table.spec.name for table in catalog.queries[1].tables] == ["orders"]


def test_all_faults_are_found_at_once_those_of_shape_and_those_of_meaning(folder: Write) -> None:
    text = (
        GOOD.replace("metrics:", "metricks:")
        .replace("data_type: VARCHAR}", "data_type: VARCHAR, uniqe: true}")
        .replace("WHERE region", "WHERE region == = ")
        .replace("amount > 10", "amount > (10")
    )

    lines = {line for line, _ in found(folder(shop=text))}

    assert lines == {
        line_of(text, "metricks"),
        line_of(text, "uniqe"),
        line_of(text, "== ="),
        line_of(text, "> (10"),
    }


def test_a_part_that_is_left_out_makes_no_false_findings_elsewhere(folder: Write) -> None:
    text = GOOD.replace("{name: region, expr: region, data_type: VARCHAR}", "{name: region}")

    messages = [message for _, message in found(folder(shop=text))]

    assert len(messages) == 2
    assert all("is required" in message for message in messages)


def test_one_bad_file_does_not_hide_the_faults_of_another(folder: Write) -> None:
    path = folder(a="name: [", b=GOOD.replace("amount > 10", "amount > (10"), c="- 1", d="")

    files = {finding.file.name for finding in check_semantic(path, {"main": "duckdb"})}

    assert files == {"a.yaml", "b.yaml", "c.yaml", "d.yaml"}


def test_a_file_without_a_warehouse_takes_the_only_one(folder: Write) -> None:
    text = GOOD.replace("saaf: {warehouse: main}\n", "")

    assert load_semantic(folder(shop=text), {"only": "duckdb"}).warehouses == ("only",)


def test_a_file_without_a_warehouse_is_a_fault_where_there_are_several(folder: Write) -> None:
    text = GOOD.replace("saaf: {warehouse: main}\n", "")

    assert found(folder(shop=text), {"a": "duckdb", "b": "duckdb"}) == [
        (1, "the file names no warehouse")
    ]


def test_loading_raises_all_findings_in_one_error(folder: Write) -> None:
    text = GOOD.replace("FROM orders", "FROM ordres").replace("orders.region", "orders.reigon")

    with pytest.raises(ConfigurationError) as caught:
        load_semantic(folder(shop=text), {"main": "duckdb"})

    assert len(caught.value.findings) == 2
    assert "ordres" in str(caught.value)


def test_definitions_that_build_on_themselves_are_faults_at_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        dedent(
            """
            name: a
            saaf: {version: 1, warehouse: w, dialect: duckdb}
            tables:
            - name: t
              base_table: {schema: main, table: t}
              dimensions:
              - {name: raw, expr: code, data_type: VARCHAR}
              - {name: code, expr: UPPER(code), data_type: VARCHAR}
              - {name: one, expr: two + 1, data_type: INTEGER}
              - {name: two, expr: one + 1, data_type: INTEGER}
              - {name: self, expr: self + 1, data_type: INTEGER}
              metrics:
              - {name: rate, expr: SUM(one) / rate}
            """
        )
    )
    found = check_semantic(tmp_path, {"w": "duckdb"})
    assert [(fault.line, fault.message) for fault in found] == [
        (10, "one of t builds on itself"),
        (11, "two of t builds on itself"),
        (12, "self of t builds on itself"),
        (14, "rate of t builds on itself"),
    ]


def test_a_verified_query_may_read_a_table_by_its_logical_name(tmp_path: Path) -> None:
    text = """
    name: a
    saaf: {version: 1, warehouse: w, dialect: duckdb}
    tables:
    - name: sales
      base_table: {schema: main, table: orders}
      dimensions: [{name: id, expr: id, data_type: INTEGER}]
      filters: [{name: first, expr: id < 9}]
      metrics: [{name: number, expr: COUNT(*)}]
    verified_queries:
    - {name: one, question: How many, sql: SELECT AGG(number) FROM sales WHERE first}
    - {name: two, question: How many, sql: SELECT AGG(numbers) FROM sales}
    """
    (tmp_path / "a.yaml").write_text(dedent(text))
    (fault,) = check_semantic(tmp_path, {"w": "duckdb"})
    assert (fault.line, fault.message) == (
        12,
        "two reads the unknown column 'numbers' of orders",
    )
