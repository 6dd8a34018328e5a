"""Snowflake's INFORMATION_SCHEMA and the keys that SHOW tells of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from saaf_autogen.errors import TimedOut, WarehouseFailed
from saaf_autogen.sql.introspection.families import family_of
from saaf_autogen.sql.introspection.schema import ColumnInfo, ForeignKey, TableInfo
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["read_snowflake"]

_TABLES = """
SELECT table_schema, table_name,
  CASE WHEN table_type IN ('VIEW', 'MATERIALIZED VIEW') THEN 'view' ELSE 'table' END,
  comment, row_count
FROM {within}information_schema.tables
WHERE table_schema <> 'INFORMATION_SCHEMA' ORDER BY 1, 2
"""
_COLUMNS = """
SELECT table_schema, table_name, column_name, data_type, is_nullable, comment, numeric_precision,
  numeric_scale
FROM {within}information_schema.columns
WHERE table_schema <> 'INFORMATION_SCHEMA' ORDER BY table_schema, table_name, ordinal_position
"""
_KEYS_UNSEEN = "SHOW {kind} KEYS was refused by the warehouse {name}: these keys are unknown."

Names = tuple[str, str]


async def read_snowflake(warehouse: Warehouse) -> tuple[list[TableInfo], list[str]]:
    """Tables and views that the role may see in the warehouse's database."""
    catalog = '"' + warehouse.catalog.replace('"', '""') + '"' if warehouse.catalog else ""
    within = f"{catalog}." if catalog else ""
    tables = await warehouse.inspect(_TABLES.format(within=within))
    columns: dict[Names, list[ColumnInfo]] = {}
    for schema, name, *row in await warehouse.inspect(_COLUMNS.format(within=within)):
        columns.setdefault((schema, name), []).append(_column(*row))
    notes: list[str] = []
    primary = _keys(await _shown(warehouse, "PRIMARY", catalog, notes))
    unique = _keys(await _shown(warehouse, "UNIQUE", catalog, notes))
    foreign = _foreign_keys(await _shown(warehouse, "IMPORTED", catalog, notes))
    return [
        TableInfo(
            schema=schema,
            name=name,
            kind=kind,
            comment=comment or None,
            columns=tuple(columns.get((schema, name), ())),
            primary_key=next(iter(primary.get((schema, name), {}).values()), ()),
            unique_keys=tuple(unique.get((schema, name), {}).values()),
            foreign_keys=tuple(foreign.get((schema, name), ())),
            rows=None if rows is None else int(rows),
        )
        for schema, name, kind, comment, rows in tables
    ], notes


async def _shown(
    warehouse: Warehouse, kind: str, catalog: str, notes: list[str]
) -> list[tuple[Any, ...]]:
    try:
        return await warehouse.inspect(f"SHOW {kind} KEYS IN DATABASE {catalog}".strip())
    except (WarehouseFailed, TimedOut):
        notes.append(_KEYS_UNSEEN.format(kind=kind, name=warehouse.name))
        return []


def _column(
    name: str,
    data_type: str,
    nullable: str,
    comment: str | None,
    precision: int | None,
    scale: int | None,
) -> ColumnInfo:
    family = family_of(data_type)
    if data_type == "NUMBER" and precision is not None:
        data_type = f"NUMBER({precision},{scale or 0})"
    # The column says YES or NO.
    return ColumnInfo(name, data_type, family, str(nullable).upper() == "YES", comment or None)


def _keys(rows: Iterable[tuple[Any, ...]]) -> dict[Names, dict[str, tuple[str, ...]]]:
    """By table, then by constraint.

    Columns: created_on, database_name, schema_name, table_name, column_name, key_sequence,
    constraint_name, … (https://docs.snowflake.com/en/sql-reference/sql/show-primary-keys).
    """
    found: dict[Names, dict[str, tuple[str, ...]]] = {}
    for row in sorted(rows, key=lambda row: (row[2], row[3], row[6], row[5])):
        table = found.setdefault((row[2], row[3]), {})
        table[row[6]] = (*table.get(row[6], ()), row[4])
    return found


def _foreign_keys(rows: Iterable[tuple[Any, ...]]) -> dict[Names, list[ForeignKey]]:
    """By table.

    Columns: created_on, pk_database_name, pk_schema_name, pk_table_name, pk_column_name,
    fk_database_name, fk_schema_name, fk_table_name, fk_column_name, key_sequence, update_rule,
    delete_rule, fk_name, … (https://docs.snowflake.com/en/sql-reference/sql/show-imported-keys).
    """
    parts: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for row in sorted(rows, key=lambda row: (row[6], row[7], row[12], row[9])):
        if row[1] == row[5]:
            parts.setdefault((row[6], row[7], row[12], row[2], row[3]), []).append((row[8], row[4]))
    found: dict[Names, list[ForeignKey]] = {}
    for (schema, table, _, other_schema, other), pairs in parts.items():
        key = ForeignKey(
            tuple(left for left, _ in pairs), other_schema, other, tuple(r for _, r in pairs)
        )
        found.setdefault((schema, table), []).append(key)
    return found
