"""Guarded SQL: the guard, the warehouses, and queries that go through both."""

from saaf_autogen.sql.duckdb import DuckDBWarehouse
from saaf_autogen.sql.guard import Guard, PhysicalTable, Plan, VisibleTable
from saaf_autogen.sql.query import GuardedWarehouse, QueryResult
from saaf_autogen.sql.sample import build_nycflights13
from saaf_autogen.sql.warehouse import Column, QueryLimits, Rows, TableSchema, Warehouse

__all__ = [
    "Column",
    "DuckDBWarehouse",
    "Guard",
    "GuardedWarehouse",
    "PhysicalTable",
    "Plan",
    "QueryLimits",
    "QueryResult",
    "Rows",
    "TableSchema",
    "VisibleTable",
    "Warehouse",
    "build_nycflights13",
]
