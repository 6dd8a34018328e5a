"""The metadata of one caller's view as SQL tables, in an SQLite database in memory.

``semantic.tables``, ``fields``, ``relationships``, ``metrics``, ``filters`` and ``examples`` hold
what the view shows and nothing else, so that any query on them is harmless; an authorizer, limits
and a deadline keep it so.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from typing import Any

from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.errors import InvalidArguments, PayloadTooLarge, SqlRefused, TimedOut
from saaf_autogen.semantic.view import SemanticView

__all__ = ["MetadataResult", "MetadataTables"]

_COLUMNS: dict[str, str] = {
    "tables": "table_catalog table_schema table_name table_type warehouse description synonyms"
    " primary_key tags hints",
    "fields": "table_catalog table_schema table_name column_name ordinal_position is_nullable"
    " data_type kind expr description synonyms sample_values is_enum tags access",
    "relationships": "warehouse name left_table right_table left_columns right_columns join_type"
    " relationship_type",
    "metrics": "warehouse table_name name expr description synonyms",
    "filters": "warehouse table_name name expr description synonyms",
    "examples": "warehouse name question sql dialect tables parameters verified_by verified_at",
}
_FUNCTIONS = frozenset(
    re.findall(
        r"\S+",
        "abs avg coalesce concat concat_ws count cume_dist date datetime dense_rank"
        " first_value glob group_concat ifnull iif instr json json_array json_array_length"
        " json_each json_extract json_group_array json_group_object json_object json_tree"
        " json_type json_valid lag last_value lead length like lower ltrim max min ntile"
        " nth_value nullif percent_rank rank replace round row_number rtrim sign string_agg"
        " strftime substr substring sum time total trim typeof unicode upper -> ->>",
    )
)
_READABLE = frozenset(_COLUMNS) | {"json_each", "json_tree"}
_KNOWN_FAULT = re.compile(
    r"(no such (?:table|column|function): .+|ambiguous column name: .+|near \".*\": syntax error"
    r"|incomplete input|unrecognized token: .+|wrong number of arguments to function .+"
    r"|misuse of (?:aggregate|window function).*|\w+ values for \w+ columns"
    r"|SELECTs to the left and right of .+|sub-select returns .+|.* ORDER BY term .+"
    r"|.* GROUP BY term .+|a GROUP BY clause is required.*)",
    re.IGNORECASE | re.DOTALL,
)
_LEADING = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_CELL_BYTES = 65_536
_SQL_BYTES = 20_000
_STEPS = 1_000
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class MetadataResult:
    """Columns and rows of a query; ``cut`` says where the rows were cut, or is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: str | None = None


class MetadataTables:
    """The metadata tables of one view; may be shared by threads, and is closed with ``close``.

    Args:
        view: what the caller may see; every table holds that alone.
        max_rows: rows of a result, then it is cut.
        max_bytes: text of a result in bytes; above it the query is refused.
        timeout_s: seconds that a query may take.
        clock: for the deadline.
    """

    def __init__(
        self,
        view: SemanticView,
        *,
        max_rows: int = 1_000,
        max_bytes: int = 1_000_000,
        timeout_s: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._deadline = float("inf")
        self._denied = ""
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False, cached_statements=0
        )
        self._fill(view)
        self._guard()

    def close(self) -> None:
        """Free the database."""
        with self._lock:
            self._connection.close()

    def query(self, sql: str, parameters: Mapping[str, Scalar] | None = None) -> MetadataResult:
        """Run one query on the metadata.

        Args:
            sql: a SELECT in SQLite's dialect; lists are JSON text (``json_each`` opens them).
            parameters: values of named parameters ``:name``.

        Raises:
            SqlRefused: it is no query, or reaches for something else than these tables.
            InvalidArguments: the SQL or its parameters are not valid.
            PayloadTooLarge: the result is over ``max_bytes``.
            TimedOut: it took longer than ``timeout_s``.
        """
        _check_text(sql)
        with self._lock:
            self._denied = ""
            self._deadline = self._clock.monotonic() + self._timeout_s
            try:
                with closing(self._connection.execute(sql, dict(parameters or {}))) as cursor:
                    return self._fetch(cursor)
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise self._explain(error) from None
            except (OverflowError, UnicodeError) as error:
                raise InvalidArguments(
                    "A parameter has a value that SQLite cannot take."
                ) from error

    def _fetch(self, cursor: sqlite3.Cursor) -> MetadataResult:
        if cursor.description is None:
            raise SqlRefused("Only a query (SELECT) is taken here.", rule="query_only")
        columns = tuple(column[0] for column in cursor.description)
        rows: list[tuple[Any, ...]] = []
        size = 0
        for row in cursor:
            if len(rows) == self._max_rows:
                return MetadataResult(columns, tuple(rows), f"cut at {self._max_rows} rows")
            values = tuple(v.hex() if isinstance(v, bytes) else v for v in row)
            size += sum(len(v) if isinstance(v, str) else 8 for v in values)
            if size > self._max_bytes:
                raise PayloadTooLarge(
                    f"The result is over {self._max_bytes} bytes.",
                    remedy="Select fewer columns or rows.",
                )
            rows.append(values)
        return MetadataResult(columns, tuple(rows))

    def _fill(self, view: SemanticView) -> None:
        self._connection.execute("ATTACH ':memory:' AS semantic")
        contents = {
            "tables": _tables(view),
            "fields": _fields(view),
            "relationships": _relationships(view),
            "metrics": _named(view, "metrics"),
            "filters": _named(view, "filters"),
            "examples": _examples(view),
        }
        for table, columns in _COLUMNS.items():
            names = columns.split()
            marks = ", ".join("?" * len(names))
            self._connection.execute(f"CREATE TABLE semantic.{table} ({', '.join(names)})")
            self._connection.executemany(
                f"INSERT INTO semantic.{table} VALUES ({marks})",  # noqa: S608 - own constants
                contents[table],
            )

    def _guard(self) -> None:
        connection = self._connection
        # Eponymous virtual tables declare themselves at first use, which the authorizer forbids.
        connection.execute("SELECT * FROM json_each('[]'), json_tree('[]')").fetchall()
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        longest = max(
            _longest(connection, table, columns.split()) for table, columns in _COLUMNS.items()
        )
        for limit, value in (
            (sqlite3.SQLITE_LIMIT_LENGTH, max(_CELL_BYTES, 4 * longest + 1_000)),
            (sqlite3.SQLITE_LIMIT_SQL_LENGTH, _SQL_BYTES),
            (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 100),
            (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 20),
            (sqlite3.SQLITE_LIMIT_COLUMN, 100),
            (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 20),
            (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
            (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100),
            (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
            (sqlite3.SQLITE_LIMIT_ATTACHED, 1),
        ):
            connection.setlimit(limit, value)
        connection.set_authorizer(self._authorize)
        connection.set_progress_handler(self._is_late, _STEPS)

    def _authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        name = (first or "").lower()
        if action == sqlite3.SQLITE_READ and name in _READABLE:
            return sqlite3.SQLITE_OK
        # COUNT(*) over a common table expression reads no column of a name that is not ours.
        internal = name.startswith(("sqlite_", "pragma_"))
        if action == sqlite3.SQLITE_READ and not second and not internal:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            self._denied = f"the function {second}"
        elif action == sqlite3.SQLITE_READ:
            self._denied = f"the table {first}"
        else:
            self._denied = self._denied or "anything but a query"
        return sqlite3.SQLITE_DENY

    def _is_late(self) -> bool:
        return self._clock.monotonic() > self._deadline

    def _explain(self, error: Exception) -> Exception:
        text = str(error)
        if self._denied:
            return SqlRefused(
                f"The metadata tables do not allow {self._denied[:200]}.",
                rule="metadata_only",
                remedy=f"Query semantic.{', semantic.'.join(_COLUMNS)}.",
            )
        if text == "interrupted":
            return TimedOut(
                f"The metadata query took longer than {self._timeout_s:g} s.",
                remedy="Make it simpler.",
            )
        if "one statement" in text:
            return SqlRefused("Only one statement is taken.", rule="one_statement")
        if "too big" in text or "too large" in text or "too many" in text:
            return InvalidArguments("The metadata query builds values that are too large.")
        if "binding" in text:
            return InvalidArguments(
                "The parameters do not fit the query.", remedy="Give one value for every :name."
            )
        known = _KNOWN_FAULT.fullmatch(text)
        detail = f": {text[:300]}" if known else ""
        return InvalidArguments(
            f"The metadata query is not valid{detail}.",
            remedy=f"Tables: semantic.{', semantic.'.join(_COLUMNS)}.",
        )


def _check_text(sql: str) -> None:
    if len(sql.encode("utf-8", "replace")) > _SQL_BYTES:
        raise InvalidArguments(f"The metadata query is over {_SQL_BYTES} bytes.")
    if "\0" in sql or any("\ud800" <= char <= "\udfff" for char in sql):
        raise InvalidArguments("The metadata query holds characters that SQL cannot.")
    start = _LEADING.match(sql)
    word = re.match(r"\w+", sql[start.end() :]) if start else None
    if word is None or word.group().upper() not in ("SELECT", "WITH", "VALUES"):
        raise SqlRefused("Only a query (SELECT) is taken here.", rule="query_only")


def _longest(connection: sqlite3.Connection, table: str, columns: list[str]) -> int:
    lengths = ", ".join(f"MAX(LENGTH({column}))" for column in columns)
    row = connection.execute(f"SELECT {lengths} FROM semantic.{table}").fetchone()  # noqa: S608 - own constants
    return max((value or 0) for value in row)


def _json(values: Iterable[Any]) -> str:
    return json.dumps(list(values), ensure_ascii=False)


def _tables(view: SemanticView) -> Iterable[tuple[Any, ...]]:
    for table in view.tables:
        yield (
            table.database,
            table.schema,
            table.name,
            "BASE TABLE",
            table.warehouse,
            table.description,
            _json(table.synonyms),
            _json(table.primary_key),
            _json(table.tags),
            _json(table.hints),
        )


def _fields(view: SemanticView) -> Iterable[tuple[Any, ...]]:
    for table in view.tables:
        for position, field in enumerate(table.fields, 1):
            yield (
                table.database,
                table.schema,
                table.name,
                field.name,
                position,
                "NO" if field.name in table.primary_key else "YES",
                field.data_type,
                field.kind,
                field.expr,
                field.description,
                _json(field.synonyms),
                _json(field.sample_values),
                int(field.is_enum),
                _json(field.tags),
                field.access,
            )


def _relationships(view: SemanticView) -> Iterable[tuple[Any, ...]]:
    for item in view.relationships:
        yield (
            item.warehouse,
            item.name,
            item.left,
            item.right,
            _json(left for left, _ in item.pairs),
            _json(right for _, right in item.pairs),
            item.join_type,
            item.relationship_type,
        )


def _named(view: SemanticView, kind: str) -> Iterable[tuple[Any, ...]]:
    items = [
        item
        for table in view.tables
        for item in (table.metrics if kind == "metrics" else table.filters)
    ]
    for item in [*items, *(view.metrics if kind == "metrics" else ())]:
        yield (
            item.warehouse,
            item.table,
            item.name,
            item.expr,
            item.description,
            _json(item.synonyms),
        )


def _examples(view: SemanticView) -> Iterable[tuple[Any, ...]]:
    for query in view.queries:
        yield (
            query.warehouse,
            query.name,
            query.question,
            query.sql,
            query.dialect,
            _json(query.tables),
            json.dumps({name: dict(item) for name, item in query.parameters.items()}),
            query.verified_by,
            query.verified_at,
        )
