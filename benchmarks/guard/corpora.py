"""Queries that a guard must let through: public benchmarks and the fixtures of a SQL parser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError, UnsupportedError

__all__ = ["CACHE", "CORPORA", "Query", "Schema", "read", "tpch_queries"]

CACHE = Path(__file__).parents[1] / ".cache"
CORPORA = ("spider", "bird", "tpch", "tpcds", "sqlglot")
_FIXTURES = CACHE / "sqlglot" / "tests" / "fixtures"
_TYPES = {"number": "DOUBLE", "integer": "BIGINT", "real": "DOUBLE", "boolean": "VARCHAR"}
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)

# Types of columns by table and name, both as they are written in the engine.
Schema = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Query:
    """A query in one dialect, and the schema of the database that it reads.

    Attributes:
        label: where it comes from.
        sql: as a caller would send it.
        database: which of the corpus's databases it reads.
        schema: the tables of that database.
        reference: the same query as DuckDB takes it.
        faithful: whether sqlglot translated all of it.
    """

    label: str
    sql: str
    database: str
    schema: Schema
    reference: str
    faithful: bool = True


def read(corpus: str, dialect: str) -> Iterator[Query]:
    """The queries of a corpus in a dialect, without those that sqlglot cannot transpile.

    Raises:
        FileNotFoundError: the corpus was not fetched; ``benchmarks/README.md`` says from where.
    """
    if corpus in ("spider", "bird"):
        yield from _questions(corpus, dialect)
    elif corpus == "sqlglot":
        yield from _fixtures(dialect)
    else:
        yield from _tpc(corpus, dialect)


def tpch_queries() -> list[str]:
    """The 22 queries of TPC-H, over the types that its specification says."""
    text = Path(__file__).with_name("tpch.sql").read_text()
    return [query.sql("duckdb") for query in sqlglot.parse(text) if query is not None]


def _questions(corpus: str, dialect: str) -> Iterator[Query]:
    folder = CACHE / corpus
    schemas = {
        entry["db_id"]: _schema(entry) for entry in json.loads((folder / "tables.json").read_text())
    }
    key = "query" if corpus == "spider" else "sql"
    for number, item in enumerate(json.loads((folder / "dev.json").read_text())):
        schema = schemas[item["db_id"]]
        tree = _from_sqlite(item[key], schema)
        if tree is not None:
            yield _query(f"{corpus} {number}", tree, dialect, item["db_id"], schema)


def _query(label: str, tree: exp.Expr, dialect: str, database: str, schema: Schema) -> Query:
    faithful = True
    try:
        tree.sql(dialect, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError:
        faithful = False
    sql = tree.sql(dialect, unsupported_level=ErrorLevel.IGNORE)
    reference = tree.sql("duckdb", unsupported_level=ErrorLevel.IGNORE)
    return Query(label, sql, database, schema, reference, faithful)


def _schema(entry: dict[str, Any]) -> dict[str, dict[str, str]]:
    tables: list[dict[str, str]] = [{} for _ in entry["table_names_original"]]
    for (table, column), kind in zip(
        entry["column_names_original"], entry["column_types"], strict=True
    ):
        if table >= 0:
            tables[table][column.lower()] = _TYPES.get(kind, "VARCHAR")
    names = [name.lower() for name in entry["table_names_original"]]
    return dict(zip(names, tables, strict=True))


def _from_sqlite(sql: str, schema: Schema) -> exp.Expr | None:
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
    except SqlglotError:
        return None
    names = {name for columns in schema.values() for name in columns} | set(schema)
    names |= {node.alias.lower() for node in tree.find_all(exp.Alias, exp.TableAlias)}
    for column in list(tree.find_all(exp.Column)):
        # To SQLite a text in double quotes that names no column is a string.
        quoted = isinstance(column.this, exp.Identifier) and column.this.quoted
        if quoted and not column.table and column.name.lower() not in names:
            column.replace(exp.Literal.string(column.name))
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("this", identifier.name.lower())
        identifier.set("quoted", not _PLAIN.fullmatch(identifier.name))
    return tree


def _tpc(corpus: str, dialect: str) -> Iterator[Query]:
    name = "tpc-h" if corpus == "tpch" else "tpc-ds"
    folder = _FIXTURES / "optimizer" / name
    schema = _csv_schema(folder)
    text = (folder / f"{name}.sql").read_text()
    # Each query is followed by what sqlglot's optimizer makes of it.
    blocks = re.split(r"-{20,}\n-- TPC-\w+ \d+\n-{20,}\n", text)[1:]
    for number, block in enumerate(blocks, 1):
        first = "\n".join(line for line in block.split(";")[0].splitlines() if line[:1] != "#")
        for tree in sqlglot.parse(first, read="snowflake" if corpus == "tpcds" else None):
            if tree is not None:
                yield _query(f"{corpus} {number}", tree, dialect, corpus, schema)


def _csv_schema(folder: Path) -> dict[str, dict[str, str]]:
    import duckdb

    with duckdb.connect() as connection:
        return {
            path.name.removesuffix(".csv.gz"): {
                row[0].lower(): row[1]
                for row in connection.execute(
                    "DESCRIBE SELECT * FROM read_csv($path, delim='|', header=true)",
                    {"path": str(path)},
                ).fetchall()
            }
            for path in sorted(folder.glob("*.csv.gz"))
        }


def _fixtures(dialect: str) -> Iterator[Query]:
    """The SELECTs among sqlglot's fixtures, each with a schema made of the names that it uses."""
    lines = (_FIXTURES / "identity.sql").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        sql = line.strip().removesuffix(";")
        if not re.match(r"(?i)\(*\s*(select|with|from)\b", sql):
            continue
        try:
            tree = sqlglot.parse_one(sql, read=dialect)
        except SqlglotError:
            continue
        if isinstance(tree, exp.Query):
            yield Query(f"sqlglot {number}", sql, f"line{number}", _guessed(tree), sql)


def _guessed(tree: exp.Expr) -> dict[str, dict[str, str]]:
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    columns = {
        part.name.lower(): "BIGINT"
        for node in tree.find_all(exp.Column, exp.Join)
        for part in ([node.this] if isinstance(node, exp.Column) else node.args.get("using") or [])
        if isinstance(part, exp.Identifier)
    }
    return {
        table.name.lower(): columns or {"a": "BIGINT"}
        for table in tree.find_all(exp.Table)
        if table.name and not table.args.get("db") and table.name.lower() not in ctes
    }
