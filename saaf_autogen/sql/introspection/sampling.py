"""Looks into one table: how many rows, which values, from where to where. Bounded work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlglot import exp

from saaf_autogen.errors import TimedOut, WarehouseFailed
from saaf_autogen.sql.introspection.personal import look_personal, sensitivity_of
from saaf_autogen.sql.introspection.schema import (
    ColumnInfo,
    Profile,
    SampleMode,
    Samples,
    TableInfo,
    Value,
)
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["Sampler"]

# Rows that are looked at of a larger table.
_PART = {"duckdb": 2_000_000, "snowflake": 200_000}
_PART_ELSEWHERE = 100_000
# Beyond this many rows a count is the engine's estimate, where it has one.
_COUNTED = 1_000_000
_COLUMNS_AT_ONCE = 30
_MOST_VALUES = 50
_LONGEST_VALUE = 60
_EXAMPLES = 5
# Of a value that fewer rows hold, somebody may be found by it.
_FREQUENT = 5


@dataclass(frozen=True)
class _Counted:
    """A column's aggregates."""

    distinct: int
    least: Any
    greatest: Any
    longest: int


class Sampler:
    """Looks into the tables of one warehouse.

    Args:
        warehouse: inspected with SQL of this module's own.
        mode: ``none`` counts rows only; ``safe`` leaves out what looks personal and what only
            few rows hold; ``all`` leaves out nothing but what looks like a secret.
    """

    def __init__(self, warehouse: Warehouse, mode: SampleMode) -> None:
        self._warehouse = warehouse
        self._mode = mode
        self._dialect = warehouse.dialect.name
        self._part = _PART.get(self._dialect, _PART_ELSEWHERE)

    async def profile(self, table: TableInfo) -> Profile:
        """What is in a table. A query that fails or takes too long ends in a note."""
        rows, estimated = None, False
        sampled = False
        columns: dict[str, Samples] = {}
        counted = False
        try:
            rows, estimated = await self._rows(table)
            counted = True
            source, sampled = self._source(table, rows)
            if self._mode != "none" and rows != 0:
                columns = await self._columns(table, source, sampled)
        except TimedOut:
            note = f"{table.label}: looking into it took too long; its values are missing."
            return Profile(rows, estimated, sampled, columns, note)
        except WarehouseFailed:
            note = f"{table.label}: the warehouse could not read {'all of' if counted else ''} it."
            return Profile(rows, estimated, sampled, columns, " ".join(note.split()), counted)
        return Profile(rows, estimated, sampled, columns)

    async def values(self, table: TableInfo, column: ColumnInfo, most: int) -> list[Value]:
        """Up to ``most`` values of a column; the labels of its type, where it has some.

        Raises:
            WarehouseFailed, TimedOut: they cannot be read.
        """
        if column.labels:
            return list(column.labels)
        name = self._quoted(column.name)
        sql = (
            f"SELECT DISTINCT {name} AS value FROM {self._name(table)} "  # noqa: S608 - names are quoted
            f"WHERE {name} IS NOT NULL ORDER BY 1 LIMIT {most}"
        )
        rows = await self._warehouse.inspect(sql)
        return [value for (raw,) in rows if (value := _plain(raw)) is not None]

    async def _rows(self, table: TableInfo) -> tuple[int | None, bool]:
        if table.kind == "table" and table.rows is not None:
            if self._dialect == "snowflake":
                return table.rows, False
            if self._dialect == "postgres" and table.rows > _COUNTED:
                return table.rows, True
        name = self._name(table)
        if self._dialect == "duckdb" and table.kind == "table":
            sql = f"SELECT count(*) FROM {name}"  # noqa: S608 - quoted by sqlglot
            return int((await self._warehouse.inspect(sql))[0][0]), False
        sql = (
            f"SELECT count(*) FROM (SELECT 1 AS one FROM {name} "  # noqa: S608 - quoted by sqlglot
            f"LIMIT {_COUNTED + 1}) AS q"
        )
        counted = int((await self._warehouse.inspect(sql))[0][0])
        return (counted, False) if counted <= _COUNTED else (None, False)

    def _source(self, table: TableInfo, rows: int | None) -> tuple[str, bool]:
        """What to select from, and whether that is a part of the rows only."""
        name = self._name(table)
        if rows is not None and rows <= self._part:
            return name, False
        share = f"{max(100.0 * self._part / rows, 0.0001):.4f}" if rows else "1"
        if table.kind == "table" and self._dialect == "duckdb":
            return f"{name} TABLESAMPLE system({share} PERCENT) REPEATABLE (42)", True
        if table.kind == "table" and self._dialect == "postgres" and table.rows is not None:
            return f"{name} TABLESAMPLE SYSTEM ({share}) REPEATABLE (42)", True
        if table.kind == "table" and self._dialect == "snowflake":
            return f"{name} SAMPLE SYSTEM ({share}) SEED (42)", True
        return f"(SELECT * FROM {name} LIMIT {self._part}) AS q", True  # noqa: S608 - quoted

    async def _columns(self, table: TableInfo, source: str, sampled: bool) -> dict[str, Samples]:
        wanted = [column for column in table.columns if self._may_look(table, column)]
        found: dict[str, Samples] = {}
        for start in range(0, len(wanted), _COLUMNS_AT_ONCE):
            part = wanted[start : start + _COLUMNS_AT_ONCE]
            seen, counted = await self._count(source, part)
            listed = [each for each in part if self._may_list(each, seen, counted[each.name])]
            frequent = await self._frequent(source, listed)
            for column in part:
                rows = frequent.get(column.name)
                samples = self._samples(column, rows, seen, counted[column.name], sampled)
                if samples is not None:
                    found[column.name] = samples
        return found

    def _may_look(self, table: TableInfo, column: ColumnInfo) -> bool:
        sensitivity = sensitivity_of(table.name, column.name, column.type)
        if sensitivity == "secret" or (sensitivity and self._mode != "all"):
            return False
        return column.family in ("number", "text", "time")

    async def _count(
        self, source: str, columns: Sequence[ColumnInfo]
    ) -> tuple[int, dict[str, _Counted]]:
        parts = ["count(*)"]
        for column in columns:
            name, text = self._quoted(column.name), self._text
            # As text: drivers know no infinite dates, and files hold times as text anyway.
            ends = {
                "number": (f"min({name})", f"max({name})"),
                "time": (text(f"min({name})"), text(f"max({name})")),
            }.get(column.family, ("NULL", "NULL"))
            longest = f"max(length({text(name)}))" if column.family == "text" else "0"
            parts += [self._distinct(name), *ends, longest]
        row = (await self._warehouse.inspect(f"SELECT {', '.join(parts)} FROM {source}"))[0]  # noqa: S608 - names are quoted
        return int(row[0]), {
            column.name: _counted(row[at : at + 4])
            for column, at in zip(columns, range(1, len(row), 4), strict=True)
        }

    def _may_list(self, column: ColumnInfo, seen: int, counted: _Counted) -> bool:
        """Whether the column's values may be looked at one by one."""
        if column.family == "time" or column.labels or not counted.distinct:
            return False
        # Counts of distinct values may be approximate.
        few = counted.distinct <= _MOST_VALUES * 1.1
        often = column.family == "text" and seen >= counted.distinct * _FREQUENT
        return counted.longest <= _LONGEST_VALUE and (self._mode == "all" or few or often)

    def _samples(
        self,
        column: ColumnInfo,
        rows: Sequence[tuple[Value, int]] | None,
        seen: int,
        counted: _Counted,
        sampled: bool,
    ) -> Samples | None:
        """The samples of a column; None where it shows something personal after all."""
        if column.labels:
            return Samples(column.labels[:_MOST_VALUES], len(column.labels) <= _MOST_VALUES)
        ends = (_plain(counted.least), _plain(counted.greatest))
        if rows is None:
            return Samples(least=ends[0], greatest=ends[1])
        if self._mode == "safe" and look_personal(value for value, _ in rows):
            return None
        whole = not sampled and len(rows) <= _MOST_VALUES
        # Nearly as many values as rows: names of things, not kinds of things.
        repeated = seen >= len(rows) * 3 and (self._mode == "all" or not _tells(rows))
        if whole and (repeated or self._mode == "all"):
            return Samples(tuple(sorted(value for value, _ in rows)), repeated, *ends)
        kept = [value for value, count in rows if self._mode == "all" or count >= _FREQUENT]
        return Samples(tuple(kept[:_EXAMPLES]), False, *ends)

    async def _frequent(
        self, source: str, columns: Sequence[ColumnInfo]
    ) -> dict[str, list[tuple[Any, int]]]:
        """The most frequent values of each column with their counts, by one query for all."""
        if not columns:
            return {}
        parts = []
        for index, column in enumerate(columns):
            name = self._quoted(column.name)
            parts.append(
                f"SELECT * FROM (SELECT {index} AS place, {self._text(name)} AS value, "  # noqa: S608 - names are quoted
                f"count(*) AS times FROM {source} WHERE {name} IS NOT NULL "
                f"GROUP BY {name} ORDER BY 3 DESC, 2 LIMIT {_MOST_VALUES + 1}) AS q{index}"
            )
        found: dict[str, list[tuple[Any, int]]] = {column.name: [] for column in columns}
        rows = await self._warehouse.inspect(" UNION ALL ".join(parts))
        # A union promises no order.
        for place, text, times in sorted(rows, key=lambda row: (row[0], -row[2], row[1])):
            column = columns[int(place)]
            value = _plain(_number(text) if column.family == "number" else text)
            if value is not None:
                found[column.name].append((value, int(times)))
        return found

    def _distinct(self, name: str) -> str:
        exact = self._dialect not in ("duckdb", "snowflake", "bigquery", "databricks")
        return f"count(DISTINCT {name})" if exact else f"approx_count_distinct({name})"

    def _text(self, value: str) -> str:
        kind = {"postgres": "text", "mysql": "char", "bigquery": "string", "databricks": "string"}
        return f"CAST({value} AS {kind.get(self._dialect, 'varchar')})"

    def _name(self, table: TableInfo) -> str:
        named = exp.table_(table.name, db=table.schema, quoted=True)
        return named.sql(dialect=self._dialect)

    def _quoted(self, name: str) -> str:
        return exp.to_identifier(name, quoted=True).sql(dialect=self._dialect)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _counted(row: Sequence[Any]) -> _Counted:
    distinct, least, greatest, longest = row
    return _Counted(int(distinct or 0), least, greatest, int(longest or 0))


def _tells(rows: Sequence[tuple[Value, int]]) -> bool:
    """Whether many of the values are texts that hardly any row holds, as names are."""
    rare = sum(1 for value, count in rows if isinstance(value, str) and count < _FREQUENT)
    return rare * 4 > len(rows)


def _plain(value: Any) -> Value | None:
    """A value as files hold it; None for what is no finite scalar."""
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, bytes | bytearray | memoryview | list | tuple | dict):
        return None
    text = str(value)
    return None if text in ("infinity", "-infinity") or not text.isprintable() else text
