from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from saaf_autogen.errors import (
    InvalidArguments,
    PayloadTooLarge,
    SaafError,
    SqlRefused,
    TimedOut,
)
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.metadata import MetadataTables
from saaf_autogen.semantic.metadata_cache import MetadataCache
from saaf_autogen.semantic.view import SemanticView
from tests.semantic.conftest import make_access


@pytest.fixture
def metadata(everything: SemanticView) -> Iterator[MetadataTables]:
    tables = MetadataTables(everything, timeout_s=0.3)
    yield tables
    tables.close()


def test_the_metadata_answer_sql(metadata: MetadataTables) -> None:
    result = metadata.query(
        "SELECT table_name, COUNT(*) AS columns FROM semantic.fields GROUP BY 1 ORDER BY 1"
    )

    assert result.columns == ("table_name", "columns")
    assert result.rows == (
        ("airlines", 2),
        ("airports", 8),
        ("flights", 19),
        ("planes", 9),
        ("weather", 15),
    )
    assert result.cut is None


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("SELECT table_schema, primary_key FROM semantic.tables WHERE table_name = 'planes'",
         ("main", '["tailnum"]')),
        ("SELECT data_type, kind, is_enum, access, is_nullable FROM semantic.fields"
         " WHERE table_name = 'flights' AND column_name = 'origin'",
         ("VARCHAR", "dimension", 1, "full", "NO")),
        ("SELECT left_columns, right_columns FROM relationships WHERE name = 'flights_weather'",
         ('["origin", "time_hour"]', '["origin", "time_hour"]')),
        ("SELECT expr FROM semantic.filters WHERE name = 'cancelled'", ("dep_time IS NULL",)),
        ("SELECT expr FROM semantic.metrics WHERE name = 'avg_seats'", ("AVG(seats)",)),
        ("SELECT dialect, tables, verified_by, verified_at FROM semantic.examples"
         " WHERE name = 'flight_count'", ("duckdb", '["flights"]', "ops", 1795305600)),
        ("SELECT s.value FROM semantic.fields f, json_each(f.synonyms) s"
         " WHERE f.column_name = 'visib' LIMIT 1", ("visibility",)),
        ("WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t WHERE x < 9)"
         " SELECT COUNT(*) FROM t", (9,)),
        ("-- a comment\nSELECT COUNT(*) FROM semantic.tables", (5,)),
        ("SELECT parameters ->> '$.carrier.example' FROM examples WHERE name LIKE 'dep%carrier'",
         ("UA",)),
    ],
)  # fmt: skip
def test_each_table_holds_what_the_view_shows(
    metadata: MetadataTables, sql: str, first: tuple[object, ...]
) -> None:
    assert metadata.query(sql).rows[0] == first


def test_parameters_are_bound_by_name(metadata: MetadataTables) -> None:
    sql = "SELECT COUNT(*) FROM semantic.fields WHERE table_name = :name"

    assert metadata.query(sql, {"name": "airlines"}).rows == ((2,),)
    assert metadata.query(sql, {"name": "x' OR 1 = 1 --"}).rows == ((0,),)
    with pytest.raises(InvalidArguments, match="every :name"):
        metadata.query(sql)


def test_masks_and_hidden_columns_show_as_the_view_has_them(sample: SemanticCatalog) -> None:
    view = SemanticView(
        sample,
        make_access(sample, hide={"planes": ["tailnum"]}, mask={"flights": {"tailnum": "hash"}}),
    )
    metadata = MetadataTables(view)

    rows = metadata.query(
        "SELECT table_name, access FROM semantic.fields WHERE column_name = 'tailnum'"
    ).rows
    metadata.close()

    assert rows == (("flights", "masked"),)


ATTACKS = [
    "ATTACH 'FILE' AS x",
    "PRAGMA database_list",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_table_info('fields')",
    "SELECT load_extension('FILE')",
    "SELECT * FROM sqlite_master",
    "SELECT COUNT(*) FROM semantic.sqlite_schema",
    "SELECT * FROM sqlite_temp_master",
    "INSERT INTO semantic.tables (table_name) VALUES ('x')",
    "UPDATE semantic.tables SET table_name = 'x'",
    "DELETE FROM semantic.tables",
    "WITH x AS (SELECT 1) DELETE FROM semantic.tables",
    "WITH x AS (SELECT 1) INSERT INTO semantic.tables (table_name) SELECT 'x'",
    "DROP TABLE semantic.tables",
    "CREATE TABLE y (a)",
    "CREATE TEMP VIEW y AS SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE semantic.tables",
    "VACUUM INTO 'FILE'",
    "EXPLAIN SELECT 1",
    "BEGIN",
    "DETACH semantic",
    "REINDEX",
    "SELECT randomblob(100)",
    "SELECT zeroblob(1000000000)",
    "SELECT printf('%.*c', 100000000, 'x')",
    "SELECT hex(table_name) FROM semantic.tables",
    "SELECT fts3_tokenizer('simple')",
    "SELECT sqlite_version()",
    "",
    "/* only a comment */",
]


@pytest.mark.parametrize("sql", ATTACKS)
def test_an_attack_is_refused_and_leaves_no_trace(
    metadata: MetadataTables, tmp_path: Path, sql: str
) -> None:
    before = metadata.query("SELECT * FROM semantic.tables").rows

    with pytest.raises(SqlRefused):
        metadata.query(sql.replace("FILE", str(tmp_path / "leak.db")))

    assert metadata.query("SELECT * FROM semantic.tables").rows == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT COUNT(*) FROM t",
        "WITH RECURSIVE t(x) AS (SELECT 'a' UNION ALL SELECT CASE WHEN length(x) < 30000"
        " THEN x || x ELSE x END FROM t) SELECT x FROM t ORDER BY x",
        "SELECT COUNT(*) FROM fields a, fields b, fields c, fields d, fields e, fields f",
    ],
)
def test_a_bomb_is_stopped_by_the_time_limit(metadata: MetadataTables, sql: str) -> None:
    with pytest.raises(TimedOut):
        metadata.query(sql)

    assert metadata.query("SELECT 1").rows == ((1,),)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nmae FROM semantic.tables", "no such column: nmae"),
        ("SELECT * FROM semantic.tabels", "no such table: semantic.tabels"),
        ("SELECT FROM", 'near "FROM": syntax error'),
        ("SELECT writefile('a', 'b')", "no such function: writefile"),
        ("SELECT * FROM fields WHERE description LIKE '" + "%a" * 60 + "'", "not valid"),
        ("WITH RECURSIVE t(x) AS (SELECT 'aaaaaaaa' UNION ALL SELECT x || x FROM t)"
         " SELECT length(x) FROM t", "too large"),
        ("SELECT '" + "x" * 30_000 + "'", "over 20000 bytes"),
        ("SELECT '\0'", "characters"),
        ("SELECT '\ud800'", "characters"),
        ("SELECT " + "(" * 500 + "1" + ")" * 500, "not valid|too large"),
    ],
)  # fmt: skip
def test_a_query_that_is_not_valid_says_why(metadata: MetadataTables, sql: str, said: str) -> None:
    with pytest.raises(InvalidArguments, match=said):
        metadata.query(sql)


@pytest.mark.parametrize("value", [2**70, "\ud800"])
def test_a_parameter_that_sqlite_cannot_take_is_the_callers_fault(
    metadata: MetadataTables, value: int | str
) -> None:
    with pytest.raises(SaafError) as caught:
        metadata.query("SELECT :x", {"x": value})

    assert caught.value.status == 422


def test_a_result_is_cut_at_its_rows_and_says_so(everything: SemanticView) -> None:
    metadata = MetadataTables(everything, max_rows=10)

    result = metadata.query("SELECT column_name FROM semantic.fields")
    whole = metadata.query("SELECT column_name FROM semantic.fields LIMIT 10")
    metadata.close()

    assert (len(result.rows), result.cut) == (10, "cut at 10 rows")
    assert whole.cut is None


def test_a_result_that_is_too_large_is_refused(everything: SemanticView) -> None:
    metadata = MetadataTables(everything, max_bytes=2_000)

    with pytest.raises(PayloadTooLarge):
        metadata.query("SELECT * FROM semantic.fields")
    metadata.close()


def test_metadata_rows_are_json(metadata: MetadataTables) -> None:
    for name in ("tables", "fields", "relationships", "metrics", "filters", "examples"):
        assert json.dumps(metadata.query(f"SELECT * FROM semantic.{name}").rows)


class TestCache:
    def test_equal_views_share_their_tables_and_different_ones_do_not(
        self, sample: SemanticCatalog
    ) -> None:
        cache = MetadataCache()
        count = "SELECT COUNT(*) FROM semantic.fields"
        whole = SemanticView(sample, make_access(sample))
        again = SemanticView(sample, make_access(sample))
        narrow = SemanticView(sample, make_access(sample, hide={"flights": None}))
        (every,) = cache.query(whole, count).rows
        assert cache.query(again, count).rows == (every,)
        assert cache.query(narrow, count).rows < (every,)
        cache.close()
        # It may be used again; what was closed is built anew.
        assert cache.query(whole, count).rows == (every,)
        cache.close()

    def test_many_threads_over_more_views_than_are_kept_get_their_own_answers(
        self, sample: SemanticCatalog
    ) -> None:
        cache = MetadataCache(size=1)
        views = {
            hidden: SemanticView(sample, make_access(sample, hide={hidden: None}))
            for hidden in ("flights", "planes", "weather")
        }

        def names(hidden: str) -> set[str]:
            rows = cache.query(views[hidden], "SELECT table_name FROM semantic.tables").rows
            return {str(row[0]) for row in rows}

        asked = [hidden for hidden in views for _ in range(30)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(names, asked))
        cache.close()
        everything = {"flights", "planes", "weather", "airlines", "airports"}
        assert answers == [everything - {hidden} for hidden in asked]
