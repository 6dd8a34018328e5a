"""Engines without any protection of their own: plans of the guard run here as a superuser."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from saaf_autogen.sql.guard.plan import Plan, Scalar

__all__ = ["BareDuckDB", "BarePostgres", "Outcome"]

_TIMEOUT_S = 1.0
# DuckDB prints all labels of an ENUM, as a type and in errors; the warehouse tells none.
_ENUM = re.compile(r"ENUM\([^)]*\)")
_USERS_TYPES = 16_384  # PostgreSQL numbers types that a user made from here on.


@dataclass(frozen=True)
class Outcome:
    """What a statement gave: rows, or an error in the engine's own words.

    Attributes:
        columns: names and types.
        rows: sorted, each value as text.
        error: the engine's text.
        kind: the kind of the error, without what it was about.
    """

    columns: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    error: str = ""
    kind: str = ""

    @property
    def text(self) -> str:
        """Everything of it that could tell something."""
        return json.dumps([self.columns, self.rows, self.error], ensure_ascii=False)


def _rows(rows: list[tuple[Any, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(tuple(repr(value) for value in row) for row in rows))


class BareDuckDB:
    """An in-memory DuckDB with every right, its catalog called ``w``.

    Args:
        schema: SQL that builds the world.
        settings: SQL for the session.
    """

    def __init__(self, schema: str, settings: str = "") -> None:
        self._connection = duckdb.connect(":memory:", config={"memory_limit": "512MB"})
        # `generate_series` must not differ between threads in the order of its rows.
        self._connection.execute("ATTACH ':memory:' AS w; USE w; SET threads = 1")
        self._connection.execute(f"{schema};{settings}")

    def build(self, schema: str) -> None:
        """Execute SQL that changes the world."""
        self._connection.execute(schema)

    def run(self, sql: str, parameters: Mapping[str, Scalar], rows: int = 1_000) -> Outcome:
        """Execute anything; it is interrupted after a second."""
        cursor = self._connection.cursor()
        cursor.execute("USE w")
        alarm = threading.Timer(_TIMEOUT_S, cursor.interrupt)
        alarm.start()
        try:
            cursor.execute(sql, dict(parameters))
            described = cursor.description or ()
            columns = tuple((str(item[0]), _ENUM.sub("ENUM", str(item[1]))) for item in described)
            return Outcome(columns, _rows(cursor.fetchmany(rows)))
        except (duckdb.Error, RuntimeError, ValueError, OverflowError) as error:
            return Outcome(error=_ENUM.sub("ENUM", str(error)), kind=type(error).__name__)
        finally:
            alarm.cancel()
            cursor.close()

    def plan(self, plan: Plan) -> Outcome:
        """Execute a plan of the guard."""
        return self.run(plan.sql, plan.parameters, plan.max_rows)

    def state(self) -> str:
        """What an attack could have changed."""
        queries = (
            "SELECT database_name, schema_name, table_name, estimated_size FROM duckdb_tables()",
            "SELECT sequence_name, last_value FROM duckdb_sequences()",
            "SELECT name, value FROM duckdb_settings() WHERE name NOT LIKE '%memory%'",
            "SELECT database_name, path FROM duckdb_databases()",
            "SELECT * FROM duckdb_variables()",
            "SELECT sum(hash(f)) FROM w.main.flights f",
        )
        parts = [sorted(map(str, self._connection.execute(q).fetchall())) for q in queries]
        return str([*parts, _stray_files()])

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


_STATE = """
SELECT (SELECT md5(string_agg(f::text, '' ORDER BY f)) FROM public.flights f),
  (SELECT md5(string_agg(f::text, '' ORDER BY f)) FROM public.people f),
  (SELECT count(*) FROM public.secrets),
  (SELECT string_agg(sequencename || coalesce(last_value, 0), ',') FROM pg_sequences),
  (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_largeobject_metadata),
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
  (SELECT count(*) FROM pg_class WHERE relnamespace NOT IN (11, 99)),
  (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_extension),
  (SELECT string_agg(rolname, ',') FROM pg_roles), (SELECT count(*) FROM pg_db_role_setting),
  (SELECT count(*) FROM pg_replication_slots), pg_notification_queue_usage()
"""
_SESSION = """
SELECT pg_backend_pid(), current_user, session_user, current_setting('transaction_read_only'),
  (SELECT md5(string_agg(name || coalesce(setting, ''), ',' ORDER BY name)) FROM pg_settings
   WHERE source = 'session'), (SELECT count(*) FROM pg_cursors),
  (SELECT count(*) FROM pg_prepared_statements WHERE from_sql),
  (SELECT count(*) FROM pg_listening_channels())
"""


class BarePostgres:
    """A superuser's session, as psycopg opens it; plans run without a transaction around them.

    Args:
        url: an empty database.
        schema: SQL that builds the world.
        search_path: where names without a schema are looked up. The warehouse looks into
            ``pg_catalog`` alone, where no user can put a function.
        settings: further SQL for the session.
    """

    def __init__(
        self, url: str, schema: str, search_path: str = "pg_catalog", settings: str = ""
    ) -> None:
        self._watcher = psycopg.connect(url, autocommit=True)
        self._watcher.execute("SET synchronous_commit = off")
        self.build(schema)
        self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        self._connection.execute(f"SET statement_timeout = {int(_TIMEOUT_S * 1000)}")
        self._connection.execute(f"SET search_path = {search_path}; {settings}")

    def build(self, schema: str) -> None:
        """Execute SQL that changes the world."""
        self._watcher.execute(schema)

    def run(self, sql: str, parameters: Mapping[str, Scalar], rows: int = 1_000) -> Outcome:
        """Execute anything that psycopg takes; the server stops it after a second."""
        return self._do(lambda cursor: cursor.execute(sql, parameters), rows)

    def plan(self, plan: Plan) -> Outcome:
        """Execute a plan of the guard."""
        return self.run(plan.sql, plan.parameters, plan.max_rows)

    def relations(self, plan: Plan) -> set[tuple[str, str]]:
        """Schema and name of each table that PostgreSQL itself would read for a plan."""
        text = f"EXPLAIN (VERBOSE, FORMAT JSON) {plan.sql}"
        try:
            row = self._connection.execute(text, plan.parameters).fetchone()
        except (psycopg.Error, UnicodeError):
            return set()
        return set(_relations(row[0])) if row else set()

    def _do(self, execute: Callable[[psycopg.Cursor[Any]], object], rows: int) -> Outcome:
        with self._connection.cursor() as cursor:
            try:
                execute(cursor)
                columns = tuple(
                    (item.name, str(item.type_code) if item.type_code < _USERS_TYPES else "user's")
                    for item in cursor.description or ()
                )
                return Outcome(columns, _rows(cursor.fetchmany(rows) if columns else []))
            except psycopg.Error as error:
                about = error.diag
                text = f"{error} {about.message_detail} {about.message_hint} {about.context}"
                return Outcome(error=text, kind=str(error.sqlstate))
            # What the driver itself cannot send or read.
            except (UnicodeError, ValueError, OverflowError) as error:
                return Outcome(error=str(error), kind=type(error).__name__)

    def state(self) -> str:
        """What an attack could have changed, in the database or in the session."""
        database = self._watcher.execute(_STATE).fetchall()
        session = self._connection.execute(_SESSION).fetchall()
        status = self._connection.info.transaction_status
        return str([database, session, status, _stray_files()])

    def close(self) -> None:
        """End both sessions."""
        self._connection.close()
        self._watcher.close()


def _relations(node: object) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if isinstance(node, dict):
        if "Relation Name" in node:
            found.append((str(node.get("Schema")), str(node["Relation Name"])))
        for value in node.values():
            found += _relations(value)
    elif isinstance(node, list):
        for value in node:
            found += _relations(value)
    return found


def _stray_files() -> list[str]:
    """Files that an attack wrote; every attack that writes one gives it such a name."""
    return [str(file) for file in Path("/tmp").glob("saaf_attack*")]  # noqa: S108 - looked for
