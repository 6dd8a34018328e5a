from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import pytest
import sqlglot
from sqlglot import exp

from saaf_autogen.auth.access import TRUE, ColumnAccess, ColumnCase, Comparison, Mask, TableAccess
from saaf_autogen.errors import ConfigurationError, SqlRefused
from saaf_autogen.sql import Guard, PhysicalTable, Plan, VisibleTable
from saaf_autogen.sql.guard.dialects import DIALECTS, POSTGRES, dialect_named
from saaf_autogen.sql.guard.plan import Scalar
from tests.sql import world

SCHEMAS = {
    "duckdb": "main",
    "postgres": "public",
    "snowflake": "PUBLIC",
    "bigquery": "data",
    "databricks": "default",
}
COLUMNS = ("id", "carrier", "origin", "delay", "doc", "list", "moment")


def plan(
    dialect: str,
    sql: str,
    parameters: Mapping[str, Scalar] | None = None,
    *,
    mask: Mask | None = None,
) -> Plan:
    """Flights of UA, and people; ``mask`` hides the carriers."""
    schema = SCHEMAS[dialect]
    columns = world.full(*COLUMNS)
    if mask is not None:
        columns["carrier"] = ColumnAccess("carrier", (ColumnCase(TRUE, mask),))
    tables = {
        "flights": world.table("flights", columns, Comparison("carrier", "eq", "UA")),
        "people": world.table("people", world.full("name", "team")),
    }
    visible = {
        f"{schema}.{name}": VisibleTable(PhysicalTable("w", schema, name), access)
        for name, access in tables.items()
    }
    guard = Guard(dialect_named(dialect), mask_key="k", catalogs=frozenset({"w"}))
    return guard.plan(sql, visible=visible, parameters=parameters, max_rows=100)


def refusal(dialect: str, sql: str) -> SqlRefused:
    with pytest.raises(SqlRefused) as caught:
        plan(dialect, sql)
    return caught.value


def test_a_dialect_is_found_by_its_name() -> None:
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {n: n for n in SCHEMAS}
    with pytest.raises(ConfigurationError) as caught:
        dialect_named("mysql")
    assert "bigquery, databricks, duckdb, postgres, snowflake" in str(caught.value)


@pytest.mark.parametrize("dialect", SCHEMAS)
def test_what_every_engine_has_is_planned_in_every_dialect(dialect: str) -> None:
    schema = SCHEMAS[dialect]
    sql = f"""
        WITH busy AS (
          SELECT origin, COUNT(*) AS n, AVG(delay) AS mean
          FROM {schema}.flights AS f WHERE delay > :least GROUP BY origin
        )
        SELECT b.origin, UPPER(b.origin) AS o, COALESCE(b.mean, 0) AS mean,
               ROW_NUMBER() OVER (ORDER BY b.n DESC) AS place,
               CASE WHEN b.n > 10 THEN 'many' ELSE 'few' END AS size
        FROM busy AS b LEFT JOIN {schema}.people AS p ON p.name = b.origin
        WHERE EXISTS (SELECT 1 FROM {schema}.people AS q WHERE q.team = b.origin)
        ORDER BY 4 LIMIT 5
    """
    made = plan(dialect, sql, {"least": 10})
    assert made.tables == (f"{schema}.flights", f"{schema}.people")
    assert set(made.parameters.values()) == {10, "UA"}
    for name in made.parameters:
        assert dialect_named(dialect).placeholder.format(name) in made.sql


@pytest.mark.parametrize("dialect", SCHEMAS)
def test_a_plan_reads_as_the_same_tables_when_it_is_parsed_again(dialect: str) -> None:
    schema = SCHEMAS[dialect]
    made = plan(dialect, f"SELECT f.id, p.* FROM {schema}.flights f, {schema}.people p")
    text = made.sql.replace("%(", ":").replace(")s", "") if dialect == "postgres" else made.sql
    read = list(sqlglot.parse_one(text, read=dialect).find_all(exp.Table))
    assert [table.alias for table in read] == [made.alias] * 2
    assert {table.name.lower() for table in read} == {"flights", "people"}


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "databricks"])
def test_where_no_barrier_is_known_hidden_rows_hold_nothing_but_null(dialect: str) -> None:
    made = plan(dialect, f"SELECT id FROM {SCHEMAS[dialect]}.flights")
    assert "OFFSET" not in made.sql
    inner = sqlglot.parse_one(made.sql, read=dialect).find(exp.Case)
    assert inner is not None
    assert inner.find(exp.EQ) is not None


REFUSED = {
    "snowflake": (
        "SELECT $1 FROM flights",
        "SELECT * FROM @stage",
        "SELECT * FROM @~/file (FILE_FORMAT => 'csv')",
        "SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))",
        "SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY())",
        "SELECT * FROM IDENTIFIER('secrets')",
        "SELECT IDENTIFIER('tailnum') FROM flights",
        "SELECT * FROM flights AT(OFFSET => -60)",
        "SELECT * FROM flights BEFORE(STATEMENT => 'x')",
        "SELECT * FROM flights CHANGES(INFORMATION => DEFAULT) AT(OFFSET => 1)",
        "SELECT * FROM 'file'",
        "SELECT * FROM $var",
        "SELECT $var",
        "SELECT * FROM TABLE('secrets')",
        "SELECT * FROM TABLE(:t)",
        "SELECT SYSTEM$WHITELIST()",
        "SELECT GET_DDL('table', 'secrets')",
        "SELECT CURRENT_USER()",
        "SELECT * FROM DIRECTORY(@s)",
        "SELECT * FROM SEMANTIC_VIEW(x METRICS y)",
        "SELECT * FROM INFORMATION_SCHEMA.TABLES",
        "SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY",
        "SELECT w.PUBLIC.spy(1)",
        "SELECT s.NEXTVAL FROM flights s",
        "SELECT AI_COMPLETE('m', 'x')",
        "SELECT * FROM flights START WITH id = 1 CONNECT BY id = PRIOR id",
        "CALL spy()",
        "SHOW TABLES",
    ),
    "bigquery": (
        "SELECT * FROM `w.data.flights_*`",
        "SELECT * FROM w.data.*",
        "SELECT * FROM data.INFORMATION_SCHEMA.TABLES",
        "SELECT * FROM `data`.`__TABLES__`",
        "SELECT * FROM EXTERNAL_QUERY('c', 'select 1')",
        "SELECT * FROM ML.PREDICT(MODEL m, (SELECT 1))",
        "SELECT * FROM data.flights FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()",
        "SELECT SESSION_USER()",
        "SELECT @@project_id",
        "SELECT data.spy(1)",
        "SELECT KEYS.NEW_KEYSET('AEAD_AES_GCM_256')",
        "SELECT * FROM VECTOR_SEARCH(TABLE data.secrets, 'v', TABLE data.flights)",
        "SELECT * FROM data.spy_rows(1)",
        "SELECT x FROM UNNEST([1]) AS x, `data.secrets`",
        "EXECUTE IMMEDIATE 'SELECT 1'",
    ),
    "databricks": (
        "SELECT * FROM parquet.`/path`",
        "SELECT * FROM delta.`/path`",
        "SELECT * FROM flights VERSION AS OF 1",
        "SELECT * FROM flights TIMESTAMP AS OF '2013-01-01'",
        "SELECT * FROM flights@v1",
        "SELECT * FROM read_files('x')",
        "SELECT * FROM system.information_schema.tables",
        "SELECT TRANSFORM(id) USING 'cat' FROM flights",
        "SELECT transform(list, x -> x + 1) FROM flights",
        "SELECT java_method('java.lang.System', 'getenv')",
        "SELECT reflect('java.lang.System', 'getenv')",
        "SELECT secret('a', 'b')",
        "SELECT ai_query('x', 'y')",
        "SELECT ${x}",
        "SELECT * FROM IDENTIFIER('secrets')",
        "SELECT /*+ BROADCAST(flights) */ id FROM flights",
        "SELECT c FROM flights LATERAL VIEW EXPLODE(list) `e, secrets` AS c",
        "SELECT input_file_name() FROM flights",
        "SELECT current_user()",
        "DESCRIBE HISTORY flights",
    ),
}


@pytest.mark.parametrize(
    ("dialect", "sql"), [(name, sql) for name, texts in REFUSED.items() for sql in texts]
)
def test_a_way_out_is_refused_with_its_rule_place_and_remedy(dialect: str, sql: str) -> None:
    error = refusal(dialect, sql)
    assert error.rule
    assert error.line == 1
    assert error.column >= 1
    assert error.remedy
    assert "secrets" not in error.detail.replace(sql, "") or "secrets" in sql


TAKEN = {
    "snowflake": (
        "SELECT Carrier, doc:a.b[0]::string AS x FROM flights "
        "QUALIFY ROW_NUMBER() OVER (PARTITION BY origin ORDER BY delay) = 1",
        "SELECT f.value:x::int, t.id FROM flights t, LATERAL FLATTEN(input => t.list) f",
        "SELECT f.value FROM flights t, TABLE(FLATTEN(input => t.list, outer => true)) f",
        "SELECT SEQ4() FROM TABLE(GENERATOR(ROWCOUNT => 10))",
        "SELECT DATEDIFF(day, moment, CURRENT_TIMESTAMP), DATE_TRUNC(month, moment), "
        "DATEADD('day', 1, moment), TO_CHAR(moment, 'YYYY') FROM flights",
        "SELECT IFF(delay > 0, 1, 0), NVL(origin, 'x'), LISTAGG(origin, ',') "
        "WITHIN GROUP (ORDER BY id) FROM flights GROUP BY ALL",
        "SELECT * EXCLUDE (id), {'a': id} FROM flights",
        "SELECT TOP 5 id FROM w.PUBLIC.flights",
        "SELECT id FROM flights ORDER BY id FETCH FIRST 3 ROWS ONLY",
    ),
    "bigquery": (
        "SELECT f.id FROM `w.data.flights` f, UNNEST(f.list) AS x WITH OFFSET AS o WHERE o < 3",
        "SELECT x.a FROM data.flights f, f.list x",
        "SELECT AS STRUCT id FROM data.flights",
        "SELECT ARRAY_AGG(STRUCT(id, origin) ORDER BY id LIMIT 3) FROM data.flights",
        "SELECT x FROM UNNEST(GENERATE_ARRAY(1, 10)) AS x",
        "SELECT DATE_TRUNC(DATE(moment), MONTH), SAFE_CAST(origin AS INT64), COUNTIF(delay > 0), "
        "APPROX_QUANTILES(delay, 4)[OFFSET(2)] FROM data.flights GROUP BY 1, 2",
        "SELECT * EXCEPT (id) FROM data.flights",
        "SELECT (SELECT COUNT(*) FROM UNNEST(list) a) FROM data.flights",
        "SELECT f.doc.a.b FROM data.flights f WHERE f.id = @id",
    ),
    "databricks": (
        "SELECT doc:a.b::string, list[0] FROM flights LATERAL VIEW EXPLODE(list) e AS c",
        "SELECT c FROM flights LATERAL VIEW OUTER POSEXPLODE(list) e AS p, c WHERE id = :id",
        "SELECT EXPLODE(list) FROM flights",
        "SELECT date_trunc('MONTH', moment), datediff(DAY, moment, moment), collect_list(origin), "
        "count_if(delay > 0), percentile_approx(delay, 0.5) FROM flights GROUP BY ALL",
        "SELECT * FROM flights LEFT ANTI JOIN people ON true",
        "SELECT named_struct('a', id), map('k', 1) FROM flights",
    ),
}


@pytest.mark.parametrize(
    ("dialect", "sql"), [(name, sql) for name, texts in TAKEN.items() for sql in texts]
)
def test_what_only_one_dialect_has_is_planned_in_it(dialect: str, sql: str) -> None:
    made = plan(dialect, sql, {"id": 1} if ":id" in sql or "@id" in sql else None)
    sqlglot.parse_one(made.sql, read=dialect)
    assert made.sql.count(made.alias) >= len(made.tables)


def test_names_without_quotes_are_folded_as_the_engine_folds_them() -> None:
    made = plan("snowflake", 'SELECT Id, "Id" FROM Flights f WHERE F.delay > 0')
    assert made.sql.startswith('SELECT "ID", "Id" FROM (SELECT ')
    assert '"w"."PUBLIC"."flights"'.upper() in made.sql
    assert '"F"."DELAY"' in made.sql
    assert plan("postgres", "SELECT ID FROM FLIGHTS").sql.startswith('SELECT "id" FROM (')


def test_common_table_expressions_of_different_case_are_told_apart_where_quotes_do() -> None:
    sql = 'WITH "X" AS (SELECT 1 AS a), x AS (SELECT 2 AS b) SELECT "X".a, x.b FROM "X", x'
    assert len(plan("postgres", sql).ctes) == 2
    error = refusal("postgres", 'WITH "X" AS (SELECT 1 AS a) SELECT a FROM x')
    assert error.rule == "unknown_table"
    assert plan("duckdb", 'WITH "X" AS (SELECT 1 AS a) SELECT a FROM x').tables == ()


def test_a_percent_sign_in_the_text_is_none_of_psycopgs() -> None:
    made = plan(
        "postgres", "SELECT id % 3, '100%' FROM flights WHERE origin LIKE :like", {"like": "J%"}
    )
    assert "'100%%'" in made.sql
    assert '"id" %% 3' in made.sql
    assert "%(" in made.sql
    assert "J%" in made.parameters.values()


@dataclass
class Postgres:
    """A real server with the world of the tests, and its caller."""

    connection: psycopg.Connection[Any]

    def rows(
        self,
        sql: str,
        parameters: Mapping[str, Scalar] | None = None,
        visible: Mapping[str, TableAccess] | None = None,
    ) -> list[tuple[Any, ...]]:
        guard = Guard(POSTGRES, mask_key="test-key")
        tables = {
            name: VisibleTable(PhysicalTable("", "public", name.rpartition(".")[2]), access)
            for name, access in (visible or world.visible("public")).items()
        }
        made = guard.plan(sql, visible=tables, parameters=parameters, max_rows=100)
        return self.connection.execute(made.sql, dict(made.parameters)).fetchall()


@pytest.fixture(scope="module")
def postgres(postgres_server: str) -> Iterator[Postgres]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE dialects")
    url = postgres_server.replace("/postgres?", "/dialects?")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(world.POSTGRES)
        connection.execute("SET search_path = ''")
        yield Postgres(connection)


POSTGRES_QUERIES = (
    ("SELECT COUNT(*), :n + 1, $n FROM flights WHERE carrier = :c", [(200, 4, 3)]),
    ("SELECT id FROM flights WHERE note LIKE '%1%' AND id % 2 = 0 ORDER BY 1 LIMIT 1", [(10,)]),
    ("SELECT name FROM People p ORDER BY 1 FETCH FIRST 1 ROWS ONLY", [("ann",)]),
    ("SELECT g FROM generate_series(1, 2) g", [(1,), (2,)]),
    ("SELECT t.v, t.i FROM unnest(ARRAY[7, 8]) WITH ORDINALITY AS t(v, i)", [(7, 1), (8, 2)]),
    ("SELECT e.v FROM jsonb_array_elements('[1, 2]'::jsonb) AS e(v)", [(1,), (2,)]),
    ("SELECT '{\"a\": {\"b\": 1}}'::jsonb #>> '{a,b}', '{\"a\": 2}'::json ->> 'a'", [("1", "2")]),
    ("SELECT DISTINCT ON (origin) origin, id FROM flights ORDER BY 1, 2 LIMIT 1", [("EWR", 1)]),
    ("SELECT MAX(id) FROM flights WHERE origin ~* '^j' AND origin !~ 'x'", [(198,)]),
    ("SELECT COUNT(*) FROM flights WHERE origin = ANY(ARRAY['JFK', 'EWR'])", [(133,)]),
    ("SELECT COUNT(*) FILTER (WHERE delay > 0) FROM flights", [(156,)]),
    ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY delay) FROM flights", [(14.5,)]),
    ("SELECT to_char(moment, 'YYYY-MM'), EXTRACT(dow FROM moment) FROM flights WHERE id = 1",
     [("2013-01", 2)]),
    ("SELECT count FROM (SELECT COUNT(*) FROM flights) s ORDER BY count", [(200,)]),
    ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) "
     "SELECT SUM(n) FROM t", [(6,)]),
    ("SELECT x.n FROM (VALUES (1), (9)) AS x(n) WHERE x.n BETWEEN SYMMETRIC 2 AND 1", [(1,)]),
    ("SELECT f.id, (f).carrier FROM flights f WHERE (id, carrier) = (1, 'UA')", [(1, "UA")]),
    ("SELECT carrier, SUM(1) FROM flights GROUP BY GROUPING SETS ((carrier), ()) ORDER BY 1",
     [("UA", 200), (None, 200)]),
    ("SELECT date '2013-01-31' + interval '1 month', $$a'b$$, x.* FROM (SELECT 1) x",
     [(datetime(2013, 2, 28), "a'b", 1)]),
)  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), POSTGRES_QUERIES)
def test_postgresql_runs_what_analysts_write(
    postgres: Postgres, sql: str, expected: list[tuple[Any, ...]]
) -> None:
    named: dict[str, Scalar] = {"n": 3, "c": "UA"}
    parameters = {name: value for name, value in named.items() if f":{name}" in sql}
    assert postgres.rows(sql, parameters) == expected


POSTGRES_REFUSED = (
    ("function", "SELECT pg_read_file('/etc/passwd')"),
    ("function", "SELECT * FROM dblink('x', 'SELECT 1') AS t(a int)"),
    ("function", "SELECT lo_get(424242)"),
    ("function", "SELECT query_to_xml('SELECT 1', true, false, '')"),
    ("function", "SELECT set_config('role', 'postgres', false), 1"),
    ("function", "SELECT current_setting('data_directory')"),
    ("function", "SELECT pg_sleep(10)"),
    ("function", "SELECT nextval('counter')"),
    ("function", "SELECT xpath('/a', '<a/>')"),
    ("function", "SELECT xmlparse(DOCUMENT '<a/>')"),
    ("function", "SELECT current_user"),
    ("function", "SELECT version()"),
    ("function", "SELECT public.spy()"),
    ("function", "SELECT spy_any(id) FROM flights"),
    ("construct", "SELECT 'secrets'::regclass"),
    ("type", "SELECT '<a/>'::xml"),
    ("type", "SELECT 'fine'::mood"),
    ("type", "SELECT 'secrets'::name"),
    ("unknown_table", "SELECT * FROM pg_catalog.pg_authid"),
    ("unknown_table", "SELECT * FROM pg_user"),
    ("unknown_table", "SELECT * FROM information_schema.tables"),
    ("unknown_column", "SELECT ctid FROM flights"),
    ("unknown_column", "SELECT f.spy_record FROM flights f"),
    ("construct", "SELECT * FROM ONLY flights"),
    ("construct", "SELECT * FROM flights FOR UPDATE"),
    ("construct", "SELECT * FROM flights TABLESAMPLE SYSTEM (10)"),
    ("construct", "SELECT * FROM ROWS FROM (generate_series(1, 2)) x"),
    ("construct", "SELECT 1 OPERATOR(pg_catalog.+) 2"),
    ("not_a_query", "TABLE flights"),
    ("not_a_query", "COPY flights TO '/tmp/x'"),
)


@pytest.mark.parametrize(("rule", "sql"), POSTGRES_REFUSED)
def test_postgresqls_ways_out_are_refused_by_their_rule(rule: str, sql: str) -> None:
    with pytest.raises(SqlRefused) as caught:
        Postgres(None).rows(sql)  # type: ignore[arg-type]  # nothing is sent
    error = caught.value
    assert error.rule in (rule, "syntax"), error
    assert error.line == 1
    assert error.remedy


def test_every_function_that_may_be_called_on_postgresql_exists_and_keeps_nothing(
    postgres: Postgres,
) -> None:
    found = postgres.connection.execute(
        "SELECT proname, bool_or(provolatile = 'v') FROM pg_catalog.pg_proc "
        "WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY 1"
    ).fetchall()
    known = dict(found)
    # Keywords of the grammar.
    grammar = {"coalesce", "current_date", "current_time", "current_timestamp", "greatest"}
    grammar |= {"grouping", "least", "localtime", "localtimestamp", "nullif", "row"}
    # Of newer versions than the one at hand.
    newer = {name for name in ("casefold", "crc32", "array_sort", "array_reverse", "erf", "uuidv4",
                               "uuidv7", "gamma", "lgamma") if name not in known}  # fmt: skip
    assert not POSTGRES.functions - known.keys() - grammar - newer
    volatile = {name for name in POSTGRES.functions if known.get(name)}
    random = {"random", "gen_random_uuid", "uuidv4", "uuidv7", "array_sample", "array_shuffle"}
    assert volatile <= random | {"clock_timestamp"}
    doubtful = (
        "pg_",
        "reg",
        "xml",
        "lo_",
        "setting",
        "config",
        "dblink",
        "nextval",
        "sleep",
        "try_lock",
    )
    allowed = ("regr_", "regexp_")
    assert not [
        name
        for name in POSTGRES.functions
        for word in doubtful
        if word in name and not any(part in name for part in allowed)
    ]


@pytest.mark.parametrize(
    ("mask", "column", "shown"),
    [
        ("redact", "email", "***"),
        ("null", "email", None),
        ("last4", "phone", "***0001"),
        ("last4", "team", "***"),
        ("last4", "wages", "***2001"),
        ("year", "born", datetime(1980, 1, 1)),
        ("year", "wages", None),
        ("year", "email", None),
        ("redact", "mood", "***"),
    ],
)
def test_a_mask_shows_the_same_on_postgresql_as_on_duckdb(
    postgres: Postgres, mask: Mask, column: str, shown: object
) -> None:
    columns = {**world.full("name"), column: ColumnAccess(column, (ColumnCase(TRUE, mask),))}
    visible = {"public.people": world.table("people", columns)}
    sql = f"SELECT {column} FROM people WHERE name = 'ann'"
    assert postgres.rows(sql, visible=visible) == [(shown,)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2010-02-28", datetime(2010, 1, 1)),
        ("2010-02-28 10:00:00", datetime(2010, 1, 1)),
        ("0044-03-15 BC", None),
        ("0000-01-01", None),
        ("20100228", None),
        ("2010-13-01", None),
        ("infinity", None),
        ("now", None),
    ],
)
def test_the_year_of_a_text_is_that_of_a_date_and_never_an_error(
    postgres: Postgres, text: str, shown: object
) -> None:
    column = exp.Literal.string(text)
    year = POSTGRES.mask("year", column, exp.null()).sql("postgres")
    assert postgres.connection.execute(f"SELECT {year}").fetchall() == [(shown,)]


def test_a_pseudonym_is_the_same_on_every_engine(postgres: Postgres) -> None:
    import duckdb

    key, name = exp.Literal.string("test-key"), exp.Literal.string("Zoë")
    values = set()
    with duckdb.connect() as connection:
        text = dialect_named("duckdb").mask("hash", name.copy(), key.copy()).sql("duckdb")
        values.add(connection.execute(f"SELECT {text}").fetchall()[0][0])
    text = POSTGRES.mask("hash", name, key).sql("postgres")
    values.add(postgres.connection.execute(f"SELECT {text}").fetchall()[0][0])
    assert len(values) == 1
    assert len(values.pop()) == 16


@pytest.mark.parametrize("mask", ["redact", "null", "hash", "last4", "year"])
@pytest.mark.parametrize("dialect", SCHEMAS)
def test_every_mask_is_written_in_every_dialect(dialect: str, mask: Mask) -> None:
    made = plan(dialect, f"SELECT carrier FROM {SCHEMAS[dialect]}.flights", mask=mask)
    assert ("k" in made.parameters.values()) == (mask == "hash")
    text = made.sql.replace("%(", ":").replace(")s", "") if dialect == "postgres" else made.sql
    sqlglot.parse_one(text, read=dialect)


@pytest.mark.parametrize("dialect", SCHEMAS)
@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT '" + "x" * 3_000_000 + "'", "too_long"),
        ("SELECT " + "(" * 9_900 + "1" + ")" * 9_900, "too_deep"),
        ("SELECT " + "(SELECT " * 2_000 + "1" + ")" * 2_000, "too_deep"),
        ("SELECT " + "CASE WHEN " * 1_500 + "1", "too_deep"),
        ("SELECT " + "-" * 1 + " -".join(["1"] * 6_000), "too_deep"),
        ("SELECT 'a\0b'", "syntax"),
        ("SELECT '\ud800'", "syntax"),
        ("SELECT \ud800", "syntax"),
        ("SELECT 'open", "syntax"),
        ("SELECT /* open", "syntax"),
        ("", "not_a_query"),
        (";;;", "not_a_query"),
        ("SELECT", "syntax"),
    ],
)
def test_bad_input_is_refused_at_once_in_every_dialect(dialect: str, sql: str, rule: str) -> None:
    error = refusal(dialect, sql)
    assert error.rule == rule, error
    assert error.remedy
    assert len(str(error)) < 500
