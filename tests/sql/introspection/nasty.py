"""Warehouses with everything in them that names, types and catalogs can come up with."""

from __future__ import annotations

from pathlib import Path

import duckdb

DUCKDB = """
CREATE TYPE mood AS ENUM ('fine', 'it''s, so so', 'no');
CREATE TABLE customers (
  id INTEGER PRIMARY KEY, name VARCHAR, "E-Mail" VARCHAR UNIQUE, phoneNumber VARCHAR,
  password_hash VARCHAR, api_token VARCHAR, country VARCHAR NOT NULL, mood mood, born DATE,
  notes VARCHAR);
COMMENT ON TABLE customers IS 'People who
  bought something: "once"';
COMMENT ON COLUMN customers.country IS 'ISO code: DE, FR # or so';
INSERT INTO customers SELECT i, 'Customer ' || i, 'c' || i || '@example.org', '+49 170 00000' || i,
  md5(i::VARCHAR), 'tok' || i, ['DE', 'FR', 'NO', 'yes', '007'][i % 5 + 1],
  CASE WHEN i % 2 = 0 THEN 'fine' ELSE 'no' END::mood, DATE '1980-01-01' + i::INTEGER,
  repeat('long ', 50)
FROM range(1, 101) t(i);
CREATE TABLE "order" (
  "select" INTEGER, "Order Date" TIMESTAMP, "from" VARCHAR, "wei""rd" VARCHAR, "größe" DOUBLE,
  "日本" VARCHAR, customer_id INTEGER REFERENCES customers (id), total DECIMAL(10, 2),
  doubled DECIMAL(12, 2) GENERATED ALWAYS AS (total * 2) VIRTUAL,
  "a.b" VARCHAR, "semi;colon" VARCHAR,
  "back\\slash" VARCHAR, "#hash" VARCHAR, "key: value" VARCHAR, "  spaces  " VARCHAR, ok BOOLEAN,
  PRIMARY KEY ("select", "from"));
COMMENT ON COLUMN "order".total IS 'Euro';
INSERT INTO "order" ("select", "Order Date", "from", "wei""rd", "größe", "日本", customer_id, total,
    "a.b", "semi;colon", "back\\slash", "#hash", "key: value", "  spaces  ", ok)
  SELECT i, TIMESTAMP '2024-01-01' + to_hours(i), 'shop',
    ['a"b', 'it''s', '- dash', '{x}', '"'][i % 5 + 1],
    i / 3.0, ['あ', 'い'][i % 2 + 1], i % 100 + 1, i * 1.5, ['null', '~'][i % 2 + 1],
    ['true', '1e3', '0x1f'][i % 3 + 1], ['a\\b', 'c'][i % 2 + 1], ['# x', 'y'][i % 2 + 1],
    ['k: v', 'w'][i % 2 + 1], ['  pad ', ''][i % 2 + 1], i % 2 = 0
  FROM range(1, 301) t(i);
CREATE TABLE nested (
  id INTEGER, tags VARCHAR[], address_parts STRUCT(street VARCHAR, no INTEGER),
  attributes MAP(VARCHAR, INTEGER), raw BLOB, doc JSON, uid UUID, span INTERVAL,
  wide STRUCT(aaaaaaaaaaaaaaaaaaaa INTEGER, bbbbbbbbbbbbbbbbbbbbbbbbbbb INTEGER,
    cccccccccccccccccccccccccc INTEGER, dddddddddddddddddddddd INTEGER, eeeeeeeeeeeeeeee INTEGER,
    ffffffffffffffffffffffffff INTEGER, gggggggggggggggggggggg INTEGER, hhhhhhhhhhhhhhhh INTEGER));
CREATE TABLE empty (id BIGINT, what VARCHAR, happened TIMESTAMP WITH TIME ZONE);
CREATE TABLE doomed (x INTEGER);
CREATE VIEW broken AS SELECT * FROM doomed;
DROP TABLE doomed;
CREATE VIEW recent AS SELECT customer_id, total FROM "order" WHERE total > 10;
COMMENT ON VIEW recent IS 'Orders over ten';
CREATE SCHEMA sales;
CREATE TABLE sales.regions (code VARCHAR PRIMARY KEY, label VARCHAR);
INSERT INTO sales.regions VALUES ('N', 'North'), ('S', 'South');
CREATE TABLE sales.customers (
  id INTEGER PRIMARY KEY, region VARCHAR REFERENCES sales.regions (code));
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."My Table" (id INTEGER, "dot.ted" INTEGER);
CREATE SCHEMA "do.t";
CREATE TABLE "do.t".hidden (id INTEGER);
CREATE TABLE vault (secret VARCHAR, token VARCHAR);
"""

POSTGRES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
CREATE DOMAIN euro AS numeric(10, 2) CHECK (VALUE >= 0);
CREATE DOMAIN word AS varchar(20) NOT NULL;
CREATE SCHEMA sales;
CREATE TABLE sales.customers (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE, "Mixed Case" text,
  address inet, country word, feeling mood, since timestamptz DEFAULT now(), tags text[],
  password text);
COMMENT ON TABLE sales.customers IS 'Who buys';
COMMENT ON COLUMN sales.customers.country IS 'ISO code';
INSERT INTO sales.customers (email, "Mixed Case", country, feeling, tags, password)
  SELECT 'c' || i || '@example.org', 'x', (ARRAY['DE', 'FR', 'NO'])[i % 3 + 1], 'ok', '{a,b}', 'p'
  FROM generate_series(1, 90) i;
CREATE TABLE sales.lines (
  order_no integer, line_no integer, customer integer REFERENCES sales.customers (id),
  price euro, at timestamp, forever date, PRIMARY KEY (order_no, line_no));
INSERT INTO sales.lines SELECT i, 1, i % 90 + 1, i, '2024-01-01'::timestamp + i * interval '1 hour',
  CASE i WHEN 1 THEN 'infinity'::date ELSE '2024-05-05' END FROM generate_series(1, 500) i;
CREATE TABLE sales.shipments (
  order_no integer, line_no integer, sent date,
  FOREIGN KEY (order_no, line_no) REFERENCES sales.lines (order_no, line_no));
CREATE TABLE events (id bigint, day date NOT NULL, kind text) PARTITION BY RANGE (day);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO events SELECT i, '2024-06-01'::date + i % 400, (ARRAY['click', 'view'])[i % 2 + 1]
  FROM generate_series(1, 1000) i;
CREATE MATERIALIZED VIEW daily AS SELECT day, count(*) AS events FROM events GROUP BY day;
CREATE VIEW per_country AS SELECT country, count(*) AS customers FROM sales.customers GROUP BY 1;
COMMENT ON VIEW per_country IS 'Customers by country';
CREATE TABLE "Foo" (a integer);
CREATE TABLE foo (a integer, "A" integer, b text);
CREATE TABLE hidden (a integer);
CREATE TABLE odd (doc jsonb, place point, amount money, bits bit(3), nan numeric, f float8);
INSERT INTO odd VALUES ('{}', '(1,2)', 3, B'101', 'NaN', 'Infinity'),
  ('{}', '(1,2)', 3, B'101', 1, 2);
"""


def build(path: Path) -> Path:
    """The DuckDB file."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(DUCKDB)
    return path
