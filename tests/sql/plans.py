"""Plans as a guard with a hole might make them: what an engine itself does with them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from saaf_autogen.sql import PhysicalTable, Plan, QueryLimits, Warehouse

LIMITS = QueryLimits(max_rows=1_000, max_bytes=200_000, timeout_s=20)


def plan(
    sql: str,
    *tables: PhysicalTable,
    parameters: Mapping[str, Any] | None = None,
    max_rows: int = 1_000,
    ctes: frozenset[str] = frozenset(),
) -> Plan:
    return Plan(
        sql=sql,
        parameters=parameters or {},
        tables=(),
        resources=(),
        grants=(),
        physical=frozenset(tables),
        alias="saaf_t1",
        ctes=ctes,
        max_rows=max_rows,
        identifiers={},
        columns=(),
    )


async def values(warehouse: Warehouse, sql: str, *tables: PhysicalTable) -> dict[str, Any]:
    """The first row by column name."""
    rows = await warehouse.execute(plan(sql, *tables), limits=LIMITS)
    return dict(zip([column.name for column in rows.columns], rows.rows[0], strict=True))


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> bool:
    """Whether it comes true within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await condition():
            return True
        await asyncio.sleep(0.05)
    return False
