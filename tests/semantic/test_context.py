from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from saaf_autogen.auth.access import Comparison
from saaf_autogen.errors import NotFound
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.context import ContextBuilder, context
from saaf_autogen.semantic.loader import load_semantic
from saaf_autogen.semantic.rendering import estimate_tokens
from saaf_autogen.semantic.view import SemanticView
from tests.semantic.conftest import make_access

QUESTION = "How late did Delta depart on average?"


def test_the_context_has_the_shape_that_callers_rely_on(everything: SemanticView) -> None:
    value = context(QUESTION, everything)

    assert set(value) == {"warehouse", "dialect", "text", "tables", "verified_queries", "retrieval"}
    assert (value["warehouse"], value["dialect"]) == ("nyc", "duckdb")
    assert value["tables"][0] == "flights"
    best = value["verified_queries"][0]
    assert set(best) == {
        "name",
        "question",
        "questions",
        "sql",
        "score",
        "unmatched",
        "parameters",
    }
    assert best["parameters"]["carrier"] | {"values": None} == {
        "column": "flights.carrier",
        "type": "VARCHAR",
        "example": "UA",
        "description": "code of the airline",
        "values": None,
    }
    assert best["parameters"]["carrier"]["values"]["DL"] == [
        "Delta",
        "Delta Air Lines",
        "Delta Airlines",
    ]
    assert json.loads(json.dumps(value)) == value


def test_verified_queries_come_best_first_and_at_most_five(everything: SemanticView) -> None:
    scores = [item["score"] for item in context(QUESTION, everything)["verified_queries"]]

    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1.0
    assert all(0 < score <= 1 for score in scores)


def test_types_of_parameters_follow_column_and_declaration(everything: SemanticView) -> None:
    types = {
        (query.name, name): parameter["type"]
        for query in everything.queries
        for name, parameter in query.parameters.items()
    }

    assert types["flights_of_carrier_in_month", "month"] == "NUMBER"
    assert types["flights_of_carrier_in_month", "carrier"] == "VARCHAR"
    assert types["flights_on_date", "day"] == "DATE"
    assert types["longest_routes", "n"] == "NUMBER"


def test_the_text_shows_columns_enums_joins_hints_and_examples(everything: SemanticView) -> None:
    text = context(QUESTION, everything)["text"]

    assert "-- warehouse nyc, duckdb SQL" in text
    assert "  dep_delay INTEGER, -- Departure delay in minutes; negative means early." in text
    assert "DL (Delta)" in text
    assert "flights.carrier = airlines.carrier -- many_to_one" in text
    assert "dep_time IS NULL means cancelled" in text
    assert "flights.avg_dep_delay: AVG(dep_delay)" in text
    assert "-- How late did UA depart on average?\nSELECT ROUND(AVG(dep_delay), 2)" in text


def test_every_column_of_a_shown_table_is_named(everything: SemanticView) -> None:
    text = context(QUESTION, everything, token_budget=600)["text"]

    assert all(f" {field.name} {field.data_type}," in text for field in everything.tables[0].fields)


@pytest.mark.parametrize("budget", [150, 300, 600, 1_500, 4_000])
def test_the_text_keeps_to_its_budget(everything: SemanticView, budget: int) -> None:
    for question in (QUESTION, "Does wind affect departure delays at Newark?", ""):
        text = context(question, everything, token_budget=budget)["text"]

        assert estimate_tokens(text) <= budget
        if budget >= 300:
            assert "flights(" in text


def test_a_larger_budget_only_adds(everything: SemanticView) -> None:
    small, large = (
        context(QUESTION, everything, token_budget=budget)["text"] for budget in (700, 3_000)
    )

    assert len(large) > len(small)
    assert "planes(" in large


def test_no_join_names_a_table_that_is_not_shown(everything: SemanticView) -> None:
    text = context(QUESTION, everything, token_budget=300)["text"]

    shown = {line.split("(")[0] for line in text.splitlines() if line and line[0].isalpha()}
    for table in ("airports", "planes", "weather", "airlines"):
        if table not in shown:
            assert f"{table}." not in text


def test_values_that_the_question_names_are_shown_with_their_codes(
    everything: SemanticView,
) -> None:
    text = context("How many flights from Newark to Buffalo?", everything)["text"]

    assert "Such as BUF (Buffalo), ORD (Chicago)" in text


def test_a_caller_with_fewer_rows_gets_their_values_alone(sample: SemanticCatalog) -> None:
    rows = {"flights": Comparison("carrier", "eq", "B6")}
    view = SemanticView(sample, make_access(sample, rows=rows, hide={"airlines": None}))

    value = context(QUESTION, view)

    assert value["verified_queries"][0]["question"] == "How late did B6 depart on average?"
    assert "United" not in json.dumps(value).replace("United States", "")
    assert "(You see a part of its rows.)" in value["text"]


def test_a_masked_column_says_so(sample: SemanticCatalog) -> None:
    view = SemanticView(sample, make_access(sample, mask={"planes": {"tailnum": "hash"}}))

    text = context("tail number of planes", view, token_budget=4_000)["text"]

    assert "  tailnum VARCHAR, -- Masked. Registration" in text


def test_an_unknown_warehouse_is_not_found_and_visible_ones_are_named(
    everything: SemanticView,
) -> None:
    with pytest.raises(NotFound, match="Visible warehouses: nyc"):
        context(QUESTION, everything, warehouse="other")


SHOP = """
name: {warehouse}
saaf: {{warehouse: {warehouse}, dialect: {dialect}}}
tables:
- name: {table}
  base_table: {{schema: sales, table: {table}}}
  dimensions:
  - {{name: id, expr: id, data_type: NUMBER, description: Key of {table}.}}
  facts:
  - {{name: twice, expr: 2 * id, data_type: NUMBER}}
verified_queries:
- {{name: count, question: Number of {table}, sql: SELECT COUNT(*) FROM sales.{table}}}
"""


@pytest.fixture
def two(folder: Callable[..., Path]) -> SemanticView:
    path = folder(
        a=SHOP.format(warehouse="one", dialect="duckdb", table="orders"),
        b=SHOP.format(warehouse="two", dialect="snowflake", table="invoices"),
    )
    catalog = load_semantic(path, {"one": "duckdb", "two": "snowflake"})
    return SemanticView(catalog, make_access(catalog))


def test_a_question_keeps_to_the_warehouse_that_it_fits_best(two: SemanticView) -> None:
    value = context("How many invoices?", two)

    assert (value["warehouse"], value["dialect"]) == ("two", "snowflake")
    assert value["tables"] == ["sales.invoices"]
    assert "orders" not in json.dumps(value)


def test_a_named_warehouse_is_kept_to(two: SemanticView) -> None:
    value = context("How many invoices?", two, warehouse="one")

    assert value["tables"] == ["sales.orders"]
    assert "invoices" not in value["text"]
    assert value["verified_queries"][0]["unmatched"] == ["invoices"]


def test_a_computed_field_is_shown_with_what_it_is(two: SemanticView) -> None:
    assert "  twice NUMBER, -- Computed: 2 * id." in context("orders", two)["text"]


WIDE = """
name: wide
saaf: {warehouse: main, dialect: duckdb}
tables:
- name: readings
  base_table: {schema: main, table: readings}
  primary_key: {columns: [reading_id]}
  dimensions:
  - {name: reading_id, expr: reading_id, data_type: NUMBER}
  - {name: humidity, expr: humidity, data_type: NUMBER}
"""


def test_a_wide_table_shows_what_matters_and_the_rest_where_there_is_room(
    folder: Callable[..., Path],
) -> None:
    columns = [f"  - {{name: x{i}, expr: x{i}, data_type: NUMBER}}" for i in range(60)]
    path = folder(wide=WIDE + "\n".join(columns) + "\n")
    catalog = load_semantic(path, {"main": "duckdb"})
    view = SemanticView(catalog, make_access(catalog))

    small, large = (
        context("How humid was it? humidity", view, token_budget=budget)["text"]
        for budget in (200, 2_000)
    )

    assert "reading_id NUMBER," in small
    assert "humidity NUMBER," in small
    assert " more: semantic.describe_table" in small
    assert "x59" not in small
    assert "more:" not in large
    assert all(f"x{i} NUMBER," in large for i in range(60))


def test_equal_views_share_one_index_and_old_ones_are_dropped(sample: SemanticCatalog) -> None:
    builder = ContextBuilder(size=2)
    views = [SemanticView(sample, make_access(sample)) for _ in range(2)]
    rows = [{"flights": Comparison("carrier", "eq", code)} for code in ("UA", "DL")]
    others = [SemanticView(sample, make_access(sample, rows=row)) for row in rows]

    first = builder.index(views[0])

    assert builder.index(views[1]) is first
    assert builder.index(others[0]) is not first
    builder.index(others[1])
    assert builder.index(views[0]) is not first
