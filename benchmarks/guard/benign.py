"""Does the guard let good queries through?

Each query is planned for a caller who may read every table of its database. A refusal is false if
the engine takes the query as it stands. Where there is an engine here (DuckDB, PostgreSQL), it is
asked, over empty tables: a query that it does not take is no legitimate one, and a plan that it
does not take counts as a refusal of the guard. For the other dialects a query is legitimate if
sqlglot could translate all of it, and DuckDB takes it in its own dialect.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from benchmarks.guard.corpora import CORPORA, Query, read
from benchmarks.guard.engines import Engine, duckdb_engine, postgres_engine
from saaf_autogen.auth.access import TRUE, ColumnAccess, ColumnCase, TableAccess
from saaf_autogen.errors import SaafError, SqlRefused
from saaf_autogen.sql import Guard, PhysicalTable, Plan, VisibleTable
from saaf_autogen.sql.guard.dialects import DIALECTS, dialect_named

__all__ = ["Tally", "judge", "main"]

# Without an engine nobody says which of a parser's fixtures are queries that a warehouse takes.
_NEEDS_ENGINE = ("sqlglot",)


@dataclass
class Tally:
    """What became of the queries of one corpus in one dialect."""

    queries: int = 0
    planned: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def false(self) -> int:
        """Refusals of queries that the engine takes."""
        return sum(self.refused.values())


def judge(
    queries: Iterator[Query], dialect: str, engine: Engine | None, reference: Engine
) -> Tally:
    """Plan every query and count what was refused.

    Args:
        queries: in that dialect.
        dialect: sqlglot's name of it.
        engine: what says which of them are legitimate, and takes the plans.
        reference: what says so where there is no engine of that dialect.
    """
    facts = dialect_named(dialect)
    tally = Tally()
    for query in queries:
        tally.queries += 1
        asked, sql = (engine, query.sql) if engine else (reference, query.reference)
        made = query.faithful and asked.use(query.database, query.schema)
        legitimate = made and asked.accepts(sql)
        tally.accepted += legitimate
        catalog = engine.catalog if engine is not None else "warehouse"
        schema = engine.schema if engine is not None else facts.default_schema or "data"
        guard = Guard(replace(facts, default_schema=schema), mask_key="k")
        plan = _planned(query, guard, catalog, schema)
        tally.planned += isinstance(plan, Plan)
        if not legitimate:
            continue
        if isinstance(plan, str):
            tally.refused[plan.partition(":")[0]] += 1
            tally.examples.append(f"{query.label}: {plan}\n    {query.sql[:300]}")
        elif engine is not None and not engine.accepts_plan(plan):
            tally.refused["by the engine"] += 1
            tally.examples.append(f"{query.label}: {engine.complaint}\n    {plan.sql[:600]}")
    return tally


def _planned(query: Query, guard: Guard, catalog: str, schema: str) -> Plan | str:
    """A plan, or why there is none."""
    case = (ColumnCase(TRUE, None),)
    visible = {
        f"{schema}.{table}": VisibleTable(
            PhysicalTable(catalog, schema, table),
            TableAccess("wh://w/t", {name: ColumnAccess(name, case) for name in columns}),
        )
        for table, columns in query.schema.items()
    }
    try:
        return guard.plan(query.sql, visible=visible, max_rows=10_000)
    except SqlRefused as error:
        return f"{error.rule}: {error.detail} {error.remedy or ''}"
    except SaafError as error:
        return f"{error.code}: {error.detail}"


def _engine(dialect: str) -> contextlib.AbstractContextManager[Engine | None]:
    if dialect == "duckdb":
        return duckdb_engine()
    return postgres_engine() if dialect == "postgres" else contextlib.nullcontext()


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; the exit code tells whether there were too many false refusals."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.guard.benign",
        description=__doc__,
        epilog="benchmarks/README.md says from where to fetch the corpora.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dialects", nargs="+", choices=sorted(DIALECTS), default=list(DIALECTS))
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    parser.add_argument("--show", type=int, default=5, help="refused queries to print of each")
    parser.add_argument("--most", type=float, default=0.001, help="share of false refusals allowed")
    options = parser.parse_args(arguments)
    total = Tally()
    print("| dialect | corpus | queries | planned | legitimate | refused | by rule |")
    print("|---|---|--:|--:|--:|--:|---|")
    for dialect in options.dialects:
        with _engine(dialect) as engine, duckdb_engine() as reference:
            for corpus in options.corpora:
                if engine is None and corpus in _NEEDS_ENGINE:
                    continue
                tally = judge(read(corpus, dialect), dialect, engine, reference)
                rules = ", ".join(f"{rule} {count}" for rule, count in tally.refused.items())
                counts = f"{tally.queries} | {tally.planned} | {tally.accepted} | {tally.false}"
                print(
                    f"| {dialect} | {corpus} | {counts} | {rules} |",
                    flush=True,
                )
                for example in tally.examples[: options.show]:
                    print("   ", example, file=sys.stderr)
                total.queries += tally.queries
                total.accepted += tally.accepted
                total.refused += tally.refused
    share = total.false / max(1, total.accepted)
    print(f"\n{total.false} of {total.accepted} legitimate queries refused: {share:.3%}")
    return int(share > options.most)


if __name__ == "__main__":
    raise SystemExit(main())
