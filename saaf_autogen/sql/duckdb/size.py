"""Keeps single huge values out of Python.

DuckDB holds a list of a hundred million numbers within its memory limit; the same list as Python
objects would end the host. So rows are weighed in the engine, before they are fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

__all__ = ["TOO_LARGE", "weighed"]

# What the engine's error says when a row is too heavy.
TOO_LARGE = "saaf: a row is too large"
_ITEM_BYTES = 8
_FIXED = frozenset(
    """
    boolean tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint uhugeint
    float double decimal date time time_tz time_ns timestamp timestamp_s timestamp_ms timestamp_ns
    timestamp_tz interval uuid enum null
    """.split()  # noqa: SIM905 - a list of words reads best as words
)


def weighed(sql: str, columns: list[tuple[str, DuckDBPyType]], max_bytes: int) -> str:
    """``sql``, made to fail with ``TOO_LARGE`` on a row that is heavier than ``max_bytes``.

    Args:
        sql: a query.
        columns: names, all different, and types of its result.
        max_bytes: what a row may weigh, roughly, as text.
    """
    weights = [
        weight
        for name, kind in columns
        if (weight := _weight(f"q.{_quoted(name)}", kind, max_bytes, 0)) is not None
    ]
    if not weights:
        return sql
    total = " + ".join(f"coalesce({weight}, 0)" for weight in weights)
    return (
        f"SELECT * FROM ({sql}) AS q WHERE "  # noqa: S608 - the guard's SQL; names are quoted
        f"CASE WHEN {total} <= {max_bytes} THEN true ELSE error('{TOO_LARGE}') END"
    )


def _weight(value: str, kind: DuckDBPyType, most: int, depth: int) -> str | None:
    """An expression for the weight of ``value``, or None where its type bounds it."""
    name = str(kind.id)
    if name in _FIXED:
        return None
    if name == "varchar":
        return f"strlen({value})"
    if name == "blob":
        return f"octet_length({value})"
    if name in ("list", "map", "struct"):
        # The stubs allow numbers as children: the length of an array, which comes as text below.
        children = [(field, cast("DuckDBPyType", part)) for field, part in kind.children]
    if name == "list":
        return _list_weight(value, children[0][1], most, depth)
    if name == "map":
        keys = _list_weight(f"map_keys({value})", children[0][1], most, depth)
        values = _list_weight(f"map_values({value})", children[1][1], most, depth)
        return f"({keys} + {values})"
    if name == "struct":
        parts = [
            f"coalesce({weight}, 0)"
            for field, part in children
            if (weight := _weight(f"struct_extract({value}, {_text(field)})", part, most, depth))
        ]
        return f"({' + '.join(parts)})" if parts else None
    return f"strlen(CAST({value} AS VARCHAR))"


def _list_weight(value: str, item: DuckDBPyType, most: int, depth: int) -> str:
    count = f"(len({value}) * {_ITEM_BYTES})"
    inner = _weight(f"x{depth}", item, most, depth + 1)
    if inner is None:
        return count
    each = f"list_transform({value}, lambda x{depth}: coalesce({inner}, 0))"
    # The items are weighed only if there are not too many of them already.
    return (
        f"CASE WHEN {count} > {most} THEN {count} ELSE {count} + coalesce(list_sum({each}), 0) END"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
