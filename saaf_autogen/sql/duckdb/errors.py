"""DuckDB's errors in words that tell nothing of rows, of hidden names, or of the rewritten SQL.

Its own texts quote values of rows, name tables that the caller may not know of, and print the SQL
that was run. Only names that the caller wrote are repeated.
"""

from __future__ import annotations

import re

from saaf_autogen.errors import SaafError, SqlRefused, WarehouseFailed
from saaf_autogen.sql.duckdb.size import TOO_LARGE
from saaf_autogen.sql.guard import Plan, nearest

__all__ = ["explain_failure"]

_COLUMN = (
    re.compile(r'Referenced column "((?:[^"]|"")+)" not found'),
    re.compile(r'does not have a column named "((?:[^"]|"")+)"'),
    re.compile(r'Column with name "?((?:[^"\s]|"")+)"? does not exist'),
    re.compile(r'column "((?:[^"]|"")+)" does not exist', re.IGNORECASE),
    re.compile(r'[Cc]olumn "((?:[^"]|"")+)" in (?:EXCLUDE|REPLACE|RENAME) list not found'),
)
_TABLE = re.compile(r'Referenced table "((?:[^"]|"")+)" not found')
_AMBIGUOUS = re.compile(r'Ambiguous reference to column name "?((?:[^"\s]|"")+)"?')
_GROUPING = re.compile(r'column "((?:[^"]|"")+)" must appear in the GROUP BY')
_TYPES = re.compile(r"No function matches the given name and argument types '\"?([a-z_0-9]+)\"?\(")

# What each kind of failure on visible data is called: (rule, what happened, what to do).
_EVALUATION = {
    "ConversionException": (
        "conversion",
        "A value could not be converted to the type that the query asks for.",
        "Use TRY_CAST or try_strptime, or filter the values first.",
    ),
    "OutOfRangeException": (
        "out_of_range",
        "A value is outside the range of its type.",
        "Cast to a wider type such as BIGINT or DOUBLE.",
    ),
    "InvalidInputException": (
        "evaluation",
        "The query failed on a value: a division by zero, a subquery with several rows, "
        "or an argument that a function does not take.",
        "Use NULLIF for divisors and an aggregate or LIMIT 1 in scalar subqueries.",
    ),
    "TypeMismatchException": (
        "types",
        "Two types in the query do not fit together.",
        "Cast one of them.",
    ),
    "SyntaxException": ("syntax", "The warehouse could not parse the query.", None),
    "ParserException": ("syntax", "The warehouse could not parse the query.", None),
    "NotImplementedException": (
        "not_supported",
        "The warehouse does not support something in the query.",
        "Write it another way.",
    ),
    "CatalogException": (
        "unknown_function",
        "The warehouse does not know a function, type or collation of the query.",
        "Use functions of DuckDB.",
    ),
}
_UNREADABLE = "The warehouse could not make sense of the query."


def explain_failure(error: BaseException, plan: Plan) -> SaafError:
    """The error to raise in place of an engine's, without a trace of its text.

    Args:
        error: what DuckDB raised.
        plan: what it was asked to run.
    """
    kind = type(error).__name__
    text = str(error)
    if kind == "BinderException":
        return _binding(text, plan)
    if kind == "InvalidInputException" and TOO_LARGE in text:
        return SqlRefused(
            "A single row of the result is larger than a whole result may be.",
            rule="row_too_large",
            remedy="Return rows instead of long lists and texts, or aggregate further.",
        )
    if kind == "OutOfMemoryException":
        return WarehouseFailed(
            "The query needs more memory than the warehouse may use.",
            remedy="Select fewer columns or rows, or aggregate before joining.",
        )
    if kind in _EVALUATION:
        rule, detail, remedy = _EVALUATION[kind]
        return SqlRefused(detail, rule=rule, remedy=remedy)
    return WarehouseFailed(
        "The warehouse failed to run the query.",
        remedy="Try again; if it happens again, ask an admin to look at the warehouse.",
    )


def _binding(text: str, plan: Plan) -> SqlRefused:
    for pattern in _COLUMN:
        if match := pattern.search(text):
            return _about(match, plan, "unknown_column", "There is no column {} here.")
    if match := _TABLE.search(text):
        return _about(
            match,
            plan,
            "unknown_table",
            "No table in FROM is called {}.",
            remedy="Use the alias under which the table stands in FROM.",
        )
    if match := _AMBIGUOUS.search(text):
        return _about(
            match,
            plan,
            "ambiguous_column",
            "{} is in more than one table.",
            remedy="Qualify it with the alias of the table that is meant.",
        )
    if match := _GROUPING.search(text):
        return _about(
            match,
            plan,
            "grouping",
            "{} must be in GROUP BY or inside an aggregate.",
            remedy="Add it to GROUP BY, write GROUP BY ALL, or use any_value().",
        )
    if match := _TYPES.search(text):
        return SqlRefused(
            f"{match.group(1)} does not take arguments of these types.",
            rule="types",
            remedy="Check the columns' types in the semantic layer and cast.",
        )
    return SqlRefused(
        _UNREADABLE,
        rule="binding",
        remedy="Check column names, types and GROUP BY; qualify columns with their table.",
    )


def _about(
    match: re.Match[str], plan: Plan, rule: str, detail: str, *, remedy: str | None = None
) -> SqlRefused:
    """A refusal about a name, if it is one that the caller wrote."""
    place = plan.identifiers.get(match.group(1).replace('""', '"').lower())
    if place is None:
        # Not the caller's own name: one that a semantic file or a grant put there.
        return SqlRefused(
            _UNREADABLE,
            rule=rule,
            remedy=remedy
            or "A semantic file may be out of date; an admin runs `saaf semantic diff`.",
        )
    if remedy is None and rule == "unknown_column":
        near = nearest(place.text, plan.columns)
        remedy = (
            f"Did you mean {' or '.join(near)}?"
            if near
            else "Ask the semantic layer which columns you may read."
        )
    return SqlRefused(
        detail.format(place.text),
        rule=rule,
        remedy=remedy,
        line=place.line,
        column=place.column,
    )
