"""Random queries over tables whose columns and kinds are known, mostly good and sometimes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.sql.properties.data import Kind

__all__ = ["Query", "query"]

Columns = Mapping[str, str]
_CONSTANTS: Mapping[str, list[str]] = {
    "int": ["0", "1", "2", "3", "-7", "1000", "424242", "NULL", "8"],
    "text": ["'a'", "'b'", "'1'", "'x'", "'***'", "'secret_t3'", "'m'", "NULL"],
    "date": ["DATE '2011-02-02'", "DATE '2015-01-01'", "CAST(NULL AS DATE)"],
    "moment": ["TIMESTAMP '2011-01-01'", "TIMESTAMP '2015-01-01'"],
    "num": ["0.0", "12.5", "CAST(-3.25 AS DECIMAL(12,2))"],
    "float": ["CAST(0 AS DOUBLE PRECISION)", "CAST(1.5 AS DOUBLE PRECISION)"],
}
_VALUES: Mapping[str, list[Any]] = {"int": [0, 1, 3, 424_242], "text": ["a", "2", "%secret%", "x"]}
_HIDDEN = ("secrets", "nope")
_MAX_DEPTH = 3


@dataclass(frozen=True)
class Query:
    """A text with parameters such as ``:p1``, and their values."""

    sql: str
    parameters: dict[str, Any]


@dataclass
class _Writer:
    """Writes one query.

    Attributes:
        tables: what may be read, by the names that the caller uses.
        row: how this dialect turns a whole row into text, with ``{}`` for its name.
        divide: how it divides whole numbers.
    """

    random: Random
    tables: dict[str, Columns]
    row: str
    divide: str
    parameters: dict[str, Any] = field(default_factory=dict)
    _aliases: int = 0

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.random.randrange(len(items))]

    def alias(self, letter: str) -> str:
        self._aliases += 1
        return f"{letter}{self._aliases}"

    # Queries

    def query(self, depth: int, *, kinds: Sequence[str] | None = None) -> tuple[str, Columns]:
        """A query, and its columns; ``kinds`` asks for columns of these kinds."""
        if depth < _MAX_DEPTH and self.chance(15) and not kinds:
            return self.with_ctes(depth)
        sql, columns = self.select(depth, kinds)
        if depth < _MAX_DEPTH and self.chance(15) and "*" not in columns:
            operator = self.pick(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
            other, _ = self.select(depth + 1, list(columns.values()))
            sql = f"({sql}) {operator} ({other})"
        if self.chance(20) and "*" not in columns:
            order = ", ".join(str(number + 1) for number in range(len(columns)))
            sql = f"SELECT * FROM ({sql}) AS {self.alias('o')} ORDER BY {order}"
            if self.chance(60):
                sql += f" LIMIT {self.pick([0, 1, 2, 5])}"
                sql += f" OFFSET {self.pick([0, 1, 3])}" if self.chance(30) else ""
        return sql, columns

    def with_ctes(self, depth: int) -> tuple[str, Columns]:
        inner, columns = self.query(depth + 1)
        # A name of its own, or that of a table which it hides from here on.
        name = self.pick([self.alias("c"), *self.tables])
        hidden = self.tables.get(name)
        self.tables[name] = columns
        sql, given = self.query(depth + 1)
        if hidden is None:
            del self.tables[name]
        else:
            self.tables[name] = hidden
        kept = self.pick(["", "", "MATERIALIZED ", "NOT MATERIALIZED "])
        # A WITH may not follow a WITH, but for one in parentheses.
        rest = f"SELECT * FROM ({sql}) AS {self.alias('q')}" if sql.startswith("WITH") else sql
        return f"WITH {name} AS {kept}({inner}) {rest}", given

    def select(self, depth: int, kinds: Sequence[str] | None) -> tuple[str, Columns]:
        source, scope = self.sources(depth)
        where = f" WHERE {self.boolean(scope, depth)}" if self.chance(60) else ""
        if self.chance(25) and not any("*" in columns for columns in scope.values()):
            return self.grouped(source, scope, where, depth, kinds)
        if not kinds and self.chance(15):
            star = self.pick(["*", *(f"{alias}.*" for alias in scope)])
            return f"SELECT {star} FROM {source}{where}", {"*": "*"}
        wanted = list(kinds or [self.kind() for _ in range(self.random.randrange(1, 4))])
        items = [self.window_or_value(kind, scope, depth) for kind in wanted]
        columns = {f"r{number}": kind for number, kind in enumerate(wanted)}
        shown = ", ".join(f"{item} AS {name}" for item, name in zip(items, columns, strict=True))
        distinct = "DISTINCT " if self.chance(10) else ""
        return f"SELECT {distinct}{shown} FROM {source}{where}", columns

    def grouped(
        self,
        source: str,
        scope: Mapping[str, Columns],
        where: str,
        depth: int,
        kinds: Sequence[str] | None,
    ) -> tuple[str, Columns]:
        wanted = list(kinds or ["int", self.pick(["int", "text"])])
        keys = [self.value(self.kind(), scope, _MAX_DEPTH) for _ in range(self.pick([0, 1, 1]))]
        items = [self.aggregate(kind, scope, depth) for kind in wanted]
        columns = {f"r{number}": kind for number, kind in enumerate(wanted)}
        shown = ", ".join(f"{item} AS {name}" for item, name in zip(items, columns, strict=True))
        group = f" GROUP BY {', '.join(f'({key})' for key in keys)}" if keys else ""
        if keys and self.chance(30):
            group += f" HAVING {self.aggregate('int', scope, depth)} > {self.pick([0, 1, 5])}"
        return f"SELECT {shown} FROM {source}{where}{group}", columns

    # Sources

    def sources(self, depth: int) -> tuple[str, dict[str, Columns]]:
        first, alias, columns = self.source(depth)
        scope = {alias: columns}
        if not self.chance(35):
            return first, scope
        second, other, more = self.source(depth)
        scope[other] = more
        if self.chance(15):
            shared = [name for name in columns if name in more and name != "*"]
            how = f"USING ({self.pick(shared)})" if shared else "ON 1 = 1"
            return f"{first} JOIN {second} {how}", scope
        if self.chance(10):
            return f"{first} NATURAL JOIN {second}", scope
        if self.chance(25):
            return f"{first}, {second}", scope
        kind = self.pick(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        left, right = self.column("int", {alias: columns}), self.column("int", {other: more})
        on = f"{left or 1} = {right or 1}"
        if kind != "FULL JOIN" and self.chance(30):
            on += f" AND {self.boolean(scope, _MAX_DEPTH - 1)}"
        return f"{first} {kind} {second} ON {on}", scope

    def source(self, depth: int) -> tuple[str, str, Columns]:
        alias = self.alias("a")
        if depth < _MAX_DEPTH - 1 and self.chance(20):
            sql, columns = self.query(depth + 1)
            return f"({sql}) AS {alias}", alias, columns
        if self.chance(1):
            return f"{self.pick(_HIDDEN)} AS {alias}", alias, {"id": "int"}
        name = self.pick(sorted(self.tables))
        if self.chance(15) and self._free(name):
            return name, name, self.tables[name]
        return f"{name} AS {alias}", alias, self.tables[name]

    def _free(self, name: str) -> bool:
        # A table without an alias once in a FROM; the second time engines refuse it, both alike.
        return bool(name)

    # Values

    def kind(self) -> Kind:
        kinds = ["int", "int", "int", "text", "text", "text", "date", "moment", "num", "float"]
        found: Kind = self.pick(kinds)
        return found

    def column(self, kind: str, scope: Mapping[str, Columns]) -> str | None:
        found = [
            f"{alias}.{name}"
            for alias, columns in scope.items()
            for name, of in columns.items()
            if of == kind
        ]
        return self.pick(found) if found else None

    def value(self, kind: str, scope: Mapping[str, Columns], depth: int) -> str:
        if self.chance(2):
            # A column that may be hidden, or of another kind.
            return f"{self.pick(list(scope))}.{self.pick(['note', 'x', 'w', 'd', 'nope'])}"
        column = self.column(kind, scope)
        if column and self.chance(60):
            return str(column)
        if self.chance(25) and depth < _MAX_DEPTH:
            return self.operation(kind, scope, depth + 1)
        if kind in _VALUES and self.chance(15):
            name = self.alias("p")
            self.parameters[name] = self.pick(_VALUES[kind])
            return f"CAST(:{name} AS {'INTEGER' if kind == 'int' else 'VARCHAR'})"
        return str(self.pick(_CONSTANTS[kind]))

    def operation(self, kind: str, scope: Mapping[str, Columns], depth: int) -> str:
        def of(kind: str) -> str:
            return self.value(kind, scope, depth)

        if self.chance(20):
            return f"CASE WHEN {self.boolean(scope, depth)} THEN {of(kind)} ELSE {of(kind)} END"
        if self.chance(15):
            return f"COALESCE({of(kind)}, {of(kind)})"
        if self.chance(15) and depth < _MAX_DEPTH:
            sql, columns = self.select(depth + 1, [kind])
            name = next(iter(columns))
            return f"(SELECT min({name}) FROM ({sql}) AS {self.alias('m')})"
        if kind == "int":
            return str(
                self.pick(
                    [
                        f"({of('int')} + {of('int')})",
                        f"({of('int')} * {of('int')})",
                        f"({of('int')} {self.divide} {of('int')})",
                        f"({of('int')} % {of('int')})",
                        f"CAST({of('text')} AS INTEGER)",
                        f"length({of('text')})",
                        f"abs({of('int')})",
                        f"({of('int')} - {of('int')})",
                        f"-({of('int')})",
                        f"CAST({of('num')} AS INTEGER)",
                        f"CAST({of('float')} AS INTEGER)",
                        f"CAST(extract(year FROM {of('date')}) AS INTEGER)",
                        f"nullif({of('int')}, {of('int')})",
                        f"ascii({of('text')})",
                    ]
                )
            )
        if kind == "text":
            return str(
                self.pick(
                    [
                        f"({of('text')} || {of('text')})",
                        f"upper({of('text')})",
                        f"left({of('text')}, 3)",
                        f"CAST({of('int')} AS VARCHAR)",
                        f"CAST({of('date')} AS VARCHAR)",
                        f"substring({of('text')}, {of('int')}, {of('int')})",
                        f"replace({of('text')}, {of('text')}, {of('text')})",
                        f"chr({of('int')})",
                        f"trim({of('text')})",
                        f"repeat({of('text')}, 2)",
                        self.row.format(self.pick(list(scope))),
                    ]
                )
            )
        others = {
            "date": [f"CAST({of('text')} AS DATE)", f"CAST({of('moment')} AS DATE)"],
            "moment": [
                f"CAST({of('date')} AS TIMESTAMP)",
                f"date_trunc('month', {of('moment')})",
                f"({of('moment')} + INTERVAL '1 month')",
            ],
            "num": [
                f"CAST({of('int')} AS DECIMAL(12,2))",
                f"CAST({of('text')} AS DECIMAL(12,2))",
                f"round({of('num')}, 1)",
            ],
            "float": [
                f"sqrt({of('float')})",
                f"ln({of('float')})",
                f"({of('float')} * {of('float')})",
                f"({of('float')} / {of('float')})",
                f"CAST({of('text')} AS DOUBLE PRECISION)",
            ],
        }
        return str(self.pick(others[kind]))

    def window_or_value(self, kind: str, scope: Mapping[str, Columns], depth: int) -> str:
        if self.chance(90) or depth >= _MAX_DEPTH:
            return self.value(kind, scope, depth)
        part, order = self.value("text", scope, _MAX_DEPTH), self.value("int", scope, _MAX_DEPTH)
        if kind == "int" and self.chance(50):
            return f"CAST(rank() OVER (PARTITION BY {part} ORDER BY {order}) AS INTEGER)"
        return f"max({self.value(kind, scope, depth)}) OVER (PARTITION BY {part})"

    def aggregate(self, kind: str, scope: Mapping[str, Columns], depth: int) -> str:
        value = self.value(kind, scope, depth)
        if kind == "int" and self.chance(60):
            other = self.value(self.kind(), scope, _MAX_DEPTH)
            counted = self.pick(["count(*)", f"count({other})", f"count(DISTINCT {other})"])
            if self.chance(25):
                counted += f" FILTER (WHERE {self.boolean(scope, _MAX_DEPTH)})"
            return f"CAST({counted} AS INTEGER)"
        return f"{self.pick(['min', 'max'])}({value})"

    # Conditions

    def boolean(self, scope: Mapping[str, Columns], depth: int) -> str:
        if depth < _MAX_DEPTH and self.chance(30):
            joined = self.pick(["AND", "AND", "OR"])
            one, two = self.boolean(scope, depth + 1), self.boolean(scope, depth + 1)
            return f"({one} {joined} {two})"
        if depth < _MAX_DEPTH and self.chance(12):
            return f"NOT ({self.boolean(scope, depth + 1)})"
        if depth < _MAX_DEPTH - 1 and self.chance(18):
            return self.subquery(scope, depth)
        if self.chance(20):
            return self.fallible(scope)
        kind = self.kind()
        one, two = self.value(kind, scope, depth), self.value(kind, scope, depth)
        if self.chance(15):
            return f"{one} IS {self.pick(['NULL', 'NOT NULL'])}"
        if self.chance(12):
            return f"{one} IN ({two}, {self.value(kind, scope, depth)})"
        if self.chance(12):
            return f"{one} BETWEEN {two} AND {self.value(kind, scope, depth)}"
        if kind == "text" and self.chance(25):
            return f"{one} LIKE {self.pick(['%s', 's%', '_', '%'])!r}"
        return f"{one} {self.pick(['=', '<>', '<', '<=', '>', '>='])} {two}"

    def fallible(self, scope: Mapping[str, Columns]) -> str:
        """A condition that fails on some rows: it tells of them if they are hidden."""
        if self.chance(30):
            # It fails on every row, unless the engine knows that the rest holds for them all.
            kind = self.pick(["int", "text", "date", "moment"])
            column = self.column(kind, scope)
            bound = {
                "int": "1000",
                "text": "'m'",
                "date": "DATE '2015-01-01'",
                "moment": "TIMESTAMP '2015-01-01'",
            }[kind]
            if column:
                failing = f"CAST('x' || CAST({column} AS VARCHAR) AS INTEGER) = 0"
                return f"({failing} OR {column} < {bound})"
        column = self.column("text", scope)
        if column and self.chance(60):
            to = self.pick(["INTEGER", "INTEGER", "DATE", "DECIMAL(12,2)", "DOUBLE PRECISION"])
            tested = f"CAST({column} AS {to})"
            # Without a cast, too: it depends on the dialect what is made of what.
            return str(
                self.pick(
                    [
                        f"{tested} IS NOT NULL",
                        f"{tested} = {tested}",
                        f"{column} = {self.pick([1, 2, 1.5])}",
                        f"{column} > {self.pick(_CONSTANTS['date'])}",
                        f"{column} IN (1, 2)",
                        f"{column} BETWEEN 1 AND 3",
                    ]
                )
            )
        column = self.column("int", scope) or "1"
        shown = self.pick(
            [
                f"10 {self.divide} {column}",
                f"10 % {column}",
                f"CAST({column} AS SMALLINT)",
                f"{column} * 1000000",
                f"{column} + {column}",
                f"CAST(substring('12x', {column}, 1) AS INTEGER)",
                f"chr({column})",
                f"repeat('x', {column} % 9)",
            ]
        )
        return f"{shown} IS NOT NULL"

    def subquery(self, scope: Mapping[str, Columns], depth: int) -> str:
        if self.chance(40):
            kind = self.kind()
            sql, _ = self.select(depth + 1, [kind])
            negated = self.pick(["", "NOT "])
            return f"{self.value(kind, scope, _MAX_DEPTH)} {negated}IN ({sql})"
        source, alias, columns = self.source(_MAX_DEPTH)
        # Correlated: both what is inside and what is around may be named.
        condition = self.boolean({**scope, alias: columns}, _MAX_DEPTH)
        return f"{self.pick(['', 'NOT '])}EXISTS (SELECT 1 FROM {source} WHERE {condition})"


def query(random: Random, tables: Mapping[str, Columns], *, row: str, divide: str) -> Query:
    """A query over some tables.

    Args:
        random: where its choices come from; hypothesis has one that can be shrunk.
        tables: the kinds of their columns.
        row: an expression for a whole row as text, with ``{}`` for its name.
        divide: the operator that divides whole numbers.
    """
    writer = _Writer(random, dict(tables), row, divide)
    sql, _ = writer.query(0)
    used = {name: value for name, value in writer.parameters.items() if f":{name} " in sql}
    return Query(sql, used)
