"""Runs a query under a grant, and without a guard on a database that holds just what it shows."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from saaf_autogen.auth.access import TableAccess
from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql import Guard, PhysicalTable, VisibleTable
from saaf_autogen.sql.guard.dialects import dialect_named
from tests.sql.engines import BareDuckDB, BarePostgres, Outcome
from tests.sql.properties.data import TABLES, Kind, Table, create
from tests.sql.properties.grants import MASK_KEY, left_by, without_secrets
from tests.sql.properties.queries import Query, query

__all__ = ["Bench", "Flavour", "FLAVOURS", "duckdb_bench", "postgres_bench"]

_MOST = 5_000


@dataclass(frozen=True)
class Flavour:
    """What differs between the two dialects for the generator of queries."""

    schema: str
    catalog: str
    row: str
    divide: str
    placeholder: str
    types: Mapping[Kind, str]


FLAVOURS: Mapping[str, Flavour] = {
    "duckdb": Flavour(
        "main",
        "w",
        "CAST(to_json({}) AS VARCHAR)",
        "//",
        "${}",
        {
            "int": "INTEGER",
            "text": "VARCHAR",
            "date": "DATE",
            "moment": "TIMESTAMP",
            "num": "DECIMAL(12,2)",
            "float": "DOUBLE",
        },
    ),
    "postgres": Flavour(
        "public",
        "",
        "CAST(row_to_json({}) AS VARCHAR)",
        "/",
        "%({})s",
        {
            "int": "integer",
            "text": "character varying",
            "date": "date",
            "moment": "timestamp without time zone",
            "num": "numeric(12,2)",
            "float": "double precision",
        },
    ),
}


@dataclass
class Bench:
    """Three databases of one engine.

    Attributes:
        dialect: sqlglot's name.
        world: everything. Guarded queries run here, with every right.
        shown: what a grant shows, made by Python. The same queries run here without a guard.
        bare: like ``world`` for the caller, but without hidden rows and values.
        ends: how many queries ended how.
    """

    dialect: str
    world: BareDuckDB | BarePostgres
    shown: BareDuckDB | BarePostgres
    bare: BareDuckDB | BarePostgres
    ends: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._earlier: deque[Query] = deque(maxlen=50)
        self.flavour = FLAVOURS[self.dialect]
        self._guard = Guard(
            dialect_named(self.dialect), mask_key=MASK_KEY, catalogs=frozenset({"w"})
        )

    def close(self) -> None:
        """Let go of the engines."""
        for engine in (self.world, self.shown, self.bare):
            engine.close()

    def faults(self, grant: Mapping[str, TableAccess], randoms: Iterable[Random]) -> Iterator[str]:
        """What is wrong under a grant with a query made by each of some sources of chance.

        Queries of other grants are tried again, because plans are kept and used again.
        """
        left = left_by(grant)
        self.shown.build(_built(left))
        tables = {name: table.columns for name, table in left.items()}
        for random in randoms:
            if self._earlier and random.randrange(6) == 0:
                made = self._earlier[random.randrange(len(self._earlier))]
            else:
                made = query(random, tables, row=self.flavour.row, divide=self.flavour.divide)
                self._earlier.append(made)
            fault = self._fault(grant, made)
            if fault is not None:
                yield fault

    def _fault(self, grant: Mapping[str, TableAccess], query: Query) -> str | None:
        plain = self._unguarded(query)
        try:
            plan = self._guard.plan(
                query.sql,
                visible=self._visible(grant),
                parameters=query.parameters,
                max_rows=_MOST,
            )
        except SqlRefused as error:
            self.ends["refused"] += 1
            # Engines do not look at what nothing reads; the guard does.
            known = plain.error or error.rule in ("unknown_column", "unknown_table")
            return None if known else f"refused: {error}\n{query}"
        guarded = self._alike(self.world.plan(plan))
        self.ends["failed" if guarded.error else "ran"] += 1
        details = f"{query}\n{grant}\n{plan.sql}\nguarded: {guarded}\nplain: {plain}"
        if guarded.error and (told := _told(guarded.error, self._texts(grant), query)):
            return f"its error tells {told}\n{details}"
        if bool(guarded.error) == bool(plain.error):
            same = (guarded.columns, guarded.rows) == (plain.columns, plain.rows)
            # Of more rows than are fetched, any may come.
            cut = len(guarded.rows) == len(plain.rows) == _MOST
            same = same or (cut and guarded.columns == plain.columns)
            return None if same else f"other results\n{details}"
        # Which rows an expression is tried on depends on the engine's plan. It must not depend
        # on what is hidden.
        self.ends["failed in one plan, not in the other"] += 1
        self.bare.build(_built(without_secrets(grant)))
        without = self._alike(self.bare.plan(plan))
        return None if without == guarded else f"hidden rows decide: {without}\n{details}"

    def _unguarded(self, query: Query) -> Outcome:
        sql = query.sql.replace("%", "%%") if self.dialect == "postgres" else query.sql
        for name in query.parameters:
            sql = sql.replace(f":{name} ", f"{self.flavour.placeholder.format(name)} ")
        return self._alike(self.shown.run(sql, query.parameters, _MOST))

    def _alike(self, outcome: Outcome) -> Outcome:
        """Without the difference between PostgreSQL's two types of text."""
        columns = tuple((name, "25" if kind == "1043" else kind) for name, kind in outcome.columns)
        return replace(outcome, columns=columns)

    def _visible(self, grant: Mapping[str, TableAccess]) -> dict[str, VisibleTable]:
        flavour = self.flavour
        return {
            f"{flavour.schema}.{name}": VisibleTable(
                PhysicalTable(flavour.catalog, flavour.schema, name),
                access,
                {column: flavour.types[kind] for column, kind in TABLES[name].columns.items()},
            )
            for name, access in grant.items()
        }

    def _texts(self, grant: Mapping[str, TableAccess]) -> set[str]:
        """Texts of the world that the grant does not show."""
        everything = {value for table in TABLES.values() for row in table.rows for value in row}
        left = {value for table in left_by(grant).values() for row in table.rows for value in row}
        return {str(value) for value in everything - left if str(value).startswith("secret")}


def _told(error: str, hidden: set[str], query: Query) -> list[str]:
    written = f"{query}"
    words = set(error.replace('"', " ").replace("'", " ").split())
    return sorted(text for text in hidden if text in words and text not in written)


def _built(tables: Mapping[str, Table]) -> str:
    dropped = [f'DROP TABLE IF EXISTS "{name}"' for name in TABLES]
    return "; ".join([*dropped, *(create(name, table) for name, table in tables.items())])


# Which table of a join is read first follows from their sizes, and where the first is empty, the
# second is never tried. So it tells how many rows are hidden, roughly, as the time does. Not here.
_DUCKDB_JOINS = "SET GLOBAL disabled_optimizers = 'join_order,build_side_probe_side'"
_POSTGRES_JOINS = """
SET join_collapse_limit = 1; SET from_collapse_limit = 1;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off
"""


def duckdb_bench() -> Bench:
    """In memory."""
    return Bench(
        "duckdb",
        BareDuckDB(_built(TABLES), _DUCKDB_JOINS),
        BareDuckDB("", _DUCKDB_JOINS),
        BareDuckDB("", _DUCKDB_JOINS),
    )


def postgres_bench(world_url: str, shown_url: str, bare_url: str) -> Bench:
    """In three empty databases."""
    return Bench(
        "postgres",
        BarePostgres(world_url, _built(TABLES), settings=_POSTGRES_JOINS),
        BarePostgres(shown_url, "SELECT 1", "public", _POSTGRES_JOINS),
        BarePostgres(bare_url, "SELECT 1", settings=_POSTGRES_JOINS),
    )
