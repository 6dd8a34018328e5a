from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saaf_autogen.auth.access import (
    TRUE,
    AllOf,
    AnyOf,
    ColumnAccess,
    ColumnCase,
    Comparison,
    TableAccess,
)
from saaf_autogen.errors import InvalidArguments, NotFound
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.context import context
from saaf_autogen.semantic.loader import load_semantic
from saaf_autogen.semantic.metadata import MetadataTables
from saaf_autogen.semantic.view import SemanticView
from tests.semantic.conftest import make_access

Write = Callable[..., Path]
QUESTIONS = [
    "How late did Delta depart on average?",
    "Which flights did the plane N14228 make?",
    "flights of tailnum N14228",
    "average age of planes by carrier",
    "How many bonuses were paid?",
    "",
]


def everything_shown(view: SemanticView) -> str:
    """All that the view can say to its caller, as JSON."""
    tables = MetadataTables(view)
    names = ("tables", "fields", "relationships", "metrics", "filters", "examples")
    shown: list[Any] = [
        view.list_tables(),
        [view.describe_table(table["name"]) for table in view.list_tables()],
        [context(question, view)["text"] for question in QUESTIONS],
        [context(question, view, token_budget=9_000) for question in QUESTIONS[:1]],
        [tables.query(f"SELECT * FROM semantic.{name}").rows for name in names],
        view.fingerprint,
    ]
    tables.close()
    return json.dumps(shown)


def test_who_may_see_all_sees_all(everything: SemanticView, sample: SemanticCatalog) -> None:
    assert [table.name for table in everything.tables] == [
        "flights",
        "airlines",
        "airports",
        "planes",
        "weather",
    ]
    assert len(everything.queries) == len(sample.queries) == 36
    assert len(everything.relationships) == 5
    assert all(table.description and table.rows == "all" for table in everything.tables)
    assert "tailnum" in everything_shown(everything)


def test_a_hidden_column_is_named_nowhere(without_tailnum: SemanticView) -> None:
    shown = everything_shown(without_tailnum).casefold()

    for canary in ("tailnum", "tail number", "n14228", "n10156", "flights_of_plane"):
        assert canary not in shown, canary


def test_hiding_a_column_takes_only_what_touches_it(
    everything: SemanticView, without_tailnum: SemanticView
) -> None:
    gone = {query.name for query in everything.queries} - {
        query.name for query in without_tailnum.queries
    }

    assert gone == {"flights_of_plane", "plane_age_per_carrier"}
    assert [item.name for item in without_tailnum.relationships] == [
        "flights_airlines",
        "flights_destination",
        "flights_origin",
        "flights_weather",
    ]
    assert without_tailnum.describe_table("planes")["primary_key"] == []
    for one, two in zip(everything.tables, without_tailnum.tables, strict=True):
        assert one.hints == two.hints
        assert one.description == two.description


def test_a_hidden_table_takes_its_relationships_and_queries_along(
    sample: SemanticCatalog,
) -> None:
    view = SemanticView(sample, make_access(sample, hide={"weather": None}))

    assert "weather" not in {table.name for table in view.tables}
    assert not {query.name for query in view.queries} & {"delay_by_wind", "temperature_by_month"}
    shown = everything_shown(view).casefold()
    for canary in ("weather", "visib", "precip", "flights_weather", "humid"):
        assert canary not in shown, canary


def test_a_caller_without_grants_sees_nothing(sample: SemanticCatalog) -> None:
    view = SemanticView(sample, {})

    assert view.list_tables() == []
    assert [*view.queries, *view.relationships, *view.metrics] == []
    assert context("How many flights?", view) == {
        "warehouse": None,
        "dialect": None,
        "text": "No table is visible to you.",
        "tables": [],
        "verified_queries": [],
        "retrieval": {"vectors": False, "note": None},
    }


def test_a_table_without_a_visible_column_does_not_exist(sample: SemanticCatalog) -> None:
    access = make_access(sample)
    access["wh://nyc/main.planes"] = TableAccess("wh://nyc/main.planes", {})

    assert "planes" not in {table.name for table in SemanticView(sample, access).tables}


def test_unknown_and_hidden_tables_give_the_same_answer(sample: SemanticCatalog) -> None:
    view = SemanticView(sample, make_access(sample, hide={"planes": None}))
    unknown = SemanticView(sample, make_access(sample, hide={"planes": None, "weather": None}))

    answers = []
    for asked in (view, unknown):
        with pytest.raises(NotFound) as caught:
            asked.describe_table("planes" if asked is view else "weather")
        name = "planes" if asked is view else "weather"
        answers.append(str(caught.value).replace(name, "NAME"))
    with pytest.raises(NotFound) as caught:
        view.describe_table("nothing")

    assert caught.value.detail == "There is no table 'nothing' that you may see."
    assert "weather" not in answers[1]
    assert "planes" not in answers[0]


def test_a_misspelt_table_is_met_by_near_visible_names_only(sample: SemanticCatalog) -> None:
    view = SemanticView(sample, make_access(sample, hide={"airlines": None}))

    with pytest.raises(NotFound) as caught:
        view.describe_table("airlnes")

    assert "airlines" not in str(caught.value)
    with pytest.raises(NotFound, match=r"Near names: .*flights"):
        view.describe_table("flight")


@pytest.mark.parametrize(
    "name", ["flights", "FLIGHTS", "main.flights", "nyc.main.flights", "wh://nyc/main.flights"]
)
def test_a_table_answers_to_all_its_names(everything: SemanticView, name: str) -> None:
    assert everything.describe_table(name)["resource"] == "wh://nyc/main.flights"


UA = {"flights": Comparison("carrier", "eq", "UA")}


def test_values_of_a_filtered_column_are_those_that_fit(sample: SemanticCatalog) -> None:
    view = SemanticView(sample, make_access(sample, rows=UA))

    flights = view.describe_table("flights")
    columns = {column["name"]: column for column in flights["columns"]}

    assert flights["rows"] == "some"
    assert columns["carrier"]["sample_values"] == ["UA"]
    assert list(columns["carrier"]["value_synonyms"]) == ["UA"]
    assert columns["origin"]["sample_values"] == ["EWR", "JFK", "LGA"]
    assert columns["dest"]["sample_values"] == []
    assert columns["dep_delay"]["sample_values"] == []


def test_an_example_outside_the_visible_rows_is_replaced(sample: SemanticCatalog) -> None:
    rows = {"flights": Comparison("carrier", "in", ("B6", "DL"))}
    view = SemanticView(sample, make_access(sample, rows=rows, hide={"airlines": None}))

    query = next(query for query in view.queries if query.name == "dep_delay_of_carrier")

    assert query.question == "How late did B6 depart on average?"
    assert query.parameters["carrier"]["example"] == "B6"
    assert list(query.parameters["carrier"]["values"]) == ["B6", "DL"]
    assert "United Air" not in everything_shown(view)


def test_a_query_with_a_constant_outside_the_visible_rows_is_left_out(folder: Write) -> None:
    text = """
    name: shop
    saaf: {warehouse: main}
    tables:
    - name: orders
      base_table: {schema: main, table: orders}
      dimensions:
      - {name: region, expr: region, data_type: VARCHAR, sample_values: [EU, US]}
      filters:
      - {name: european, expr: region = 'EU'}
      - {name: american, expr: "'US' = region"}
      - {name: both, expr: "region IN ('EU', 'US')"}
    verified_queries:
    - {name: eu, question: Orders of EU, sql: SELECT COUNT(*) FROM orders WHERE region = 'EU'}
    - {name: us, question: Orders there, sql: SELECT COUNT(*) FROM orders WHERE region = 'US'}
    """
    catalog = load_semantic(folder(shop=text), {"main": "duckdb"})
    rows = {"orders": Comparison("region", "eq", "EU")}

    view = SemanticView(catalog, make_access(catalog, rows=rows))

    assert [query.name for query in view.queries] == ["eu"]
    assert [item.name for item in view.tables[0].filters] == ["european"]
    assert view.tables[0].fields[0].sample_values == ("EU",)


def test_a_masked_column_shows_no_values_anywhere(sample: SemanticCatalog) -> None:
    view = SemanticView(
        sample,
        make_access(sample, mask={"flights": {"tailnum": "hash"}, "planes": {"tailnum": "redact"}}),
    )

    columns = {column["name"]: column for column in view.describe_table("flights")["columns"]}
    query = next(query for query in view.queries if query.name == "flights_of_plane")

    assert columns["tailnum"]["access"] == "masked"
    assert columns["carrier"]["access"] == "full"
    assert columns["tailnum"]["sample_values"] == []
    assert query.parameters["tailnum"]["example"] is None
    assert query.question == "Which flights did the plane :tailnum make?"
    for value in ("N14228", "N10156", "N24211"):
        assert value not in everything_shown(view)


def test_values_of_a_column_that_shows_in_some_rows_are_those_of_these_rows(
    sample: SemanticCatalog,
) -> None:
    access = make_access(sample)
    flights = access["wh://nyc/main.flights"]
    cases = (
        ColumnCase(Comparison("origin", "eq", "LGA"), "null"),
        ColumnCase(AnyOf((Comparison("origin", "in", ("LGA", "JFK")),)), None),
    )
    columns = {**flights.columns, "origin": ColumnAccess("origin", cases)}
    access[flights.resource] = TableAccess(flights.resource, columns)

    field = SemanticView(sample, access).tables[0].field("origin")

    assert field is not None
    assert field.sample_values == ("JFK",)


def test_an_undescribed_column_stays_invisible_even_if_granted(sample: SemanticCatalog) -> None:
    access = make_access(sample)
    airlines = access["wh://nyc/main.airlines"]
    secret = ColumnAccess("secret", (ColumnCase(TRUE, None),))
    access[airlines.resource] = TableAccess(
        airlines.resource, {**airlines.columns, "secret": secret}
    )

    assert "secret" not in everything_shown(SemanticView(sample, access))


SECRETS = """
name: staff
description: All about people and their bonus_eur.
saaf: {warehouse: main}
custom_instructions: Join people by id. Never sum people.bonus_eur twice. Round to cents.
tables:
- name: people
  description: One row per person; id is unique. Bonus_Eur is paid in May. See vault for more.
  synonyms: [employees, bonus eur receivers, staff]
  base_table: {schema: main, table: people}
  dimensions:
  - {name: id, expr: id, data_type: NUMBER, description: Key. Matches vault.holder.}
  - {name: grade, expr: grade, data_type: VARCHAR, synonyms: [level, bonus_eur class]}
  - {name: dept, expr: dept, data_type: VARCHAR, description: Department.}
  facts:
  - {name: bonus_eur, expr: bonus_eur, data_type: NUMBER, synonyms: [yearly premium, extra]}
  - {name: double_bonus, expr: 2 * bonus_eur, data_type: NUMBER}
  - {name: quadruple, expr: 2 * double_bonus, data_type: NUMBER}
  filters:
  - {name: paid, expr: bonus_eur > 0}
  - {name: senior, expr: grade = 'S', description: High grade. Gets a yearly premium.}
  metrics:
  - {name: total_bonus, expr: SUM(bonus_eur)}
  - {name: heads, expr: COUNT(*)}
  - {name: per_head, expr: total_bonus / heads}
  saaf:
    hints: [The premium is bonus_eur., BONUS-EUR is secret., Grades are letters., See the vault.]
- name: vault
  base_table: {schema: main, table: vault}
  dimensions:
  - {name: holder, expr: holder, data_type: NUMBER}
  - {name: code, expr: code, data_type: VARCHAR}
metrics:
- {name: overall, expr: people.total_bonus / people.heads}
- {name: staffing, expr: people.heads}
relationships:
- {name: people_vault, left_table: people, right_table: vault,
   relationship_columns: [{left_column: id, right_column: holder}]}
verified_queries:
- {name: plain, question: How many people?, sql: SELECT COUNT(*) FROM people}
- {name: star, question: All people, sql: SELECT * FROM people}
- {name: direct, question: a, sql: SELECT bonus_eur FROM people}
- {name: quoted, question: b, sql: SELECT "Bonus_EUR" FROM people}
- {name: alias, question: c, sql: SELECT p.bonus_eur FROM main.people AS p}
- {name: nested, question: d, sql: SELECT x FROM (SELECT bonus_eur AS x FROM people) t}
- {name: cte, question: e, sql: WITH t AS (SELECT * FROM people) SELECT bonus_eur FROM t}
- {name: where, question: f, sql: SELECT id FROM people WHERE bonus_eur > 3}
- {name: order, question: g, sql: SELECT id FROM people ORDER BY bonus_eur}
- {name: text, question: h, sql: "SELECT COLUMNS('bonus_eur') FROM people"}
- {name: label, question: i, sql: SELECT id AS bonus_eur FROM people}
- {name: other, question: j, sql: SELECT code FROM vault}
- {name: sub, question: k, sql: SELECT id FROM people WHERE id IN (SELECT holder FROM vault)}
- {name: using, question: l, sql: SELECT a.id FROM people a JOIN people b USING (bonus_eur)}
- {name: spoken, question: Who gets bonus eur?, sql: SELECT id FROM people}
- name: by_parameter
  question: m
  sql: SELECT id FROM people WHERE id > :x
  saaf: {parameters: {x: {column: people.bonus_eur, example: 3}}}
"""


@pytest.fixture
def staff(folder: Write) -> SemanticView:
    text = SECRETS.replace("?, sql", ", sql")
    catalog = load_semantic(folder(staff=text), {"main": "duckdb"})
    return SemanticView(
        catalog, make_access(catalog, hide={"people": ["bonus_eur"], "vault": None})
    )


def test_no_way_of_naming_a_hidden_column_in_sql_survives(staff: SemanticView) -> None:
    assert [query.name for query in staff.queries] == ["plain", "star"]


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT p.tailnum FROM planes p", True),
        ("SELECT tailnum FROM planes", True),
        ("SELECT p.tailnum FROM planes p, flights f WHERE f.month = p.engines", True),
        ("SELECT f.tailnum FROM planes p, flights f WHERE f.month = p.engines", False),
        ("SELECT tailnum FROM planes p, flights f WHERE f.month = p.engines", False),
        ("SELECT seats FROM planes JOIN flights USING (tailnum)", False),
        ("SELECT seats FROM planes NATURAL JOIN flights", False),
        ("SELECT seats FROM planes NATURAL JOIN airlines", True),
        ("SELECT * EXCLUDE (tailnum) FROM flights", False),
        ("SELECT COLUMNS('tailnum') FROM flights", False),
        ("SELECT carrier FROM flights WHERE EXISTS (SELECT 1 FROM planes WHERE seats = 1)", True),
        ("SELECT carrier FROM flights f WHERE EXISTS "
         "(SELECT 1 FROM planes p WHERE p.tailnum = f.tailnum)", False),
        ("WITH t AS (SELECT tailnum FROM planes) SELECT t.tailnum FROM t", True),
        ("WITH t AS (SELECT tailnum FROM flights) SELECT t.tailnum FROM t", False),
        ("SELECT seats AS tailnum FROM planes UNION SELECT month FROM flights", True),
        ("SELECT seats FROM planes UNION SELECT tailnum FROM flights", False),
    ],
)  # fmt: skip
def test_a_column_that_is_hidden_in_one_table_alone_is_told_from_its_namesake(
    tmp_path: Path, sample: SemanticCatalog, sql: str, shown: bool
) -> None:
    model = sample.models[0][0].to_document()
    model["verified_queries"] = [{"name": "one", "question": "Which?", "sql": sql}]
    (tmp_path / "sample.json").write_text(json.dumps(model))
    catalog = load_semantic(tmp_path, {"nyc": "duckdb"})

    view = SemanticView(catalog, make_access(catalog, hide={"flights": ["tailnum"]}))

    assert bool(view.queries) is shown


def test_texts_that_name_hidden_things_are_left_out_sentence_by_sentence(
    staff: SemanticView,
) -> None:
    people = staff.describe_table("people")

    assert people["description"] == "One row per person; id is unique."
    assert people["hints"] == ["Grades are letters."]
    assert people["synonyms"] == ["employees", "staff"]
    assert people["columns"][0]["description"] == "Key."
    assert people["columns"][1]["synonyms"] == ["level"]
    assert [item["description"] for item in people["filters"]] == ["High grade."]
    assert staff.instructions == (("main", "Join people by id. Round to cents."),)


def test_what_builds_on_a_hidden_column_is_left_out_through_every_step(
    staff: SemanticView,
) -> None:
    people = staff.tables[0]

    assert [field.name for field in people.fields] == ["id", "grade", "dept"]
    assert [item.name for item in people.filters] == ["senior"]
    assert [item.name for item in people.metrics] == ["heads"]
    assert [item.name for item in staff.metrics] == ["staffing"]
    assert staff.relationships == ()


def test_nothing_that_is_hidden_shows_in_anything_that_a_view_says(staff: SemanticView) -> None:
    shown = everything_shown(staff).casefold()

    for canary in ("bonus", "premium", "vault", "holder", "quadruple", "per_head", "people_vault"):
        assert canary not in shown, canary


def test_equal_rights_give_equal_fingerprints_and_others_do_not(sample: SemanticCatalog) -> None:
    one, two = (SemanticView(sample, make_access(sample, rows=UA)) for _ in range(2))
    rows = {"flights": AllOf((Comparison("carrier", "eq", "DL"),))}
    other = SemanticView(sample, make_access(sample, rows=rows))

    assert one.fingerprint == two.fingerprint
    assert one.fingerprint != other.fingerprint


def test_one_name_in_two_warehouses_asks_which(folder: Write) -> None:
    text = """
    name: {name}
    saaf: {{warehouse: {name}}}
    tables:
    - name: orders
      base_table: {{schema: main, table: orders}}
      dimensions:
      - {{name: id, expr: id, data_type: NUMBER}}
    """
    path = folder(a=text.format(name="one"), b=text.format(name="two"))
    catalog = load_semantic(path, {"one": "duckdb", "two": "duckdb"})
    view = SemanticView(catalog, make_access(catalog))

    with pytest.raises(InvalidArguments, match="one, two"):
        view.describe_table("orders")
    assert view.describe_table("orders", warehouse="two")["warehouse"] == "two"
    assert len(view.list_tables("one")) == 1
