"""A small warehouse full of canaries, and what one caller may see of it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from saaf_autogen.auth.access import (
    TRUE,
    AnyOf,
    ColumnAccess,
    ColumnCase,
    Comparison,
    Predicate,
    TableAccess,
)

# Whatever the caller must never see holds one of these.
CANARIES = ("CANARY", "424242")
# Names that must not be told, unless the caller wrote them.
HIDDEN_NAMES = ("secrets", "tailnum", "vault", "keys", "badge", "spy")

# What DuckDB and PostgreSQL both take; the rest of each world is below or in its own module.
COMMON = """
CREATE TYPE mood AS ENUM ('fine', 'CANARY_ENUM');
CREATE TABLE flights (
  id INTEGER, carrier VARCHAR, origin VARCHAR, delay INTEGER, note VARCHAR, tailnum VARCHAR,
  moment TIMESTAMP);
INSERT INTO flights
  SELECT i, 'UA', CASE i % 3 WHEN 0 THEN 'JFK' WHEN 1 THEN 'EWR' ELSE 'LGA' END,
         i % 50 - 10, 'note ' || i, 'CANARY_TAIL_' || i,
         TIMESTAMP '2013-01-01' + i * INTERVAL '1 hour'
  FROM generate_series(1, 200) t(i);
INSERT INTO flights
  SELECT 424242000 + i, 'B6', 'JFK', 424242, 'CANARY_ROW_' || i, 'CANARY_TAIL_' || i,
         TIMESTAMP '2013-01-01' + i * INTERVAL '1 hour'
  FROM generate_series(1, 100) t(i);
CREATE TABLE people (
  name VARCHAR, team VARCHAR, email VARCHAR, phone VARCHAR, born DATE, wages INTEGER,
  badge VARCHAR, mood mood);
INSERT INTO people VALUES
  ('ann', 'a', 'ann@x.org', '555-0001', '1980-05-17', 424242001, 'CANARY_BADGE_1', 'fine'),
  ('bob', 'b', 'CANARY_MAIL_bob', 'CANARY5550002', '1990-06-18', 424242002, 'CANARY_BADGE_2',
   'CANARY_ENUM'),
  ('cyd', 'b', 'CANARY_MAIL_cyd', 'CANARY5550003', '2000-07-19', 424242003, 'CANARY_BADGE_3',
   'CANARY_ENUM');
CREATE TABLE members (id INTEGER, city VARCHAR, ssn VARCHAR, salary INTEGER);
INSERT INTO members
  SELECT i, CASE WHEN i <= 20 THEN 'Rome' ELSE 'CANARY_CITY' END, 'CANARY_SSN_' || (i % 10),
         424242000 + i
  FROM generate_series(1, 40) t(i);
CREATE TABLE secrets (v VARCHAR, n INTEGER);
INSERT INTO secrets VALUES ('CANARY_TABLE', 424242);
CREATE SCHEMA vault;
CREATE TABLE vault.keys (k VARCHAR);
INSERT INTO vault.keys VALUES ('CANARY_KEY');
CREATE TABLE vault.flights (k VARCHAR);
INSERT INTO vault.flights VALUES ('CANARY_VAULT');
CREATE TABLE "TABLE" (v VARCHAR);
INSERT INTO "TABLE" VALUES ('CANARY_TABLE_WORD');
CREATE TABLE "show" (v VARCHAR);
INSERT INTO "show" VALUES ('CANARY_SHOW');
CREATE VIEW secret_view AS SELECT * FROM secrets;
CREATE SEQUENCE counter;
COMMENT ON TABLE flights IS 'CANARY_COMMENT';
"""
SCHEMA = f"""{COMMON}
CREATE MACRO spy() AS (SELECT max(v) FROM secrets);
CREATE MACRO spy_rows() AS TABLE SELECT * FROM secrets;
"""


POSTGRES = f"""{COMMON}
CREATE FUNCTION spy() RETURNS varchar LANGUAGE sql AS 'SELECT max(v) FROM public.secrets';
CREATE FUNCTION spy_rows() RETURNS SETOF secrets LANGUAGE sql AS 'SELECT * FROM public.secrets';
CREATE FUNCTION spy_any(anyelement) RETURNS varchar LANGUAGE sql
  AS 'SELECT max(v) FROM public.secrets';
CREATE FUNCTION spy_record(record) RETURNS varchar LANGUAGE plpgsql
  AS 'BEGIN RETURN (SELECT max(v) FROM public.secrets); END';
CREATE FUNCTION lower(integer) RETURNS varchar LANGUAGE sql AS 'SELECT public.spy()';
CREATE FUNCTION "left"(record, integer) RETURNS varchar LANGUAGE plpgsql
  AS 'BEGIN RETURN (SELECT max(v) FROM public.secrets); END';
CREATE FUNCTION spy_pair(varchar, varchar) RETURNS varchar LANGUAGE sql
  AS 'SELECT max(v) FROM public.secrets';
CREATE OPERATOR + (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.spy_pair);
CREATE TABLE "Flights" (v VARCHAR);
INSERT INTO "Flights" VALUES ('CANARY_CASE');
CREATE TABLE public.pg_user (v VARCHAR);
SELECT lo_from_bytea(424242, 'CANARY_LARGE_OBJECT');
"""


def twin(schema: str) -> str:
    """A world with other secrets that looks the same to the caller of ``visible``.

    Masks that keep something of a value keep the same of it: last digits, years, pseudonyms.
    """
    for old, new in (
        ("CANARY_SSN", "SSN"),
        ("CANARY", "OTHERS"),
        ("SSN", "CANARY_SSN"),
        ("424242", "31313"),
        ("generate_series(1, 100)", "generate_series(1, 37)"),
        ("1990-06-18", "1990-01-30"),
        ("1980-05-17", "1980-12-24"),
        ("salary INTEGER", "salary BIGINT"),
    ):
        schema = schema.replace(old, new)
    return schema


def build(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(SCHEMA)


def full(*names: str) -> dict[str, ColumnAccess]:
    return {name: ColumnAccess(name, (ColumnCase(TRUE, None),)) for name in names}


def table(
    name: str,
    columns: dict[str, ColumnAccess],
    rows: Predicate = TRUE,
    *,
    max_rows: int | None = None,
    approval: bool = False,
) -> TableAccess:
    return TableAccess(
        f"wh://w/{name}", columns, rows, max_rows=max_rows, approval=approval, grants=("g",)
    )


OWN_TEAM = Comparison("team", "eq", "a")
ROME = Comparison("city", "eq", "Rome")


def visible(schema: str = "main") -> dict[str, TableAccess]:
    """Flights of UA without tail numbers; people with one's own team's mail and else masks.

    Args:
        schema: the engine's default schema.
    """
    return {
        f"{schema}.flights": table(
            f"{schema}.flights",
            full("id", "carrier", "origin", "delay", "note", "moment"),
            Comparison("carrier", "eq", "UA"),
        ),
        f"{schema}.people": table(
            f"{schema}.people",
            {
                **full("name", "team"),
                "email": ColumnAccess(
                    "email", (ColumnCase(OWN_TEAM, None), ColumnCase(TRUE, "redact"))
                ),
                "phone": ColumnAccess("phone", (ColumnCase(TRUE, "last4"),)),
                "born": ColumnAccess("born", (ColumnCase(TRUE, "year"),)),
                "wages": ColumnAccess("wages", (ColumnCase(TRUE, "null"),)),
                "mood": ColumnAccess("mood", (ColumnCase(OWN_TEAM, None),)),
            },
        ),
        f"{schema}.members": table(
            f"{schema}.members",
            {
                **full("id"),
                "city": ColumnAccess("city", (ColumnCase(ROME, None), ColumnCase(TRUE, "redact"))),
                "ssn": ColumnAccess("ssn", (ColumnCase(TRUE, "hash"),)),
            },
        ),
        f"{schema}.nothing": table(f"{schema}.flights", full("id"), AnyOf()),
    }
