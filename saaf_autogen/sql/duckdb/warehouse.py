"""DuckDB as a warehouse: embedded, read-only, its configuration locked."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from saaf_autogen.sql.duckdb.connection import DuckDBSource, connect
from saaf_autogen.sql.duckdb.process import DuckDBProcess
from saaf_autogen.sql.duckdb.reading import DuckDBReading
from saaf_autogen.sql.duckdb.remote import RemoteReading
from saaf_autogen.sql.engine import Engine
from saaf_autogen.sql.guard import DUCKDB, Plan
from saaf_autogen.sql.reading import Reading
from saaf_autogen.sql.warehouse import Estimate, QueryLimits, Session

if TYPE_CHECKING:
    import duckdb

__all__ = ["DuckDBWarehouse"]

Isolation = Literal["process", "thread"]
_NESTED = re.compile("CROSS_PRODUCT|NL_JOIN|NESTED_LOOP")


class DuckDBWarehouse(Engine):
    """A DuckDB file, or files of Parquet and CSV. Use ``open``.

    In a process of its own, what a query allocates and how long one operation takes is bounded by
    the system. On threads of the host, DuckDB bounds it as well as it can; there, one process
    opens one file under one configuration.
    """

    def __init__(
        self,
        name: str,
        place: duckdb.DuckDBPyConnection | DuckDBProcess,
        catalog: str,
        concurrency: int,
    ) -> None:
        super().__init__(name, DUCKDB, catalog=catalog, concurrency=concurrency)
        self._place = place

    @classmethod
    def open(
        cls,
        name: str,
        path: Path | None = None,
        *,
        files: Mapping[str, str] | None = None,
        memory_limit: str = "1GB",
        concurrency: int = 4,
        isolation: Isolation = "thread",
    ) -> DuckDBWarehouse:
        """Open a file read-only and lock the engine down.

        Args:
            name: the name under which the deployment knows it.
            path: the DuckDB file.
            files: instead of ``path``, an absolute path or glob pattern for each table.
            memory_limit: of the engine as a whole, such as ``1GB``.
            concurrency: queries that run at the same time; further ones wait.
            isolation: ``process`` or ``thread``; Windows has threads only.

        Raises:
            ConfigurationError: a file is missing or cannot be opened so.
        """
        source = DuckDBSource(name, path, dict(files or {}), memory_limit)
        if isolation == "process" and os.name == "posix":
            process = DuckDBProcess(source, concurrency)
            return cls(name, process, process.catalog, concurrency)
        connection, catalog = connect(source)
        return cls(name, connection, catalog, concurrency)

    async def close(self) -> None:
        """Interrupt running queries and close the file."""
        await super().close()
        await asyncio.to_thread(self._place.close)

    def _reading(self, plan: Plan, limits: QueryLimits, session: Session | None) -> Reading:
        return self._of(plan, max_bytes=limits.max_bytes)

    def _inspection(self, sql: str, parameters: tuple[Any, ...]) -> Reading:
        return self._of(sql, parameters=parameters)

    def _explanation(self, plan: Plan, session: Session | None) -> Reading | None:
        return self._of(plan, explain=True)

    def _of(self, statement: Plan | str, **options: Any) -> Reading:
        if isinstance(self._place, DuckDBProcess):
            return RemoteReading(self._place, statement, **options)
        return DuckDBReading(self._place, statement, **options)

    def _columns_sql(self) -> str:
        return (
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = current_database() AND NOT internal "
            "ORDER BY schema_name, table_name, column_index"
        )

    def _estimate(self, text: str) -> Estimate:
        (plan,) = json.loads(text)
        rows, cost = _weigh(plan)
        return Estimate(rows=int(rows), cost=cost)


def _weigh(operator: dict[str, Any]) -> tuple[float, float]:
    """Rows that come out of an operator, and rows through it and all below it."""
    below = [_weigh(child) for child in operator.get("children", ())]
    pairs = math.prod(rows for rows, _ in below)
    told = str(operator.get("extra_info", {}).get("Estimated Cardinality", ""))
    # DuckDB says nothing of a cross product, and of a nested loop only what comes out of it.
    rows = float(told) if told.isdigit() else pairs
    looked_at = max(rows, pairs) if _NESTED.search(str(operator.get("name"))) else rows
    return rows, looked_at + sum(cost for _, cost in below)
