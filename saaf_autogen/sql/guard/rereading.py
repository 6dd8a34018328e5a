"""The guard's own text, read once more: does it name the tables that were written into it?

For engines that cannot be asked before they run a query: what sqlglot writes wrongly, such as a
name without its quotes, ends in a refusal.
"""

from __future__ import annotations

from collections.abc import Set

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.errors import SqlglotError

from saaf_autogen.errors import SqlRefused
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.effort import parse

__all__ = ["check_text"]


def check_text(
    text: str, dialect: Dialect, *, alias: str, ctes: Set[str], sources: Set[tuple[str, ...]]
) -> None:
    """Refuse a text in which sqlglot reads another table than was written.

    Args:
        text: the SQL of a plan.
        dialect: in which it is written.
        alias: what each physical table is called in it.
        ctes: the names of its common table expressions.
        sources: catalog, schema and name of its tables, as they were written.

    Raises:
        SqlRefused: rule ``engine_disagrees``.
    """
    try:
        tokens = SqlglotDialect.get_or_raise(dialect.name).tokenize(text)
        statements = parse(tokens, text, dialect.name)
    except SqlglotError:
        raise _disagreement() from None
    root = statements[0] if len(statements) == 1 else None
    if not isinstance(root, exp.Query):
        raise _disagreement()
    for table in root.find_all(exp.Table):
        name = table.this
        if isinstance(name, exp.Identifier):
            bare = not table.args.get("db")
            source = (table.catalog, table.db, name.name)
            if not (bare and name.name in ctes) and (source not in sources or table.alias != alias):
                raise _disagreement()
        elif type(name) not in dialect.table_functions and not (
            isinstance(name, exp.Anonymous) and name.name.lower() in dialect.rows
        ):
            raise _disagreement()


def _disagreement() -> SqlRefused:
    return SqlRefused(
        "The query cannot be written again so that it says the same.",
        rule="engine_disagrees",
        remedy="Write the query in a simpler way; use plain words as names.",
    )
