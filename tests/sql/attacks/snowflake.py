"""Attacks on Snowflake: planned, never run; what must be refused, and what must stay projected."""

from __future__ import annotations

from tests.sql.attacks.case import Corpus

__all__ = ["CONTAINED", "REFUSED"]


def _select(calls: str) -> tuple[str, ...]:
    return tuple(f"SELECT {call}" for call in calls.strip().splitlines())


REFUSED: Corpus = {
    "statement": (
        "COPY INTO @~/x FROM flights",
        "COPY INTO flights FROM @stage",
        "PUT file:///etc/passwd @~",
        "GET @~/x file:///tmp",
        "LIST @~",
        "LS @~",
        "REMOVE @~/x",
        "USE ROLE ACCOUNTADMIN",
        "USE SECONDARY ROLES ALL",
        "USE DATABASE vault",
        "EXECUTE IMMEDIATE 'SELECT * FROM secrets'",
        "EXECUTE IMMEDIATE $$ SELECT * FROM secrets $$",
        "EXECUTE TASK t",
        "BEGIN LET x := 1; RETURN x; END",
        "DECLARE x INT; BEGIN RETURN 1; END",
        "UNDROP TABLE flights",
        "SHOW GRANTS",
        "SHOW SECRETS",
        "DESC TABLE secrets",
        "SET x = (SELECT max(v) FROM secrets)",
        "UNSET x",
        "CREATE STAGE s URL = 's3://evil'",
        "ALTER SESSION SET QUERY_TAG = 'x'",
        "CALL SYSTEM$WAIT(60)",
        "TABLE secrets",
        "VALUES (1)",
        "WITH p AS PROCEDURE () RETURNS TABLE () LANGUAGE SQL AS $$ SELECT 1 $$ CALL p()",
        "SELECT * FROM flights ->> SELECT * FROM $1",
        "SHOW TABLES ->> SELECT * FROM $1",
        "INSERT ALL INTO flights SELECT 1",
        "SELECT $$ x $$; DROP TABLE flights",
    ),
    "stage": _select("""
$1 FROM @stage
$1, $2 FROM @~/x.csv
* FROM @stage/path (FILE_FORMAT => 'csv')
t.$1 FROM @mystage t
* FROM @%flights
* FROM '@stage'
* FROM TABLE(INFER_SCHEMA(LOCATION => '@stage', FILE_FORMAT => 'x'))
* FROM DIRECTORY(@stage)
GET_PRESIGNED_URL(@stage, 'x')
BUILD_SCOPED_FILE_URL(@stage, 'x')
BUILD_STAGE_FILE_URL(@stage, 'x')
GET_STAGE_LOCATION(@stage)
METADATA$FILENAME FROM @stage
TO_FILE('@stage', 'x')
"""),
    "name in a string": _select("""
* FROM IDENTIFIER('secrets')
* FROM IDENTIFIER($t)
* FROM IDENTIFIER('vault.keys')
IDENTIFIER('tailnum') FROM flights
IDENTIFIER('SYSTEM$WAIT')(1)
* FROM TABLE('secrets')
* FROM TABLE($t)
* FROM TABLE(IDENTIFIER('secrets'))
* FROM $1
* FROM TABLE(?)
t.* FROM flights f, TABLE('secrets') t
* FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))
* FROM TABLE(RESULT_SCAN('01b-uuid'))
* FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY())
* FROM TABLE(vault.information_schema.login_history())
* FROM TABLE(spy_rows())
* FROM LATERAL spy_rows()
* FROM TABLE(FLATTEN(INPUT => (SELECT ARRAY_AGG(v) FROM secrets)))
* FROM LATERAL FLATTEN(INPUT => (SELECT ARRAY_AGG(v) FROM secrets))
* FROM flights f, LATERAL FLATTEN(INPUT => (SELECT ARRAY_AGG(v) FROM vault.keys)) x
* FROM TABLE(TO_QUERY('SELECT * FROM secrets'))
* FROM TO_QUERY(SQL => 'SELECT * FROM secrets')
* FROM SEMANTIC_VIEW(v METRICS m)
* FROM TABLE(EXTERNAL_TABLE_FILES('x'))
* FROM TABLE(udtf(1) OVER (PARTITION BY 1))
"""),
    "time travel": _select("""
* FROM secrets AT (OFFSET => -60)
* FROM flights AT (OFFSET => -60)
* FROM flights BEFORE (STATEMENT => 'x')
* FROM flights AT (TIMESTAMP => '2020-01-01'::TIMESTAMP)
* FROM flights AT (STREAM => 's')
* FROM flights CHANGES (INFORMATION => DEFAULT) AT (OFFSET => -60)
* FROM flights VERSION AS OF 1
"""),
    "server": _select("""
SYSTEM$WAIT(60)
SYSTEM$TYPEOF(note) FROM flights
SYSTEM$CANCEL_QUERY('x')
SYSTEM$CLUSTERING_INFORMATION('secrets')
SYSTEM$GET_PREDECESSOR_RETURN_VALUE()
SYSTEM$ALLOWLIST()
SYSTEM$ABORT_SESSION(1)
"SYSTEM$WAIT"(60)
SYSTEM$REFERENCE('TABLE', 'secrets')
GET_DDL('TABLE', 'secrets')
GET_DDL('VIEW', 'secret_view', true)
CURRENT_USER()
CURRENT_USER
CURRENT_ROLE()
CURRENT_ACCOUNT()
CURRENT_DATABASE()
CURRENT_SCHEMA()
CURRENT_SESSION()
CURRENT_STATEMENT()
CURRENT_WAREHOUSE()
CURRENT_VERSION()
CURRENT_IP_ADDRESS()
CURRENT_SECONDARY_ROLES()
CURRENT_AVAILABLE_ROLES()
IS_ROLE_IN_SESSION('ACCOUNTADMIN')
INVOKER_ROLE()
LAST_QUERY_ID()
LAST_TRANSACTION()
GETVARIABLE('x')
$x
$secrets
seq1.NEXTVAL
seq1.nextval
seq1."NEXTVAL"
counter.NEXTVAL FROM flights
vault.counter.NEXTVAL FROM flights
w.vault.counter.NEXTVAL FROM flights
c.NEXTVAL FROM flights f, LATERAL FLATTEN(SPLIT(f.note, ' ')) c
(SELECT counter.NEXTVAL) FROM flights
SNOWFLAKE.CORTEX.COMPLETE('m', note) FROM flights
AI_COMPLETE('m', note) FROM flights
AI_EXTRACT(note, ['x']) FROM flights
SNOWFLAKE.CORTEX.TRANSLATE('x', 'en', 'de')
CORTEX_SEARCH_PREVIEW('x', 'y')
SNOWFLAKE.ML.FORECAST('x')
ENCRYPT(note, 'x') FROM flights
DECRYPT(note, 'x') FROM flights
spy()
public.spy()
vault.spy(note) FROM flights
my_external_function(note) FROM flights
HASH_AGG(*) FROM secrets
POLICY_CONTEXT('x')
ESTIMATE_REMAINING_DML_COUNT('x')
VALIDATE_PIPE_LOAD('x')
FILTER(ARRAY_CONSTRUCT(1), x -> x > 0)
TRANSFORM(ARRAY_CONSTRUCT(1), x INT -> x * 2)
REDUCE([1, 2], 0, (a, x) -> a + x)
"""),
    "catalog": _select("""
* FROM information_schema.tables
* FROM vault.information_schema.columns
* FROM snowflake.account_usage.query_history
* FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY
* FROM "INFORMATION_SCHEMA"."TABLES"
* FROM w.information_schema.views
"""),
    "construct": (
        "SELECT * FROM flights SAMPLE (10)",
        "SELECT * FROM flights TABLESAMPLE BERNOULLI (10)",
        "SELECT * FROM flights MATCH_RECOGNIZE (PATTERN (a) DEFINE a AS true)",
        "SELECT * FROM flights PIVOT (SUM(delay) FOR origin IN ('JFK'))",
        "SELECT * FROM flights PIVOT (SUM(delay) FOR origin IN (SELECT v FROM secrets))",
        "SELECT * FROM flights UNPIVOT (v FOR n IN (id, delay))",
        "SELECT id FROM flights START WITH id = 1 CONNECT BY PRIOR id = id - 1",
        "SELECT SYS_CONNECT_BY_PATH(note, '/') FROM flights CONNECT BY id = PRIOR id",
        "SELECT CONNECT_BY_ROOT note FROM flights CONNECT BY id = PRIOR id",
        "SELECT * FROM flights RESAMPLE (USING moment INCREMENT BY INTERVAL '1 day')",
        "SELECT 'x'::secrets",
        "SELECT CAST('x' AS vault.keys)",
        "SELECT *, $1 FROM flights",
        "SELECT $1 FROM flights",
        "SELECT f.$1 FROM flights f",
        "SELECT $6, $7 FROM flights",
        "SELECT TOP 5 $1 FROM flights",
        "SELECT 1 FROM DUAL, secrets",
        "WITH RECURSIVE t AS (SELECT * FROM t) SELECT * FROM t",
        "SELECT * FROM flights ASOF JOIN secrets MATCH_CONDITION (flights.id >= secrets.n)",
        "SELECT * FROM secrets, LATERAL FLATTEN(v)",
        "SELECT * FROM vault.PUBLIC.flights",
        "SELECT * FROM vault..flights",
    ),
}

CONTAINED: Corpus = {
    "hidden column": (
        "SELECT * EXCLUDE tailnum FROM flights",
        "SELECT * EXCLUDE (id) RENAME (note AS tailnum) FROM flights",
        "SELECT * ILIKE '%tail%' FROM flights",
        "SELECT * REPLACE (tailnum AS note) FROM flights",
        "SELECT flights.*, tailnum FROM flights",
        "SELECT PUBLIC.flights.tailnum FROM flights",
        "SELECT w.PUBLIC.flights.tailnum FROM flights",
        'SELECT "tailnum", "TAILNUM" FROM flights',
        "SELECT f:tailnum FROM flights f",
        "SELECT note:tailnum::string FROM flights",
        "SELECT note['tailnum'] FROM flights",
        "SELECT OBJECT_CONSTRUCT(*) FROM flights",
        "SELECT OBJECT_CONSTRUCT_KEEP_NULL(*) FROM flights",
        "SELECT {*} FROM flights",
        "SELECT {* EXCLUDE id} FROM flights",
        "SELECT HASH(*) FROM flights",
        "SELECT COUNT(flights.*) FROM flights",
        "SELECT ARRAY_AGG(tailnum) WITHIN GROUP (ORDER BY tailnum) FROM flights",
        "SELECT LISTAGG(tailnum, ',') WITHIN GROUP (ORDER BY id) FROM flights",
        "SELECT id FROM flights QUALIFY ROW_NUMBER() OVER (ORDER BY tailnum) = 1",
        "SELECT id AS tailnum, tailnum || 'x' FROM flights",
        "SELECT METADATA$ACTION, METADATA$ROW_ID FROM flights",
        "SELECT saaf_t1.tailnum FROM flights",
    ),
    "hidden rows": (
        "SELECT * FROM flights f ASOF JOIN people p MATCH_CONDITION (f.moment >= p.born)",
        "SELECT MAX(note), MAX_BY(note, id), MODE(carrier), APPROX_TOP_K(note) FROM flights",
        "SELECT HLL(note), MINHASH(5, note), APPROX_COUNT_DISTINCT(note) FROM flights",
        "SELECT id FROM flights QUALIFY id = MAX(id) OVER ()",
        "SELECT * FROM flights WHERE carrier = $$B6$$",
        "SELECT * FROM flights WHERE carrier ILIKE ANY ('b6', 'x')",
        "SELECT * FROM flights WHERE carrier RLIKE 'B.'",
        "SELECT TRY_CAST(note AS INT), TRY_TO_NUMBER(note) FROM flights",
        "SELECT DIV0(1, id - 424242001), 1 / (id - 424242001) FROM flights",
        "SELECT IFF(carrier = 'B6', 1 / 0, 1) FROM flights",
        "SELECT TO_NUMBER(note) FROM flights WHERE carrier = 'B6'",
        "SELECT DECODE(carrier, 'B6', note, 'x'), NVL2(note, 1, 2) FROM flights",
        "SELECT BOOLOR_AGG(carrier = 'B6'), BITOR_AGG(id) FROM flights",
        "SELECT f.value FROM flights, LATERAL FLATTEN(INPUT => PARSE_JSON(note)) f",
        "SELECT * FROM TABLE(GENERATOR(ROWCOUNT => 1000000000000))",
        "SELECT * FROM TABLE(SPLIT_TO_TABLE('a.b', '.'))",
        "SELECT f.value FROM flights, TABLE(FLATTEN(SPLIT(note, ' '))) f",
        "SELECT f.this, f.path FROM flights, LATERAL FLATTEN(INPUT => SPLIT(note, ' '), "
        "OUTER => true, MODE => 'BOTH') f",
        "SELECT TOP 3 id FROM flights ORDER BY id DESC",
        "SELECT id FROM flights LIMIT 3 OFFSET 199",
        "SELECT id FROM flights FETCH FIRST 3 ROWS ONLY",
        "SELECT id FROM flights LIMIT NULL",
        "SELECT carrier, GROUPING(carrier) FROM flights GROUP BY CUBE (carrier)",
        "SELECT carrier, count(*) FROM flights GROUP BY ALL",
        "SELECT id FROM flights MINUS SELECT id FROM flights WHERE carrier = 'UA'",
        "SELECT * FROM flights f WHERE EXISTS (SELECT 1 FROM flights g WHERE g.id > f.id)",
    ),
    "names and CTEs": (
        "SELECT * FROM FLIGHTS",
        'SELECT * FROM "FLIGHTS"',
        'SELECT * FROM "flights"',
        'SELECT * FROM "Flights"',
        "SELECT * FROM PUBLIC.flights",
        "SELECT * FROM w.PUBLIC.flights",
        "SELECT * FROM w..flights",
        'WITH "flights" AS (SELECT 1 AS x) SELECT * FROM flights',
        'WITH flights AS (SELECT 1 AS x) SELECT * FROM "FLIGHTS"',
        'WITH "secrets" AS (SELECT 1 AS x) SELECT * FROM "secrets"',
        "WITH t AS (SELECT * FROM flights), flights AS (SELECT 1 AS x) SELECT * FROM t, flights",
        "SELECT * FROM flights AS f (a, b, c, d, e, g)",
        "SELECT * FROM (flights f JOIN people p ON true)",
        "SELECT * FROM ((flights))",
        "SELECT * FROM ﬂights",
        "SELECT * FROM ＦＬＩＧＨＴＳ",
    ),
    "text": (
        "SELECT $$ ' FROM secrets -- $$ AS t FROM flights",
        "SELECT $$\\' FROM secrets --$$ AS t FROM flights",
        "SELECT '\\' FROM secrets --' AS t FROM flights",
        "SELECT 'it\\'s', ' FROM secrets --' FROM flights",
        "SELECT 'a\\\\', ' FROM secrets --' FROM flights",
        "SELECT '\\x27 FROM secrets --' FROM flights",
        "SELECT '\\u0027 FROM secrets --' FROM flights",
        "SELECT '\\047 FROM secrets --' FROM flights",
        "SELECT 1 // FROM secrets\n FROM flights",
        "SELECT 1 -- FROM secrets\n FROM flights",
        "SELECT 1 /* FROM secrets */ FROM flights",
        "SELECT 1 /* /* */ FROM flights",
        'SELECT id AS "a"" FROM secrets --" FROM flights',
        "SELECT x'27', 1e3, .5 FROM flights",
        "SELECT '&x', '$x', ':x', '?' FROM flights",
        ("SELECT :x, '$$' || :x FROM flights", {"x": "$$ FROM secrets --"}),
        ("SELECT id FROM flights WHERE note = :x", {"x": "\\' OR 1=1 --"}),
        ("SELECT id FROM flights WHERE note LIKE :x ESCAPE '\\\\'", {"x": "%"}),
        "SELECT DATE_TRUNC('day'') FROM secrets --', moment) FROM flights",
        "SELECT note COLLATE 'en-ci' FROM flights",
    ),
}
