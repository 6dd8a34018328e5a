"""What a piece of SQL names: tables, columns, literals and parameters. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

__all__ = [
    "ColumnUse",
    "LiteralUse",
    "SqlFault",
    "SqlUse",
    "TableUse",
    "read_expression",
    "read_query",
]

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.ILike, exp.Is)


class SqlFault(ValueError):
    """The SQL cannot be read; the text says why."""


@dataclass(frozen=True)
class TableUse:
    """A table as the SQL names it, folded to lower case."""

    name: str
    schema: str = ""
    database: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in (self.database, self.schema, self.name) if part)


@dataclass(frozen=True)
class ColumnUse:
    """A column as the SQL names it; ``sources`` are the tables it may belong to, if certain."""

    name: str
    qualifier: str = ""
    sources: frozenset[TableUse] | None = None


@dataclass(frozen=True)
class LiteralUse:
    """A constant that the SQL compares with a column."""

    column: str
    value: str


@dataclass(frozen=True)
class SqlUse:
    """All that a query or expression names.

    Attributes:
        tables: tables that are read; names of CTEs are left out.
        aliases: tables by each name under which the SQL knows them.
        columns: column references.
        names: every identifier and every string, folded; what a reader of the SQL would see.
        loose: those of them that may be columns without being column references.
        natural: whether a join compares all columns of one name.
        literals: constants beside the columns that they are compared with.
        parameters: named parameters, in the order of their first use.
        positional: whether there are unnamed parameters.
        column: for an expression that is a plain column, its name as written.
    """

    tables: frozenset[TableUse]
    aliases: dict[str, frozenset[TableUse]]
    columns: frozenset[ColumnUse]
    names: frozenset[str]
    loose: frozenset[str]
    natural: bool
    literals: frozenset[LiteralUse]
    parameters: tuple[str, ...]
    positional: bool
    column: str | None = None


def read_query(sql: str, dialect: str) -> SqlUse:
    """Read one query.

    Raises:
        SqlFault: it does not parse, is no query, or is more than one statement.
    """
    statements = [tree for tree in _parse(sql, dialect) if tree is not None]
    if len(statements) != 1:
        raise SqlFault(f"one statement is expected, not {len(statements)}")
    tree = statements[0]
    if not isinstance(tree, exp.Query):
        raise SqlFault("only a query (SELECT) is expected")
    return _use(tree, frozenset(_scoped_columns(tree)))


# Checks and catalog read the same ones, and column names recur from table to table.
@lru_cache(maxsize=20_000)
def read_expression(sql: str, dialect: str) -> SqlUse:
    """Read an expression of one table, such as a filter or a metric.

    Raises:
        SqlFault: it does not parse as one expression.
    """
    # The parentheses refuse `x AS y` and a dangling operator, which would pass as an alias.
    statements = _parse(f"SELECT (\n{sql}\n)", dialect)
    tree = statements[0] if len(statements) == 1 else None
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
        raise SqlFault("one expression over columns is expected")
    inner = tree.expressions[0]
    if tree.args.get("from_") or not isinstance(inner, exp.Paren):
        raise SqlFault("one expression over columns is expected")
    columns = {
        ColumnUse(column.name.casefold(), column.table.casefold())
        for column in tree.find_all(exp.Column)
    }
    plain = inner.this
    column = plain.name if isinstance(plain, exp.Column) and not plain.table else None
    return replace(_use(tree, frozenset(columns)), column=column)


def _parse(sql: str, dialect: str) -> list[exp.Expr | None]:
    try:
        return list(sqlglot.parse(sql, read=dialect))
    except SqlglotError as error:
        faults: list[dict[str, Any]] = getattr(error, "errors", [])
        if not faults:
            raise SqlFault("it does not parse") from error
        fault = faults[0]
        raise SqlFault(f"it does not parse, near {fault['highlight']!r}") from error
    except (ValueError, RecursionError) as error:
        raise SqlFault("it does not parse") from error


def _use(tree: exp.Expr, columns: frozenset[ColumnUse]) -> SqlUse:
    shared = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    tables: set[TableUse] = set()
    aliases: dict[str, frozenset[TableUse]] = {}
    for node in tree.find_all(exp.Table):
        table = _table(node)
        if table is None or (not table.schema and table.name in shared):
            continue
        tables.add(table)
        alias = node.alias_or_name.casefold()
        aliases[alias] = aliases.get(alias, frozenset()) | {table}
    names = {node.name.casefold() for node in tree.find_all(exp.Identifier)}
    texts = {node.name.casefold() for node in tree.find_all(exp.Literal) if node.is_string}
    # USING, EXCLUDE and COLUMNS('…') name columns without a reference to them.
    bare = {
        node.name.casefold()
        for node in tree.find_all(exp.Identifier)
        if not isinstance(node.parent, exp.Column | exp.Table | exp.TableAlias | exp.Alias)
    }
    found = [node.name for node in tree.dfs() if isinstance(node, exp.Placeholder | exp.Parameter)]
    return SqlUse(
        tables=frozenset(tables),
        aliases=aliases,
        columns=columns,
        names=frozenset(names | texts),
        loose=frozenset(bare | texts),
        natural=any(join.method == "NATURAL" for join in tree.find_all(exp.Join)),
        literals=frozenset(_literals(tree)),
        parameters=tuple(name for name in dict.fromkeys(found) if name.isidentifier()),
        positional=not all(name.isidentifier() for name in found),
    )


def _table(node: exp.Expr) -> TableUse | None:
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        return None
    return TableUse(node.name.casefold(), node.db.casefold(), node.catalog.casefold())


def _literals(tree: exp.Expr) -> Iterator[LiteralUse]:
    for node in tree.find_all(*_COMPARISONS):
        sides = (node.this, node.expression)
        for column, value in (sides, sides[::-1]):
            yield from _pair(column, value)
    for test in tree.find_all(exp.In, exp.Between):
        for value in (*test.expressions, test.args.get("low"), test.args.get("high")):
            yield from _pair(test.this, value)


def _pair(column: Any, value: Any) -> Iterator[LiteralUse]:
    sign = ""
    while isinstance(value, exp.Cast | exp.Paren | exp.Neg):
        sign = "-" if isinstance(value, exp.Neg) else sign
        value = value.this
    if isinstance(column, exp.Column) and isinstance(value, exp.Literal):
        yield LiteralUse(column.name.casefold(), sign + value.name)


def _scoped_columns(tree: exp.Query) -> Iterator[ColumnUse]:
    """Columns with the tables that they can belong to; None where that is not certain."""
    seen: set[int] = set()
    try:
        scopes = traverse_scope(tree)
    except SqlglotError:
        scopes = []
    for scope in scopes:
        query = scope.expression
        selects = query.named_selects if isinstance(query, exp.Query) else []
        aliases = {name.casefold() for name in selects}
        # Inner scopes come first; outer ones list the unqualified columns of inner ones again.
        for column in scope.columns:
            if id(column) not in seen:
                seen.add(id(column))
                yield _resolve(column, scope, aliases)
    for column in tree.find_all(exp.Column):
        if id(column) not in seen:
            yield ColumnUse(column.name.casefold(), column.table.casefold())


def _resolve(column: exp.Column, scope: Scope, aliases: set[str]) -> ColumnUse:
    name, qualifier = column.name.casefold(), column.table.casefold()
    sources: dict[str, Any] = {}
    inner: Scope | None = scope
    while inner is not None:
        for alias, source in inner.sources.items():
            sources.setdefault(alias.casefold(), source)
        inner = inner.parent if inner.is_subquery else None
    wanted = [sources[qualifier]] if qualifier in sources else list(sources.values())
    if qualifier and qualifier not in sources:
        return ColumnUse(name, qualifier)
    tables = [_table(source) if isinstance(source, exp.Table) else None for source in wanted]
    certain = {table for table in tables if table is not None}
    if len(certain) != len(set(tables)) or (not qualifier and name in aliases) or not certain:
        return ColumnUse(name, qualifier)
    return ColumnUse(name, qualifier, frozenset(certain))
