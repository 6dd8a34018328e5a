"""Attacks as data: SQL that must be refused, and SQL that may run but must tell nothing."""

from __future__ import annotations

from tests.sql.attacks import (
    duckdb_contained,
    duckdb_refused,
    postgres_contained,
    postgres_refused,
    shared,
    snowflake,
)
from tests.sql.attacks.case import Attack, attacks

__all__ = ["Attack", "corpus"]


def corpus(dialect: str) -> tuple[Attack, ...]:
    """Every attack of one dialect, each statement once."""
    found = [*attacks(dialect, shared.REFUSED, refused=True), *attacks(dialect, shared.CONTAINED)]
    if dialect == "duckdb":
        found += attacks(dialect, duckdb_refused.BY_RULE, by_rule=True)
        reading = {"reading function": duckdb_refused.FUNCTIONS_THAT_READ}
        found += attacks(dialect, reading, refused=True)
        found += attacks(dialect, duckdb_contained.CONTAINED)
    elif dialect == "postgres":
        found += attacks(dialect, postgres_refused.REFUSED, refused=True)
        found += attacks(dialect, postgres_contained.CONTAINED)
    elif dialect == "snowflake":
        found += attacks(dialect, snowflake.REFUSED, refused=True)
        found += attacks(dialect, snowflake.CONTAINED)
    # A later entry says more of the same statement.
    distinct = {(attack.sql, repr(attack.parameters)): attack for attack in found}
    return tuple(distinct.values())
