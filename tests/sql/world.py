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

SCHEMA = """
CREATE TYPE mood AS ENUM ('fine', 'CANARY_ENUM');
CREATE TABLE flights (
  id INTEGER, carrier VARCHAR, origin VARCHAR, delay INTEGER, note VARCHAR, tailnum VARCHAR,
  moment TIMESTAMP);
INSERT INTO flights
  SELECT i, 'UA', ['JFK', 'EWR', 'LGA'][i % 3 + 1], i % 50 - 10, 'note ' || i, 'CANARY_TAIL_' || i,
         TIMESTAMP '2013-01-01' + to_hours(i)
  FROM range(1, 201) t(i);
INSERT INTO flights
  SELECT 424242000 + i, 'B6', 'JFK', 424242, 'CANARY_ROW_' || i, 'CANARY_TAIL_' || i,
         TIMESTAMP '2013-01-01' + to_hours(i)
  FROM range(1, 101) t(i);
CREATE TABLE people (
  name VARCHAR, team VARCHAR, email VARCHAR, phone VARCHAR, born DATE, wages INTEGER,
  badge VARCHAR, mood mood);
INSERT INTO people VALUES
  ('ann', 'a', 'ann@x.org', '555-0001', '1980-05-17', 424242001, 'CANARY_BADGE_1', 'fine'),
  ('bob', 'b', 'CANARY_MAIL_bob', 'CANARY5550002', '1990-06-18', 424242002, 'CANARY_BADGE_2',
   'CANARY_ENUM'),
  ('cyd', 'b', 'CANARY_MAIL_cyd', 'CANARY5550003', '2000-07-19', 424242003, 'CANARY_BADGE_3',
   'CANARY_ENUM');
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
CREATE MACRO spy() AS (SELECT max(v) FROM secrets);
CREATE MACRO spy_rows() AS TABLE SELECT * FROM secrets;
CREATE SEQUENCE counter;
COMMENT ON TABLE flights IS 'CANARY_COMMENT';
"""


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


def visible() -> dict[str, TableAccess]:
    """Flights of UA without tail numbers; people with one's own team's mail and else masks."""
    return {
        "main.flights": table(
            "main.flights",
            full("id", "carrier", "origin", "delay", "note", "moment"),
            Comparison("carrier", "eq", "UA"),
        ),
        "main.people": table(
            "main.people",
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
        "main.nothing": table("main.flights", full("id"), AnyOf()),
    }
