"""What must be refused on PostgreSQL: it would read, write or tell what no query may."""

from __future__ import annotations

from tests.sql.attacks.case import Corpus

__all__ = ["REFUSED"]


def _select(calls: str) -> tuple[str, ...]:
    return tuple(f"SELECT {call}" for call in calls.strip().splitlines())


REFUSED: Corpus = {
    "statement": (
        "TABLE secrets",
        "VALUES (1)",
        "COPY secrets TO STDOUT",
        "COPY (SELECT * FROM secrets) TO '/tmp/saaf_attack'",
        "COPY flights FROM PROGRAM 'id'",
        "COPY (SELECT 1) TO PROGRAM 'touch /tmp/saaf_attack'",
        "DO $$ BEGIN PERFORM pg_sleep(9); END $$",
        "PREPARE p AS SELECT * FROM secrets",
        "EXECUTE p",
        "DECLARE c CURSOR FOR SELECT * FROM secrets",
        "FETCH ALL FROM c",
        "LISTEN canary",
        "NOTIFY canary, 'x'",
        "LOCK TABLE flights",
        "VACUUM",
        "ANALYZE flights",
        "CLUSTER",
        "REINDEX TABLE flights",
        "CHECKPOINT",
        "LOAD 'plpgsql'",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "RESET ALL",
        "SHOW data_directory",
        "DISCARD ALL",
        "REFRESH MATERIALIZED VIEW secret_view",
        "IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z",
        "COMMENT ON TABLE flights IS 'x'",
        "SECURITY LABEL ON TABLE flights IS 'x'",
        "CREATE EXTENSION dblink",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM secrets",
        "SELECT * FROM flights FOR SHARE",
        "SELECT * FROM flights FOR NO KEY UPDATE SKIP LOCKED",
        "SELECT * FROM flights FOR KEY SHARE NOWAIT",
        "SELECT id INTO TEMP stolen FROM flights",
        "WITH a AS (MERGE INTO flights USING people ON true WHEN MATCHED THEN DELETE RETURNING *) "
        "SELECT * FROM a",
        "WITH a AS (TABLE secrets) SELECT * FROM a",
        "SELECT 1; COMMIT; DROP TABLE flights",
        "SELECT 1\\; DELETE FROM flights",
        "\\copy flights to '/tmp/saaf_attack'",
    ),
    "file": _select("""
pg_read_file('/etc/passwd')
pg_read_file('PG_VERSION', 0, 100, true)
pg_read_binary_file('/etc/passwd')
pg_ls_dir('.')
pg_ls_logdir()
pg_ls_waldir()
pg_ls_tmpdir()
pg_stat_file('/etc/passwd')
pg_current_logfile()
pg_file_write('x', 'y', false)
lo_import('/etc/passwd')
lo_export(424242, '/tmp/saaf_attack')
lo_get(424242)
lo_put(424242, 0, 'x')
lo_create(1)
lo_open(424242, 262144)
lo_unlink(424242)
lo_from_bytea(0, 'x')
loread(0, 100)
* FROM pg_read_file('/etc/passwd')
* FROM pg_ls_dir('.') d
* FROM pg_catalog.pg_read_file('/etc/passwd') f
* FROM ROWS FROM (pg_ls_dir('.'), generate_series(1, 3)) r
"""),
    "SQL in a string": _select("""
query_to_xml('SELECT * FROM secrets', true, false, '')
query_to_xml_and_xmlschema('SELECT * FROM secrets', true, false, '')
query_to_xmlschema('SELECT * FROM secrets', true, false, '')
table_to_xml('secrets', true, false, '')
table_to_xmlschema('secrets', true, false, '')
schema_to_xml('public', true, false, '')
database_to_xml(true, false, '')
cursor_to_xml('c', 1, true, false, '')
dblink('dbname=postgres', 'SELECT 1')
dblink_exec('dbname=postgres', 'DROP TABLE flights')
ts_stat('SELECT to_tsvector(v) FROM secrets')
ts_rewrite('a'::tsquery, 'SELECT * FROM secrets')
* FROM ts_stat('SELECT to_tsvector(v) FROM secrets')
* FROM crosstab('SELECT v, v, v FROM secrets') AS c(a text, b text)
* FROM dblink('dbname=postgres', 'SELECT 1') AS t(a int)
* FROM connectby('secrets', 'v', 'n', 'x', 0) AS t(a text, b text, c int)
xpath('/', query_to_xml('SELECT * FROM secrets', true, false, ''))
pg_catalog.query_to_xml('SELECT * FROM secrets', true, false, '')
"pg_catalog"."query_to_xml"('SELECT * FROM secrets', true, false, '')
"query_to_xml"('SELECT * FROM secrets', true, false, '')
QUERY_TO_XML('SELECT * FROM secrets', true, false, '')
"""),
    "server": _select("""
pg_sleep(9)
pg_sleep_for('9 s')
pg_sleep_until(now() + interval '9 s')
pg_reload_conf()
pg_rotate_logfile()
pg_terminate_backend(1)
pg_cancel_backend(1)
pg_promote()
pg_switch_wal()
pg_create_restore_point('x')
pg_logical_emit_message(false, 'x', 'y')
pg_notify('canary', 'x')
pg_advisory_lock(1)
pg_try_advisory_lock(1)
pg_advisory_xact_lock(1)
pg_backend_pid()
pg_export_snapshot()
pg_current_xact_id()
txid_current()
pg_stat_reset()
pg_stat_get_activity(NULL)
pg_prewarm('secrets')
nextval('counter')
setval('counter', 99)
currval('counter')
lastval()
pg_sequence_last_value('counter')
set_config('role', 'postgres', false)
set_config('search_path', 'vault', false)
current_setting('data_directory')
current_setting('saaf.canary')
inet_server_addr()
inet_client_addr()
version()
pg_postmaster_start_time()
pg_conf_load_time()
setseed(0.5)
pg_cursor()
pg_prepared_statement()
brin_summarize_new_values('x')
gin_clean_pending_list('x')
pg_import_system_collations('public')
pg_replication_origin_create('x')
pg_create_physical_replication_slot('x')
binary_upgrade_set_next_pg_type_oid(1)
"""),
    "catalog": _select("""
* FROM pg_catalog.pg_class
* FROM pg_class
* FROM pg_tables
* FROM pg_authid
* FROM pg_shadow
* FROM pg_stats
* FROM pg_statistic
* FROM pg_stat_activity
* FROM pg_settings
* FROM pg_proc
* FROM pg_largeobject
* FROM pg_locks
* FROM pg_description
* FROM pg_enum
* FROM pg_views
* FROM pg_hba_file_rules
* FROM pg_file_settings
* FROM pg_toast.pg_toast_1
* FROM information_schema.columns
* FROM information_schema.views
* FROM pg_temp.secrets
'secrets'::regclass
'secrets'::regclass::oid::text
16384::regclass
'public'::regnamespace
'postgres'::regrole
'spy'::regproc
'spy()'::regprocedure
'int4'::regtype
CAST('secrets' AS pg_catalog.regclass)
regclass 'secrets'
to_regclass('secrets')
to_regtype('mood')
to_regproc('spy')
pg_get_viewdef('secret_view')
pg_get_functiondef(1)
pg_get_expr('x', 1)
pg_relation_size('secrets')
pg_total_relation_size('secrets')
pg_table_size('secrets')
pg_database_size('postgres')
pg_relation_filepath('secrets')
pg_column_size(f) FROM flights f
pg_typeof(mood) FROM people
pg_column_compression(note) FROM flights
obj_description(1, 'pg_class')
col_description(1, 1)
has_table_privilege('secrets', 'select')
has_column_privilege('flights', 'tailnum', 'select')
format_type(1, 1)
pg_describe_object(1, 1, 0)
pg_identify_object(1, 1, 0)
enum_range(mood) FROM people
enum_range(NULL::mood)
enum_last(NULL::mood)
current_database()
current_schema
current_schema()
current_schemas(true)
current_user
session_user
current_catalog
current_query()
pg_options_to_table(ARRAY['a=b'])
pg_show_all_settings()
pg_timezone_names()
pg_get_keywords()
pg_event_trigger_ddl_commands()
pg_stat_get_live_tuples(1)
row_security_active('flights')
"""),
    "user's function": _select("""
spy()
public.spy()
"public"."spy"()
"spy"()
* FROM spy()
* FROM spy_rows()
* FROM public.spy_rows() r
(spy_rows()).v
tailnum(f) FROM flights f
spy_any(f) FROM flights f
spy_any(1)
"""),
    "type": _select("""
'fine'::mood
CAST('zzz' AS mood)
NULL::flights
('(1,2)'::secrets).v
json_populate_record(NULL::secrets, '{}')
jsonb_populate_recordset(NULL::flights, '[{}]')
* FROM json_to_record('{}') AS t(a secrets)
'x'::public.mood
'x'::"char"
'x'::xml
'x'::oid
'x'::pg_lsn
'x'::refcursor
'a'::tsvector
'x'::name
'x'::unknown_type
"""),
    "construct": (
        "SELECT * FROM ONLY secrets",
        "SELECT * FROM secrets *",
        "SELECT * FROM flights TABLESAMPLE SYSTEM (10)",
        "SELECT * FROM flights TABLESAMPLE BERNOULLI (10) REPEATABLE (1)",
        "SELECT xmlforest(f.note) FROM flights f",
        "SELECT xmlelement(name x, f.note) FROM flights f",
        "SELECT xmlagg(xmlelement(name x, note)) FROM flights",
        "SELECT * FROM xmltable('/x' PASSING '<x/>' COLUMNS a text PATH '.') t",
        "SELECT xmlparse(DOCUMENT '<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]><x/>')",
        "SELECT xpath('/', '<x/>'::xml)",
        "SELECT 1 OPERATOR(pg_catalog.+) 1",
        "SELECT 1 OPERATOR(public.@@@) 1",
        "SELECT $1",
        "SELECT ?",
        "SELECT %s",
        "SELECT %(x)s",
        "SELECT id FROM flights WHERE id = $1",
        "SELECT * FROM flights, LATERAL spy_rows() s",
        "SELECT * FROM flights WHERE CURRENT OF c",
        "WITH RECURSIVE t AS (SELECT * FROM t) SELECT * FROM t",
        "WITH RECURSIVE t AS (SELECT 1 AS v EXCEPT SELECT v FROM t) SELECT * FROM t",
        "WITH RECURSIVE flights AS (SELECT * FROM flights) SELECT * FROM flights",
    ),
}
