"""Reads a live warehouse: its catalog first, then a look into each table."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from saaf_autogen.errors import TimedOut, WarehouseFailed
from saaf_autogen.sql.introspection.duckdb import read_duckdb
from saaf_autogen.sql.introspection.postgres import read_postgres
from saaf_autogen.sql.introspection.sampling import Sampler
from saaf_autogen.sql.introspection.schema import (
    ColumnInfo,
    Introspection,
    Profile,
    Progress,
    SampleMode,
    TableInfo,
    Value,
)
from saaf_autogen.sql.introspection.snowflake import read_snowflake
from saaf_autogen.sql.introspection.standard import read_plainly, read_standard
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["introspect", "look_for_values", "look_into"]

Reader = Callable[[Warehouse], Awaitable[tuple[list[TableInfo], list[str]]]]
_READERS: dict[str, Reader] = {
    "duckdb": read_duckdb,
    "postgres": read_postgres,
    "snowflake": read_snowflake,
}


async def introspect(
    warehouse: Warehouse, *, only: Sequence[str] = (), timeout_s: float = 60.0
) -> Introspection:
    """The warehouse's tables with columns and keys; nothing is read from the tables themselves.

    Args:
        warehouse: open, and of any engine.
        only: patterns such as ``sales.*`` of the tables that are wanted; none means all.
        timeout_s: seconds for the catalog.

    Raises:
        WarehouseFailed: the warehouse is down, or its catalog cannot be read.
        TimedOut: the catalog took too long.
    """
    try:
        tables, notes = await asyncio.wait_for(_read(warehouse), timeout_s)
    except TimeoutError:
        raise TimedOut(
            f"Reading the catalog of the warehouse {warehouse.name} took longer than "
            f"{timeout_s:g} s.",
            remedy="Is it overloaded, or asleep? Try again.",
        ) from None
    kept, more = _told_apart(tables)
    if only:
        patterns = [pattern.casefold() for pattern in only]
        kept = [
            table
            for table in kept
            if any(fnmatchcase(table.label.casefold(), pattern) for pattern in patterns)
        ]
    return Introspection(
        warehouse.name, warehouse.dialect.name, warehouse.catalog, tuple(kept), {}, (*notes, *more)
    )


async def _read(warehouse: Warehouse) -> tuple[list[TableInfo], list[str]]:
    try:
        return await _READERS.get(warehouse.dialect.name, read_standard)(warehouse)
    except WarehouseFailed as error:
        # SQLAlchemy reaches engines that speak a dialect without having its catalog.
        try:
            return await read_plainly(warehouse)
        except WarehouseFailed:
            raise error from None


async def look_into(
    warehouse: Warehouse,
    tables: Sequence[TableInfo],
    *,
    samples: SampleMode = "safe",
    timeout_s: float = 30.0,
    progress: Progress | None = None,
) -> dict[tuple[str, str], Profile]:
    """How many rows the tables have, and what is in their columns.

    Args:
        warehouse: where they are.
        tables: as ``introspect`` tells of them.
        samples: see ``Sampler``.
        timeout_s: seconds for each table; what is not known by then is left out with a note.
        progress: told of each table.
    """
    sampler = Sampler(warehouse, samples)
    profiles: dict[tuple[str, str], Profile] = {}
    for index, table in enumerate(tables):
        if progress:
            progress(index, len(tables), table.label)
        try:
            profiles[table.key] = await asyncio.wait_for(sampler.profile(table), timeout_s)
        except TimeoutError:
            note = f"{table.label}: looking into it took longer than {timeout_s:g} s."
            profiles[table.key] = Profile(note=f"{note} Its values are missing.")
    if progress:
        progress(len(tables), len(tables), "")
    return profiles


async def look_for_values(
    warehouse: Warehouse,
    columns: Sequence[tuple[TableInfo, ColumnInfo]],
    *,
    most: int = 1_000,
    timeout_s: float = 30.0,
    progress: Progress | None = None,
) -> tuple[dict[tuple[tuple[str, str], str], list[Value]], list[str]]:
    """The values of columns, by their table's key and their name, and notes on what failed.

    Args:
        warehouse: where they are.
        columns: each with its table.
        most: values of one column.
        timeout_s: seconds for each column.
        progress: told of each column.
    """
    sampler = Sampler(warehouse, "all")
    found: dict[tuple[tuple[str, str], str], list[Value]] = {}
    notes: list[str] = []
    for index, (table, column) in enumerate(columns):
        label = f"{table.label}.{column.name}"
        if progress:
            progress(index, len(columns), label)
        try:
            values = await asyncio.wait_for(sampler.values(table, column, most), timeout_s)
            found[table.key, column.name] = values
        except (TimeoutError, TimedOut):
            notes.append(f"{label}: looking for its values took too long; they were not compared.")
        except WarehouseFailed:
            notes.append(f"{label}: its values could not be read; they were not compared.")
    if progress:
        progress(len(columns), len(columns), "")
    return found, notes


def _told_apart(tables: Sequence[TableInfo]) -> tuple[list[TableInfo], list[str]]:
    """Tables and columns that SAAF can name, and notes on the rest.

    Grants and the guard compare names without regard to case, and a schema ends at the first dot.
    """
    kept: list[TableInfo] = []
    notes: list[str] = []
    seen: set[tuple[str, str]] = set()
    for table in tables:
        if "." in table.schema or not (table.name.strip() and table.schema.strip()):
            notes.append(f"{table.label}: left out, its schema's name holds a dot or nothing.")
            continue
        if table.key in seen:
            notes.append(f"{table.label}: left out, another table differs in upper case only.")
            continue
        seen.add(table.key)
        counts = Counter(column.name.casefold() for column in table.columns)
        twins = sorted(name for name, count in counts.items() if count > 1)
        if twins:
            notes.append(
                f"{table.label}: left out columns that differ in upper case only: "
                f"{', '.join(twins)}."
            )
            columns = tuple(c for c in table.columns if c.name.casefold() not in twins)
            table = replace(table, columns=columns)
        if not table.columns:
            notes.append(f"{table.label}: left out, it shows no columns.")
            continue
        kept.append(table)
    return kept, notes
