"""What does the guard cost on TPC-H?

Each of the 22 queries is run by DuckDB in three pairs, one after the other in the same process:

* as it stands, and guarded for a caller who may read everything;
* with a row policy on each of the six large tables written by hand, as a subquery without a fence,
  and guarded for a caller with that row policy.

Guarded SQL is timed twice: by itself, and together with what comes before it: planning, not from
the cache, and the comparison of the plan with what DuckDB reads in it. That is some milliseconds,
however long the query takes. Every result is fetched, and ratios are of the sums of the medians.
Results are compared as well: a guarded query must return what its counterpart does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from benchmarks.guard.corpora import CACHE, tpch_queries
from saaf_autogen.auth.access import TRUE, ColumnAccess, ColumnCase, Comparison, TableAccess
from saaf_autogen.sql import Guard, PhysicalTable, VisibleTable
from saaf_autogen.sql.duckdb.check import cross_check
from saaf_autogen.sql.guard import DUCKDB

__all__ = ["POLICIES", "comparable", "database", "handwritten", "main", "visible"]

# Each keeps nearly all rows: a policy that hides much makes queries faster, not slower.
POLICIES: Mapping[str, Comparison] = {
    "lineitem": Comparison("l_linenumber", "lte", 6),
    "orders": Comparison("o_orderpriority", "ne", "none"),
    "customer": Comparison("c_custkey", "gt", 100),
    "part": Comparison("p_size", "lte", 49),
    "partsupp": Comparison("ps_availqty", "gt", 10),
    "supplier": Comparison("s_suppkey", "gt", 10),
}
_SIGNS = {"lte": "<=", "gt": ">", "ne": "<>"}
_TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")


@dataclass(frozen=True)
class _Pair:
    """Seconds of one query: without the guard, its guarded SQL, and that with all before it."""

    plain: float
    sql: float
    whole: float
    same: bool


def database(scale: float, folder: Path = CACHE) -> Path:
    """A DuckDB file with TPC-H data of that scale, made by ``tpchgen-cli`` if it is not there."""
    import duckdb

    path = folder / f"tpch-{scale:g}.duckdb"
    if path.is_file():
        return path
    parquet = folder / f"tpch-{scale:g}"
    generator = str(Path(sys.executable).parent / "tpchgen-cli")
    subprocess.run(  # noqa: S603 - a fixed command
        [generator, "parquet", "-s", f"{scale:g}", f"--output-dir={parquet}"], check=True
    )
    with duckdb.connect(str(path)) as connection:
        for table in _TABLES:
            source = str(parquet / f"{table}.parquet").replace("'", "''")
            connection.execute(f"CREATE TABLE {table} AS FROM '{source}'")
    return path


def visible(connection: Any, policies: Mapping[str, Comparison]) -> dict[str, VisibleTable]:
    """Every table in full, with row policies on some, and with the engine's types."""
    catalog = connection.execute("SELECT current_database()").fetchone()[0]
    types: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal "
        "ORDER BY table_name, column_index"
    ).fetchall():
        types.setdefault(table, {})[column] = kind
    shown = (ColumnCase(TRUE, None),)
    return {
        f"main.{table}": VisibleTable(
            PhysicalTable(catalog, "main", table),
            TableAccess(
                f"wh://tpch/main.{table}",
                {name: ColumnAccess(name, shown) for name in columns},
                policies.get(table, TRUE),
            ),
            columns,
        )
        for table, columns in types.items()
    }


def handwritten(sql: str, policies: Mapping[str, Comparison]) -> str:
    """The query with each policy as a filter in a subquery, as a person would write it."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    for table in list(tree.find_all(exp.Table)):
        policy = policies.get(table.name)
        if policy is not None:
            value = exp.convert(policy.value).sql("duckdb")
            filtered = (
                f"(SELECT * FROM {table.name} "  # noqa: S608 - of this file's own constants
                f"WHERE {policy.column} {_SIGNS[policy.operator]} {value}) AS {table.alias_or_name}"
            )
            table.replace(sqlglot.parse_one(f"FROM {filtered}", read="duckdb").args["from_"].this)
    return tree.sql("duckdb")


def comparable(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows in any order, and floats without their last digits: threads add in any order."""
    return sorted(
        (tuple(float(f"{v:.9g}") if isinstance(v, float) else v for v in row) for row in rows),
        key=str,
    )


def _planned(
    connection: Any, guard: Guard, tables: Mapping[str, VisibleTable], sql: str
) -> list[tuple[Any, ...]]:
    plan = guard.plan(sql, visible=tables, max_rows=1_000_000)
    cross_check(connection.cursor(), plan)
    return _fetched(connection, plan.sql, plan.parameters)


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _pair(
    plain: Callable[[], Any], sql: Callable[[], Any], whole: Callable[[], Any], repeats: int
) -> _Pair:
    same = comparable(plain()) == comparable(whole())
    seconds = [(_timed(plain), _timed(sql), _timed(whole)) for _ in range(repeats)]
    medians = [statistics.median(times) for times in zip(*seconds, strict=True)]
    return _Pair(medians[0], medians[1], medians[2], same)


def _planning(queries: list[str], tables: Mapping[str, VisibleTable], *, cached: int) -> float:
    """The median milliseconds to plan a query."""
    guard = Guard(DUCKDB, mask_key="k", cached=cached)
    for sql in queries:
        guard.plan(sql, visible=tables, max_rows=1000)

    def best(sql: str) -> float:
        return min(_timed(lambda: guard.plan(sql, visible=tables, max_rows=1000)) for _ in range(9))

    return 1000 * statistics.median(best(sql) for sql in queries)


def _compare(connection: Any, policies: Mapping[str, Comparison], repeats: int) -> Iterator[_Pair]:
    """Each query by hand and guarded, under the same policies."""
    guard = Guard(DUCKDB, mask_key="k", cached=0)
    tables = visible(connection, policies)
    for sql in tpch_queries():
        plan = guard.plan(sql, visible=tables, max_rows=1_000_000)
        yield _pair(
            partial(_fetched, connection, handwritten(sql, policies), {}),
            partial(_fetched, connection, plan.sql, plan.parameters),
            partial(_planned, connection, guard, tables, sql),
            repeats,
        )


def _fetched(connection: Any, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(sql, dict(parameters)).fetchall()
    return rows


def _row(label: str, pairs: list[_Pair]) -> str:
    plain, sql = sum(pair.plain for pair in pairs), sum(pair.sql for pair in pairs)
    whole, same = sum(pair.whole for pair in pairs), sum(pair.same for pair in pairs)
    return (
        f"| {label} | {plain:.3f} | {sql:.3f} | {sql / plain:.3f} | {whole:.3f} "
        f"| {whole / plain:.3f} | {same}/{len(pairs)} |"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; the exit code tells whether a result was wrong."""
    import duckdb

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.guard.tpch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", type=float, default=1.0, help="scale factor (1 is 1 GB)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each query")
    parser.add_argument("--queries", action="store_true", help="print every query's times")
    options = parser.parse_args(arguments)
    wrong = False
    with duckdb.connect(str(database(options.scale)), read_only=True) as connection:
        connection.execute("SET threads = 2")
        print(
            f"| TPC-H, scale {options.scale:g} | plain s | guarded SQL s | ratio "
            "| with planning and check s | ratio | identical |"
        )
        print("|---|--:|--:|--:|--:|--:|--:|")
        for label, policies in (("no row policy", {}), ("row policy on six tables", POLICIES)):
            pairs = []
            for pair in _compare(connection, policies, options.repeats):
                pairs.append(pair)
                wrong = wrong or not pair.same
                if options.queries:
                    print(_row(f"{label}, Q{len(pairs)}", [pair]), flush=True)
            print(_row(label, pairs), flush=True)
        queries, tables = tpch_queries(), visible(connection, POLICIES)
    print(
        f"\nPlanning a query: median {_planning(queries, tables, cached=0):.2f} ms, "
        f"{_planning(queries, tables, cached=512):.3f} ms from the cache"
    )
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
