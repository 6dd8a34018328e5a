"""DuckDB's catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from saaf_autogen.sql.introspection.families import family_of
from saaf_autogen.sql.introspection.schema import ColumnInfo, ForeignKey, TableInfo
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["read_duckdb"]

_TABLES = """
SELECT schema_name, table_name, 'table', comment, estimated_size FROM duckdb_tables()
WHERE database_name = coalesce(nullif(?, ''), current_database()) AND NOT internal AND NOT temporary
UNION ALL
SELECT schema_name, view_name, 'view', comment, NULL FROM duckdb_views()
WHERE database_name = coalesce(nullif(?, ''), current_database()) AND NOT internal AND NOT temporary
"""
_COLUMNS = """
SELECT schema_name, table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns()
WHERE database_name = coalesce(nullif(?, ''), current_database())
  AND NOT internal
ORDER BY schema_name, table_name, column_index
"""
_KEYS = """
SELECT schema_name, table_name, constraint_type, constraint_column_names, referenced_table,
  referenced_column_names
FROM duckdb_constraints()
WHERE database_name = coalesce(nullif(?, ''), current_database())
  AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')
ORDER BY schema_name, table_name, constraint_index
"""
_LABEL = re.compile(r"'((?:[^']|'')*)'")


async def read_duckdb(warehouse: Warehouse) -> tuple[list[TableInfo], list[str]]:
    """Tables and views of the warehouse's own catalog, and notes on what could not be seen."""
    catalog = warehouse.catalog
    tables = await warehouse.inspect(_TABLES, (catalog, catalog))
    columns: dict[tuple[str, str], list[ColumnInfo]] = {}
    for schema, name, *row in await warehouse.inspect(_COLUMNS, (catalog,)):
        columns.setdefault((schema, name), []).append(_column(*row))
    keys: dict[tuple[str, str], list[list[Any]]] = {}
    for schema, name, *row in await warehouse.inspect(_KEYS, (catalog,)):
        keys.setdefault((schema, name), []).append(row)
    names = [(str(schema), str(name)) for schema, name, *_ in tables]
    return [
        TableInfo(
            schema=schema,
            name=name,
            kind=kind,
            comment=comment or None,
            columns=tuple(columns.get((schema, name), ())),
            rows=rows,
            **_keys(keys.get((schema, name), []), schema, names),
        )
        for schema, name, kind, comment, rows in sorted(tables, key=lambda row: row[:2])
    ], []


def _column(name: str, data_type: str, nullable: bool, comment: str | None) -> ColumnInfo:
    labels: tuple[str, ...] = ()
    if data_type.startswith("ENUM(") and data_type.endswith(")"):
        labels = tuple(label.replace("''", "'") for label in _LABEL.findall(data_type))
    return ColumnInfo(name, data_type, family_of(data_type), nullable, comment or None, labels)


def _keys(rows: list[list[Any]], schema: str, names: Iterable[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {"primary_key": (), "unique_keys": (), "foreign_keys": ()}
    for kind, columns, table, referred in rows:
        if kind == "PRIMARY KEY":
            found["primary_key"] = tuple(columns)
        elif kind == "UNIQUE":
            found["unique_keys"] += (tuple(columns),)
        else:
            # The catalog leaves the other table's schema out.
            places = [each for each in names if each[1] == table]
            if places:
                place = (schema, table) if (schema, table) in places else places[0]
                key = ForeignKey(tuple(columns), place[0], table, tuple(referred))
                found["foreign_keys"] += (key,)
    return found
