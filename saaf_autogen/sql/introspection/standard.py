"""The standard's INFORMATION_SCHEMA, for engines that have no reader of their own.

Where that is missing as well, what the warehouse tells of its columns must do.
"""

from __future__ import annotations

from typing import Any

from saaf_autogen.errors import TimedOut, WarehouseFailed
from saaf_autogen.sql.introspection.families import family_of
from saaf_autogen.sql.introspection.schema import ColumnInfo, TableInfo
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["read_plainly", "read_standard"]

_SYSTEM = frozenset(
    {"information_schema", "pg_catalog", "mysql", "performance_schema", "sys", "sysibm", "syscat"}
)
_TABLES = "SELECT table_schema, table_name, table_type FROM information_schema.tables"
_COLUMNS = (
    "SELECT table_schema, table_name, column_name, data_type, is_nullable "
    "FROM information_schema.columns ORDER BY table_schema, table_name, ordinal_position"
)
_PRIMARY = (
    "SELECT k.table_schema, k.table_name, k.column_name "
    "FROM information_schema.table_constraints c JOIN information_schema.key_column_usage k "
    "ON k.constraint_schema = c.constraint_schema AND k.constraint_name = c.constraint_name "
    "AND k.table_schema = c.table_schema AND k.table_name = c.table_name "
    "WHERE c.constraint_type = 'PRIMARY KEY' "
    "ORDER BY k.table_schema, k.table_name, k.ordinal_position"
)


async def read_standard(warehouse: Warehouse) -> tuple[list[TableInfo], list[str]]:
    """Tables and views with columns and primary keys; comments and foreign keys stay unknown."""
    tables = await warehouse.inspect(_TABLES)
    columns: dict[tuple[Any, ...], list[ColumnInfo]] = {}
    for schema, table, name, data_type, nullable in await warehouse.inspect(_COLUMNS):
        info = ColumnInfo(
            str(name), str(data_type), family_of(str(data_type)), str(nullable).upper() != "NO"
        )
        columns.setdefault((schema, table), []).append(info)
    primary: dict[tuple[Any, ...], tuple[str, ...]] = {}
    notes = [f"Comments and foreign keys of {warehouse.name} are unknown: describe them by hand."]
    try:
        for schema, table, column in await warehouse.inspect(_PRIMARY):
            primary[schema, table] = (*primary.get((schema, table), ()), str(column))
    except (WarehouseFailed, TimedOut):
        notes.append(f"The primary keys of {warehouse.name} could not be read.")
    return [
        TableInfo(
            schema=str(schema),
            name=str(name),
            kind="view" if "VIEW" in str(kind).upper() else "table",
            columns=tuple(columns.get((schema, name), ())),
            primary_key=primary.get((schema, name), ()),
        )
        for schema, name, kind in sorted(tables, key=lambda row: (str(row[0]), str(row[1])))
        if str(schema).lower() not in _SYSTEM
    ], notes


async def read_plainly(warehouse: Warehouse) -> tuple[list[TableInfo], list[str]]:
    """Tables and columns alone, as ``Warehouse.schemas`` tells them."""
    tables = [
        TableInfo(
            schema=each.table.schema,
            name=each.table.name,
            kind="view",
            columns=tuple(
                ColumnInfo(column.name, column.type, family_of(column.type))
                for column in each.columns
            ),
        )
        for each in await warehouse.schemas()
        if each.table.schema.lower() not in _SYSTEM
    ]
    return tables, [f"Comments and keys of {warehouse.name} are unknown: describe them by hand."]
