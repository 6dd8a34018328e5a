from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saaf_autogen.auth.access import TRUE, ColumnAccess, ColumnCase, Comparison, TableAccess
from saaf_autogen.errors import ApprovalRequired, SqlRefused
from saaf_autogen.sql import Guard, PhysicalTable, Plan, VisibleTable
from saaf_autogen.sql.guard import DUCKDB
from saaf_autogen.sql.guard.plan import Scalar
from tests.sql import world

GUARD = Guard(DUCKDB, mask_key="the mask key", catalogs=frozenset({"w"}))


def plan(
    sql: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    visible: dict[str, TableAccess] | None = None,
    max_rows: int = 100,
) -> Plan:
    tables = {
        name: VisibleTable(PhysicalTable("w", *name.split(".")), access)
        for name, access in (visible or world.visible()).items()
    }
    return GUARD.plan(sql, visible=tables, parameters=parameters, max_rows=max_rows)


def refusal(sql: str, parameters: Mapping[str, Any] | None = None) -> SqlRefused:
    with pytest.raises(SqlRefused) as caught:
        plan(sql, parameters)
    return caught.value


def test_a_plan_names_the_tables_resources_and_grants_that_it_uses() -> None:
    made = plan("SELECT * FROM people p JOIN flights f ON true WHERE EXISTS (FROM flights)")
    assert made.tables == ("main.flights", "main.people")
    assert made.resources == ("wh://w/main.flights", "wh://w/main.people")
    assert made.grants == ("g",)
    assert made.physical == {
        PhysicalTable("w", "main", "flights"),
        PhysicalTable("w", "main", "people"),
    }


def test_values_of_row_policies_and_masks_are_bound_and_never_in_the_text() -> None:
    made = plan("SELECT carrier, :x AS x FROM flights", {"x": "Bobby'; DROP"})
    assert "UA" not in made.sql
    assert "Bobby" not in made.sql
    assert set(made.parameters.values()) == {"Bobby'; DROP", "UA"}
    hashed = {
        "main.t": world.table("main.t", {"a": ColumnAccess("a", (ColumnCase(TRUE, "hash"),))})
    }
    made = plan("SELECT a FROM t", visible=hashed)
    assert "the mask key" not in made.sql
    assert list(made.parameters.values()) == ["the mask key"]


def test_the_fence_stands_only_where_rows_or_cases_depend_on_data() -> None:
    assert "OFFSET 0" in plan("SELECT id FROM flights").sql
    assert "OFFSET 0" in plan("SELECT name FROM people").sql
    free = {"main.t": world.table("main.t", world.full("a"))}
    assert "OFFSET" not in plan("SELECT a FROM t", visible=free).sql
    masked = {
        "main.t": world.table("main.t", {"a": ColumnAccess("a", (ColumnCase(TRUE, "last4"),))})
    }
    assert "OFFSET" not in plan("SELECT a FROM t", visible=masked).sql


def test_comments_and_hints_are_dropped() -> None:
    assert "secret" not in plan("SELECT /* secret */ 1 -- secret\n").sql


def test_every_common_table_expression_gets_a_name_that_the_text_does_not_hold() -> None:
    made = plan("WITH saaf_c1 AS (SELECT 1 AS v), b AS (FROM saaf_c1) SELECT v FROM b")
    assert len(made.ctes) == 2
    assert all(name in made.sql and not name.startswith("saaf_") for name in made.ctes)


@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        ("SELECT id FROM flights", 101),
        ("SELECT id FROM flights LIMIT 7", 7),
        ("SELECT id FROM flights LIMIT 5000", 101),
        ("SELECT id FROM flights LIMIT :n", 3),
        ("SELECT id FROM flights LIMIT 1 + 1", 101),
        ("SELECT id FROM flights LIMIT 50%", 101),
        ("(SELECT id FROM flights LIMIT 5)", 101),
        ("SELECT id FROM flights UNION SELECT id FROM flights LIMIT 9", 9),
    ],
)
def test_a_query_is_limited_to_one_row_more_than_the_cap(sql: str, limit: int) -> None:
    made = plan(sql, {"n": 3} if ":n" in sql else None)
    assert made.sql.endswith(f"LIMIT {limit}")
    assert made.max_rows == 100


def test_the_least_row_limit_of_the_tables_holds() -> None:
    visible = {
        "main.a": world.table("main.a", world.full("x"), max_rows=7),
        "main.b": world.table("main.b", world.full("x"), max_rows=20),
    }
    assert plan("FROM a JOIN b USING (x)", visible=visible).max_rows == 7
    assert plan("FROM b", visible=visible).max_rows == 20
    assert plan("SELECT 1", visible=visible).max_rows == 100
    assert plan("FROM b", visible=visible, max_rows=3).max_rows == 3


def test_a_table_that_needs_approval_is_refused_while_nobody_can_be_asked() -> None:
    visible = {"main.a": world.table("main.a", world.full("x"), approval=True)}
    with pytest.raises(ApprovalRequired, match=r"main\.a"):
        plan("SELECT x FROM a", visible=visible)
    plan("SELECT 1", visible=visible)


def test_unknown_and_ungranted_tables_are_refused_alike() -> None:
    hidden, unknown = refusal("SELECT * FROM secrets"), refusal("SELECT * FROM secretz")
    assert hidden.problem() == {
        **unknown.problem(),
        "detail": "There is no table secrets that you may read.",
    }


def test_a_table_without_a_visible_column_does_not_exist() -> None:
    visible = {"main.a": world.table("main.a", {})}
    with pytest.raises(SqlRefused, match="There is no table a that you may read"):
        plan("SELECT count(*) FROM a", visible=visible)


def test_hints_name_only_what_the_caller_may_see() -> None:
    assert refusal("SELECT * FROM flightz").remedy == "Did you mean flights?"
    assert refusal("SELECT * FROM main.poeple").remedy == "Did you mean people?"
    assert "secrets" not in str(refusal("SELECT * FROM secret"))


@pytest.mark.parametrize(
    ("sql", "line", "column"),
    [
        ("SELECT 1\nFROM\n  secrets s", 3, 3),
        ("SELECT id,\n  pg_sleep(1) FROM flights", 2, 3),
        ("SELECT id FROM flights\nWHERE list_sort(x -> 1)", 2, 17),
        ("SELECT 1;\n\n  SELECT 2", 3, 3),
        ("SELECT 'x'::mood", 1, 8),
        ("  COPY x TO y", 1, 3),
    ],
)
def test_a_refusal_points_into_the_callers_text(sql: str, line: int, column: int) -> None:
    error = refusal(sql)
    assert (error.line, error.column) == (line, column)


@pytest.mark.parametrize(
    ("sql", "parameters", "detail"),
    [
        ("SELECT :a", {}, "No value was passed for the parameter :a."),
        ("SELECT :a", {"a": 1, "b": 2}, "The SQL has no parameter :b."),
        ("SELECT ?", {}, "Parameters without a name are not taken."),
        ("SELECT :a", {"a": [1, 2]}, "The value of :a is not a scalar."),
        ("SELECT :a", {"a": {"x": 1}}, "The value of :a is not a scalar."),
        ("SELECT :a", {"a": float("nan")}, "The number :a is not finite."),
        ("SELECT :a", {"a": 2**200}, "The number :a is too large."),
        ("SELECT :a", {"a": "x\0y"}, "The text of :a is too long, or is not valid text."),
        ("SELECT :a", {"a": "\ud800"}, "The text of :a is too long, or is not valid text."),
        ("SELECT :a", {"a": "x" * 70_000}, "The text of :a is too long, or is not valid text."),
        ("SELECT 1", {"a b": 1}, "A parameter's name is a word of at most 63 letters"),
    ],
)
def test_a_wrong_parameter_is_refused(sql: str, parameters: dict[str, Any], detail: str) -> None:
    error = refusal(sql, parameters)
    assert error.rule == "parameter"
    assert detail in error.detail


@pytest.mark.parametrize(
    "value", ["x", 1, 1.5, True, None, Decimal("1.5"), date(2013, 1, 1), datetime(2013, 1, 1)]
)
def test_scalars_are_bound_as_they_are(value: Scalar) -> None:
    made = plan("SELECT :v, $v", {"v": value})
    assert list(made.parameters.values()) == [value]
    assert type(next(iter(made.parameters.values()))) is type(value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT :end, :date AS d, [:date], {'a': :end}, CASE WHEN :end > 1 THEN :date END",
        "SELECT id FROM flights WHERE id IN (:end, $date) AND id BETWEEN :date AND :end LIMIT :end",
        "SELECT $end, f.note[1:2], {'a':f.id, b:f.id} FROM flights f WHERE f.id=:date",
    ],
)
def test_parameters_may_have_any_name_and_stand_wherever_a_value_stands(sql: str) -> None:
    made = plan(sql, {"end": 5, "date": 3})
    assert {3, 5} <= set(made.parameters.values())


@pytest.mark.parametrize("sql", ["SELECT * FROM :t", "SELECT id FROM flights ORDER BY :t ASC, :"])
def test_a_parameter_cannot_stand_for_a_name(sql: str) -> None:
    assert refusal(sql, {"t": "secrets"}).rule in {"syntax", "construct", "table_function"}


def test_a_long_chain_of_operators_is_refused_and_not_a_crash() -> None:
    error = refusal("SELECT " + "+".join(["1"] * 5_000))
    assert error.rule == "too_deep"


def test_every_function_that_may_be_called_exists() -> None:
    import duckdb

    with duckdb.connect() as connection:
        known = {
            row[0]
            for row in connection.execute(
                "SELECT DISTINCT lower(function_name) FROM duckdb_functions()"
            ).fetchall()
        }
    # Keywords and operators of the grammar, which DuckDB lists nowhere.
    grammar = {
        "coalesce",
        "current_time",
        "current_timestamp",
        "date",
        "grouping",
        "grouping_id",
        "ifnull",
        "localtime",
        "localtimestamp",
        "time",
        "timestamp",
    }
    missing = DUCKDB.functions - known - grammar
    assert not missing


def test_no_function_that_may_be_called_reads_anything_else() -> None:
    import duckdb

    with duckdb.connect() as connection:
        readers = {
            row[0]
            for row in connection.execute(
                "SELECT DISTINCT function_name FROM duckdb_functions() "
                "WHERE function_type IN ('table', 'table_macro', 'pragma')"
            ).fetchall()
        }
    # A row generator by name; `histogram` and `repeat` are also an aggregate and a text function.
    assert DUCKDB.functions & readers <= {
        "range",
        "generate_series",
        "unnest",
        "histogram",
        "repeat",
    }
    doubtful = (
        "setting",
        "variable",
        "current_data",
        "schema",
        "query",
        "enum_",
        "pg_",
        "stats",
        "aggregate",
        "lambda",
        "transform",
        "reduce",
        "secret",
        "duckdb",
        "nextval",
        "log_",
    )
    assert not [name for name in DUCKDB.functions for word in doubtful if word in name]


NAMES = st.sampled_from(["flights", "people", "secrets", "tailnum", "a", "b"])


@st.composite
def queries(draw: st.DrawFn, depth: int = 0) -> str:
    """Queries with names that are bound at random: as tables, CTEs, aliases, at any depth."""
    if depth > 2:
        return f"SELECT 1 AS v FROM {draw(NAMES)} AS {draw(NAMES)}"
    inner = st.deferred(lambda: queries(depth + 1))
    source = draw(
        st.one_of(
            NAMES,
            NAMES.map(lambda name: f"main.{name}"),
            st.tuples(inner, NAMES).map(lambda pair: f"({pair[0]}) AS {pair[1]}"),
        )
    )
    text = f"SELECT 1 AS v FROM {source}"
    if draw(st.booleans()):
        text += f" WHERE EXISTS ({draw(inner)})"
    if draw(st.booleans()):
        text = f"{text} UNION ALL ({draw(inner)})"
    if draw(st.booleans()):
        recursive = draw(st.sampled_from(["", "RECURSIVE "]))
        ctes = draw(st.lists(st.tuples(NAMES, inner), min_size=1, max_size=2))
        body = ", ".join(f"{name} AS ({query})" for name, query in ctes)
        text = f"WITH {recursive}{body} {text}"
    return text


@settings(max_examples=150, deadline=None, database=None)
@given(queries())
def test_whatever_names_hide_each_other_every_table_read_is_a_visible_one(sql: str) -> None:
    import duckdb

    try:
        made: Plan | None = plan(sql)
    except SqlRefused as error:
        made, refused = None, error
    if made is None:
        assert refused.rule in {"unknown_table", "recursion", "too_deep"}, refused
        return
    text = made.sql
    for name in made.parameters:
        text = text.replace(f"${name}", "NULL")
    with duckdb.connect() as connection:
        read = connection.get_table_names(text, qualified=True)
    allowed = {f"w.main.{name} AS {made.alias}" for name in ("flights", "people", "nothing")}
    assert read <= allowed


@settings(max_examples=150, deadline=None, database=None)
@given(st.text(max_size=40).filter(lambda text: "\0" not in text and text.isprintable()))
def test_any_text_in_a_literal_comes_back_as_it_was(text: str) -> None:
    import duckdb

    quoted = text.replace("'", "''")
    made = plan(f"SELECT '{quoted}' AS v")
    with duckdb.connect() as connection:
        assert connection.execute(made.sql).fetchall() == [(text,)]


@settings(max_examples=100, deadline=None, database=None)
@given(st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()))
def test_any_text_in_a_quoted_name_stays_a_name(text: str) -> None:
    import duckdb

    quoted = text.replace('"', '""')
    made = plan(f'SELECT "{quoted}" FROM (SELECT 1 AS "{quoted}") AS "{quoted}"')
    with duckdb.connect() as connection:
        connection.execute(made.sql)
        assert [item[0] for item in connection.description or ()] == [text]


def test_a_policy_on_a_column_that_the_caller_cannot_see_still_holds() -> None:
    visible = {
        "main.flights": world.table(
            "main.flights", world.full("id"), Comparison("tailnum", "eq", "N1")
        )
    }
    made = plan("SELECT id FROM flights", visible=visible)
    assert '"tailnum" =' in made.sql
    assert made.columns == ("id",)


@pytest.mark.parametrize(
    "call",
    ["DATE({})", "TIMESTAMP(({}))", "json({})", "floor(1, {})", "sort_array(1, {})", "if[{}]"],
)
def test_a_short_query_that_doubles_the_parsers_work_with_each_level_does_not_hang_the_host(
    call: str,
) -> None:
    value = "1"
    for _ in range(28):
        value = call.format(value)
    started = time.monotonic()
    assert refusal(f"SELECT {value}").rule in {"too_deep", "function", "construct"}
    # Half a second is what a hundred characters took with a dozen levels; each further doubled it.
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("sql", ["SELECT var_map(1)", "SELECT nullable<nullable<int>>"])
def test_a_crash_within_the_parser_is_a_refusal(sql: str) -> None:
    assert refusal(sql).rule == "syntax"


def test_the_callers_text_never_gets_into_the_hosts_log(caplog: pytest.LogCaptureFixture) -> None:
    refusal("WITH a AS (VACUUM (\nERROR forged)) SELECT 1")
    plan("SELECT approx_top_k(id, 3) FROM flights")
    assert not caplog.records
