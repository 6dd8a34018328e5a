"""Tries attacks on engines that protect nothing, and says what went wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import sqlglot
from sqlglot.errors import ErrorLevel

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql import Guard, PhysicalTable, VisibleTable
from saaf_autogen.sql.guard import Plan
from saaf_autogen.sql.guard.dialects import dialect_named
from tests.sql import world
from tests.sql.attacks.case import Attack
from tests.sql.attacks.oracle import told, told_names, unprojected
from tests.sql.engines import BareDuckDB, BarePostgres, Outcome

__all__ = ["Engine", "Trial", "Verdict", "duckdb_trial", "postgres_trial", "snowflake_trial"]

_SCHEMAS = {"duckdb": "main", "postgres": "public", "snowflake": "PUBLIC"}
# What the warehouses bound and engines do not: tried through the warehouses.
BOUNDED_BY_WAREHOUSES = "size"
_PLANNING_S = 2.0


class Engine(Protocol):
    """What runs plans."""

    def plan(self, plan: Plan) -> Outcome:
        """Execute a plan."""
        ...

    def state(self) -> str:
        """What must not change."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True)
class Verdict:
    """How an attack ended; without faults it was repelled."""

    end: Literal["refused", "failed", "ran", "planned"]
    faults: tuple[str, ...] = ()


@dataclass
class Trial:
    """A caller with few rights, a guard, and two worlds that look the same to that caller.

    Attributes:
        dialect: sqlglot's name.
        engine: where plans run, with every right; None where they are planned only.
        twin: the same with other secrets. What differs between the two tells of secrets.
    """

    dialect: str
    engine: Engine | None
    twin: Engine | None
    _state: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.visible = _visible(self.dialect)
        self.guard = Guard(
            dialect_named(self.dialect), mask_key="the mask key", catalogs=frozenset({"w"})
        )
        self._state = self.engine.state() if self.engine else ""

    def close(self) -> None:
        """Let go of the engines."""
        for engine in (self.engine, self.twin):
            if engine is not None:
                engine.close()

    def of(self, attack: Attack) -> Verdict:
        """Try one attack."""
        started = time.monotonic()
        try:
            plan = self.guard.plan(
                attack.sql, visible=self.visible, parameters=attack.parameters, max_rows=1_000
            )
        except SqlRefused as error:
            return Verdict("refused", (*_badly_refused(attack, error), *_slow(started)))
        faults = [*_slow(started), *unprojected(plan, self.visible, self.dialect)]
        if attack.refused:
            faults.append(f"it was not refused: {plan.sql}")
        if self.engine is None or attack.kind == BOUNDED_BY_WAREHOUSES:
            return Verdict("planned", tuple(faults))
        outcome = self.engine.plan(plan)
        faults += [
            f"it told {word}"
            for word in told(outcome.text, attack.sql, attack.parameters)
            # What a mutation computes of a number it names is no secret; the twin sees those.
            if attack.kind != "mutation" or not word.isdigit()
        ]
        faults += self._changes(plan)
        other = self.twin.plan(plan) if self.twin is not None else outcome
        if other != outcome:
            faults.append(f"it tells worlds apart: {outcome.text[:300]} {other.text[:300]}")
        return Verdict("failed" if outcome.error else "ran", tuple(faults))

    def _changes(self, plan: Plan) -> list[str]:
        assert self.engine is not None
        found = []
        state = self.engine.state()
        if state != self._state:
            found.append(f"it changed {self._state} to {state}")
            self._state = state
        if isinstance(self.engine, BarePostgres):
            planned = {(table.schema, table.name) for table in plan.physical}
            other = self.engine.relations(plan) - planned
            found += [f"the server reads {name}" for name in other]
        return found


class _AsDuckDB:
    """Snowflake's plans, run by DuckDB as far as it can: without any fence of its own."""

    def __init__(self, engine: BareDuckDB) -> None:
        self._engine = engine

    def plan(self, plan: Plan) -> Outcome:
        try:
            (sql,) = sqlglot.transpile(
                plan.sql, read="snowflake", write="duckdb", unsupported_level=ErrorLevel.IGNORE
            )
        # sqlglot fails in many ways on what it cannot write for DuckDB.
        except Exception as error:
            return Outcome(error=f"no DuckDB for it: {type(error).__name__}", kind="untranslated")
        for name in plan.parameters:
            sql = sql.replace(f":{name}", f"${name}")
        return self._engine.run(sql, plan.parameters, plan.max_rows)

    def state(self) -> str:
        return self._engine.state()

    def close(self) -> None:
        self._engine.close()


def duckdb_trial() -> Trial:
    """On DuckDB, in memory and with every right."""
    return Trial("duckdb", BareDuckDB(world.SCHEMA), BareDuckDB(world.twin(world.SCHEMA)))


def postgres_trial(url: str, other_url: str) -> Trial:
    """On PostgreSQL, as whoever the URLs of two empty databases say: a superuser."""
    # The labels of an ENUM belong to its type, which is not a secret.
    twin = world.twin(world.POSTGRES).replace("OTHERS_ENUM", "CANARY_ENUM")
    return Trial("postgres", BarePostgres(url, world.POSTGRES), BarePostgres(other_url, twin))


def snowflake_trial() -> Trial:
    """Planned for Snowflake, and run by DuckDB where it understands the plan."""
    one, two = (
        BareDuckDB(schema.replace("CREATE TYPE", "CREATE SCHEMA public; CREATE TYPE", 1))
        for schema in (world.SCHEMA, world.twin(world.SCHEMA))
    )
    for engine in (one, two):
        for name in ("flights", "people", "members"):
            engine.run(f"CREATE VIEW w.public.{name} AS SELECT * FROM w.main.{name}", {})
    return Trial("snowflake", _AsDuckDB(one), _AsDuckDB(two))


_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("id", "delay", "wages"), "integer"),
    **dict.fromkeys(("carrier", "origin", "note", "name", "team", "email", "phone"), "varchar"),
    **dict.fromkeys(("city", "ssn"), "varchar"),
    "moment": "timestamp",
    "born": "date",
}


def _visible(dialect: str) -> dict[str, VisibleTable]:
    schema = _SCHEMAS[dialect]
    catalog = "" if dialect == "postgres" else "w"
    return {
        name: VisibleTable(
            PhysicalTable(
                catalog, schema, "flights" if name.endswith("nothing") else name.split(".")[1]
            ),
            access,
            _TYPES,
        )
        for name, access in world.visible(schema).items()
    }


def _badly_refused(attack: Attack, error: SqlRefused) -> list[str]:
    text = f"{error} {error.problem()}"
    faults = [f"its refusal told {word}" for word in told(text, attack.sql, attack.parameters)]
    faults += [
        f"its refusal named {name}" for name in told_names(text, attack.sql, attack.parameters)
    ]
    if attack.rule and error.rule != attack.rule:
        faults.append(f"the rule is {error.rule}")
    if not error.rule or not error.remedy:
        faults.append(f"no rule or no remedy: {error}")
    return faults


def _slow(started: float) -> list[str]:
    took = time.monotonic() - started
    return [f"planning took {took:.1f} s"] if took > _PLANNING_S else []
