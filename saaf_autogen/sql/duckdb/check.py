"""The engine's own view of a plan: does DuckDB read in the SQL what the guard wrote into it?

This is the second line. The guard decides by sqlglot's tree; here DuckDB's parser says which
tables and functions it sees, so that a difference between the two parsers ends in a refusal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql.guard import Plan
from saaf_autogen.sql.guard.dialects.duckdb import ENGINE_FUNCTIONS, ENGINE_TABLE_FUNCTIONS

if TYPE_CHECKING:
    import duckdb

__all__ = ["cross_check"]

_PLACEHOLDER = re.compile(r"\$(\w+)")
_NAME_PART = re.compile(r'"((?:[^"]|"")*)"|([^."\s]+)')
_NAME = re.compile(rf"(?:{_NAME_PART.pattern})(?:\.(?:{_NAME_PART.pattern}))*")
# Kinds of nodes in DuckDB's tree: expressions have a class, everything else only a type. To its
# parser the arrow of JSON is a lambda.
_CLASSES = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION"),
        *(
            "CONSTANT",
            "FUNCTION",
            "LAMBDA",
            "OPERATOR",
            "PARAMETER",
            "STAR",
            "SUBQUERY",
            "TYPE",
            "WINDOW",
        ),
    }
)
_TYPES = frozenset(
    {
        *("BASE_TABLE", "TABLE_FUNCTION", "SUBQUERY", "JOIN", "EMPTY", "EXPRESSION_LIST"),
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
        *("LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER", "DISTINCT_MODIFIER"),
        *("ORDER_DEFAULT", "ASCENDING", "DESCENDING"),
    }
)


def cross_check(cursor: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Refuse a plan in which DuckDB sees another table or function than the guard.

    Raises:
        SqlRefused: rule ``engine_disagrees``.
    """
    _check_tree(cursor, plan)
    _check_names(cursor, plan)


def _check_names(cursor: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    import duckdb

    # DuckDB names no tables of SQL with parameters, so their values stand in for them here.
    literals = {name: exp.convert(value).sql("duckdb") for name, value in plan.parameters.items()}
    text = _PLACEHOLDER.sub(lambda m: literals.get(m.group(1), m.group(0)), plan.sql)
    allowed = {table.key for table in plan.physical}
    try:
        names = cursor.get_table_names(text, qualified=True)
    except duckdb.BinderException:
        # It binds every column as NULL, which some good SQL does not survive (a list of quantiles,
        # ASOF, COLLATE). The tree, which was checked before, has named every table already.
        return
    read = {_parts(name) for name in names} - allowed
    if read and read - _behind_views(cursor, plan):
        raise _disagreement()


def _behind_views(cursor: duckdb.DuckDBPyConnection, plan: Plan) -> set[tuple[str, ...]]:
    """The tables that DuckDB names when the plan's own are views."""
    behind: set[tuple[str, ...]] = set()
    for table in plan.physical:
        source = exp.table_(table.name, db=table.schema, catalog=table.catalog, quoted=True)
        text = f"SELECT * FROM {source.sql('duckdb')}"  # noqa: S608 - quoted, and never run
        behind |= {_parts(name) for name in cursor.get_table_names(text, qualified=True)}
    return behind


def _check_tree(cursor: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    # Every row is fetched: until then, DuckDB lets the connection do nothing else.
    rows = cursor.execute("SELECT json_serialize_sql($sql)", {"sql": plan.sql}).fetchall()
    tree = json.loads(rows[0][0]) if rows else {}
    statements = tree.get("statements")
    if tree.get("error") or not isinstance(statements, list) or len(statements) != 1:
        raise _disagreement()
    physical = {table.key for table in plan.physical}
    ctes = {name.lower() for name in plan.ctes}
    for node in _walk(tree):
        kind, group = node.get("type"), node.get("class")
        if isinstance(kind, str) and (
            group not in _CLASSES if group is not None else kind not in _TYPES
        ):
            raise _disagreement()
        if kind == "BASE_TABLE":
            path = tuple(str(part).lower() for part in node["qualified_name"]["path"])
            projected = path in physical and node.get("alias") == plan.alias
            if not projected and not (len(path) == 1 and path[0] in ctes):
                raise _disagreement()
        elif kind == "TABLE_FUNCTION":
            if node["function"].get("function_name", "").lower() not in ENGINE_TABLE_FUNCTIONS:
                raise _disagreement()
        elif group in ("FUNCTION", "WINDOW"):
            path = node["qualified_name"]["path"]
            if len(path) != 1 or path[0].lower() not in ENGINE_FUNCTIONS:
                raise _disagreement(str(path[-1]))


def _walk(root: Any) -> Iterator[dict[str, Any]]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _parts(name: str) -> tuple[str, ...]:
    """The parts of ``catalog.schema."table" AS alias``, without the alias."""
    match = _NAME.match(name)
    return tuple(
        (quoted.replace('""', '"') or plain).lower()
        for quoted, plain in _NAME_PART.findall(match.group() if match else "")
    )


def _disagreement(function: str = "") -> SqlRefused:
    what = f"the function {function}" if function.isidentifier() else "a table or a function"
    return SqlRefused(
        f"The warehouse reads {what} in this query that was not planned.",
        rule="engine_disagrees",
        remedy="Write the query in a simpler way.",
    )
