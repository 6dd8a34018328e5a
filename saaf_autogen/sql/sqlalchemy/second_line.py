"""What can be forbidden and limited below the guard, where SQLAlchemy's driver lets us."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from saaf_autogen.sql.guard import Plan

__all__ = ["SecondLine"]

_STEPS = 10_000
_SQLITE_LENGTH = 1_000_000_000
# What SQLite may do for a query besides reading: run it, call functions, recurse.
_SQLITE_ALLOWED = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_SQLITE_FORBIDDEN_FUNCTIONS = frozenset(
    {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}
)
_READ_ONLY = {
    "postgresql": ("SET TRANSACTION READ ONLY", "SET LOCAL statement_timeout = {millis}"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_execution_time = {millis}"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY",),
}


class SecondLine:
    """The driver's own bounds on one query.

    Args:
        driver: a DB-API connection.
        dialect: SQLAlchemy's name of the database.
    """

    def __init__(self, driver: Any, dialect: str) -> None:
        self._driver = driver
        self._dialect = dialect

    def statements(self, timeout_s: float) -> list[str]:
        """SQL that makes the transaction read-only and bounded, before the query."""
        millis = int(timeout_s * 1_000)
        return [each.format(millis=millis) for each in _READ_ONLY.get(self._dialect, ())]

    def engage(self, plan: Plan | None, *, timeout_s: float, max_bytes: int) -> None:
        """On SQLite: read the planned tables and nothing else, for so long."""
        if not isinstance(self._driver, sqlite3.Connection):
            return
        self._driver.execute("PRAGMA query_only = ON")
        deadline = time.monotonic() + timeout_s
        self._driver.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
        if plan is None:
            return
        self._driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_bytes)
        tables = {(table.schema.lower(), table.name.lower()) for table in plan.physical}
        # The names of common table expressions are read like tables of no database.
        plain = {name for _, name in tables} | {name.lower() for name in plan.ctes}

        def authorize(
            action: int, first: str | None, second: str | None, base: str | None, _: str | None
        ) -> int:
            if action == sqlite3.SQLITE_READ:
                # Without a column too, as for count(*).
                known = (base or "main", (first or "").lower()) in tables or (
                    base is None and (first or "").lower() in plain
                )
                return sqlite3.SQLITE_OK if known else sqlite3.SQLITE_DENY
            if action == sqlite3.SQLITE_FUNCTION:
                bad = (second or "").lower() in _SQLITE_FORBIDDEN_FUNCTIONS
                return sqlite3.SQLITE_DENY if bad else sqlite3.SQLITE_OK
            return sqlite3.SQLITE_OK if action in _SQLITE_ALLOWED else sqlite3.SQLITE_DENY

        self._driver.set_authorizer(authorize)

    def release(self) -> None:
        """Take the bounds off again."""
        if isinstance(self._driver, sqlite3.Connection):
            self._driver.set_authorizer(None)
            self._driver.set_progress_handler(None, 0)
            self._driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _SQLITE_LENGTH)

    def interrupt(self) -> bool:
        """Stop the query; False where the driver has no way to."""
        for name in ("interrupt", "cancel"):
            stop = getattr(self._driver, name, None)
            if callable(stop):
                stop()
                return True
        return False
