"""Reads a live warehouse: its catalog first, then a look into each table."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from saaf_autogen.errors import TimedOut
from saaf_autogen.sql.introspection.duckdb import read_duckdb
from saaf_autogen.sql.introspection.postgres import read_postgres
from saaf_autogen.sql.introspection.sampling import Sampler
from saaf_autogen.sql.introspection.schema import (
    Introspection,
    Profile,
    Progress,
    SampleMode,
    TableInfo,
)
from saaf_autogen.sql.introspection.snowflake import read_snowflake
from saaf_autogen.sql.introspection.standard import read_standard
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["introspect", "look_into"]

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
    read = _READERS.get(warehouse.dialect.name, read_standard)
    try:
        tables, notes = await asyncio.wait_for(read(warehouse), timeout_s)
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
