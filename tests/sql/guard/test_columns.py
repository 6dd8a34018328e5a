from __future__ import annotations

import pytest

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql import GuardedWarehouse
from tests.sql import world
from tests.sql.test_guard import plan, refusal


@pytest.mark.parametrize(
    ("sql", "name", "column", "near"),
    [
        ("SELECT orgin FROM flights", "orgin", 8, "origin"),
        ("SELECT f.nope FROM flights f", "nope", 10, "note"),
        ("SELECT id FROM flights WHERE delai > 1", "delai", 30, "delay"),
        ("SELECT id FROM flights ORDER BY delays", "delays", 33, "delay"),
        ("SELECT x.origins FROM (SELECT origin FROM flights) x", "origins", 10, "origin"),
        ("WITH x AS (SELECT id AS place FROM flights) SELECT plase FROM x", "plase", 52, "place"),
        ("SELECT id FROM flights f WHERE EXISTS (SELECT 1 FROM people p WHERE p.nam = f.note)",
         "nam", 71, "name"),
        ("SELECT max(idd) AS m FROM flights", "idd", 12, "id"),
        ("SELECT DeLayed FROM flights", "DeLayed", 8, "delay"),
    ],
)  # fmt: skip
def test_a_column_that_does_not_exist_is_refused_before_the_engine_is_asked(
    sql: str, name: str, column: int, near: str
) -> None:
    error = refusal(sql)
    assert (error.rule, error.line, error.column) == ("unknown_column", 1, column)
    assert error.detail == f"There is no column {name} here."
    assert f"Did you mean {near}" in (error.remedy or "")


def test_an_alias_that_no_table_has_is_refused_with_those_that_there_are() -> None:
    error = refusal("SELECT flight.id FROM flights")
    assert error.rule == "unknown_table"
    assert error.remedy == "Did you mean flights?"


@pytest.mark.parametrize(
    ("hidden", "never"), [("tailnum", "wingnum"), ("badge", "badger"), ("wages2", "wages3")]
)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT {} FROM flights",
        "SELECT f.{} FROM flights f",
        "SELECT id FROM flights GROUP BY id ORDER BY {}",
        "SELECT 1 AS x FROM flights f JOIN people p ON p.{} = f.id",
        "SELECT id FROM {}",
        "SELECT id FROM main.{}",
        "SELECT id FROM vault.{}",
    ],
)
def test_a_hidden_name_is_refused_word_for_word_like_one_that_never_was(
    hidden: str, never: str, sql: str
) -> None:
    one, two = refusal(sql.format(hidden)), refusal(sql.format(never))
    assert one.detail.replace(hidden, never) == two.detail
    assert (one.rule, one.line, one.column) == (two.rule, two.line, two.column)
    assert hidden not in (one.remedy or "")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT delay + 1 AS later, later * 2 AS twice FROM flights WHERE later > 0",
        "SELECT count(*) FROM flights ORDER BY count_star()",
        'SELECT "count_star()" FROM (SELECT count(*) FROM flights)',
        "SELECT x.s.a FROM (SELECT {'a': id} AS s FROM flights) x",
        "SELECT f FROM flights f",
        "SELECT u.v FROM flights f, unnest([f.id]) AS u(v)",
        "SELECT t.x FROM flights f, (SELECT f.id AS x) t",
        "SELECT (SELECT max(n.name) FROM people n WHERE n.team = f.origin) FROM flights f",
        "SELECT a, b FROM flights AS f(a, b)",
        "SELECT * FROM flights f JOIN people p ON f.note = p.name WHERE team = 'a'",
        "SELECT id FROM flights UNION ALL SELECT 1 ORDER BY id",
        "SELECT sum(delay) OVER w FROM flights WINDOW w AS (ORDER BY id)",
        "SELECT main.flights.id, flights.id FROM main.flights",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) FROM t",
        "SELECT id AS k FROM flights GROUP BY ALL HAVING k > 1 ORDER BY ALL",
        "SELECT range FROM range(3)",
        "SELECT extract(year FROM moment), date_part('month', moment) FROM flights",
    ],
)
async def test_what_the_engine_knows_is_never_called_unknown(
    guarded: GuardedWarehouse, sql: str
) -> None:
    await guarded.query(sql, visible=world.visible())


async def test_what_the_guard_cannot_know_the_engine_finds(guarded: GuardedWarehouse) -> None:
    sql = "SELECT nope FROM (SELECT unnest([{'a': 1}], recursive := true))"
    with pytest.raises(SqlRefused):
        await guarded.query(sql, visible=world.visible())
    with pytest.raises(SqlRefused) as caught:
        await guarded.query("SELECT u.id FROM range(3) u", visible=world.visible())
    assert caught.value.rule in {"unknown_column", "binding"}


def test_only_columns_that_the_query_names_are_read() -> None:
    assert '"origin"' not in plan("SELECT id FROM flights WHERE delay > 1").sql
    counted = plan("SELECT count(*) FROM people").sql
    assert '"name"' in counted
    assert '"team"' not in counted
    for sql in (
        "SELECT * FROM flights",
        "SELECT f FROM flights f",
        "SELECT f.* FROM flights f",
        "SELECT id FROM flights NATURAL JOIN people",
        "SELECT a FROM flights AS f(a, b)",
    ):
        assert '"saaf_t1"."origin"' in plan(sql).sql.replace("saaf_t2", "saaf_t1")
