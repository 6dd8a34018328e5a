"""The engine's own view of a plan: does PostgreSQL read the tables that the guard planned?

This is the second line. The guard decides by sqlglot's tree; here the server's planner says which
relations it would read, so that a difference between the two parsers ends in a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql.guard import Plan

if TYPE_CHECKING:
    import psycopg

__all__ = ["cross_check", "explained", "plan_nodes"]

# What the views among the planned tables read, however deep.
_BEHIND = """
WITH RECURSIVE seen(oid) AS (
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
  UNION
  SELECT d.refobjid FROM seen
  JOIN pg_rewrite r ON r.ev_class = seen.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    AND d.refclassid = 'pg_class'::regclass
), parts(oid) AS (
  SELECT oid FROM seen UNION SELECT i.inhrelid FROM parts
  JOIN pg_inherits i ON i.inhparent = parts.oid)
SELECT n.nspname, c.relname FROM parts JOIN pg_class c ON c.oid = parts.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
"""


def explained(connection: psycopg.Connection[Any], plan: Plan) -> str:
    """The server's plan as JSON, asked for in a way that admits one statement only."""
    # A binary result forces the extended protocol; EXPLAIN's own text is the same in both.
    cursor = connection.cursor(binary=True)
    cursor.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {plan.sql}", dict(plan.parameters))
    row = cursor.fetchone()
    value = row[0] if row else "[]"
    return value if isinstance(value, str) else json.dumps(value)


def cross_check(connection: psycopg.Connection[Any], plan: Plan) -> None:
    """Refuse a plan in which the server reads another table than the guard.

    Raises:
        SqlRefused: rule ``engine_disagrees``.
    """
    text = explained(connection, plan)
    read = {
        (str(node.get("Schema", "")), str(node["Relation Name"]))
        for node in plan_nodes(json.loads(text))
        if "Relation Name" in node
    }
    planned = {(table.schema, table.name) for table in plan.physical}
    if read <= planned:
        return
    names = sorted(planned)
    found = connection.execute(
        _BEHIND, ([schema for schema, _ in names], [name for _, name in names])
    )
    if read <= {(str(schema), str(name)) for schema, name in found.fetchall()}:
        return
    raise SqlRefused(
        "The warehouse reads a table in this query that was not planned.",
        rule="engine_disagrees",
        remedy="Write the query in a simpler way.",
    )


def plan_nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of the server's plan, the outermost first."""
    waiting = [item["Plan"] for item in tree]
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting.extend(node.get("Plans", ()))
