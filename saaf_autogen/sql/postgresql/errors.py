"""PostgreSQL's errors in words that tell nothing of rows, hidden names or the rewritten SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from saaf_autogen.errors import SaafError, SqlRefused, TimedOut, WarehouseFailed
from saaf_autogen.sql.guard import Plan, nearest

if TYPE_CHECKING:
    import psycopg

__all__ = ["NOT_UTF8", "NOT_UTF8_REMEDY", "TOO_LARGE", "explain_failure"]

NOT_UTF8 = "A text in the warehouse is not valid UTF-8."
NOT_UTF8_REMEDY = "Leave its column out; an admin mends the data or the database's encoding."

# What the engine's error says when a row is too heavy.
TOO_LARGE = "saaf: a row is too large"
_NAMED = re.compile(r'column (?:reference )?"?((?:[^"\s]|"")+)"? ')
_TABLE = re.compile(r'for table "((?:[^"]|"")+)"')

# By SQLSTATE, or its class: (rule, what happened, what to do).
_REFUSALS = {
    "22012": ("evaluation", "The query divides by zero.", "Use NULLIF(divisor, 0)."),
    "22003": (
        "out_of_range",
        "A value is outside the range of its type.",
        "Cast to a wider type such as BIGINT or NUMERIC.",
    ),
    "22P02": (
        "conversion",
        "A value could not be converted to the type that the query asks for.",
        "Filter the values before they are cast.",
    ),
    "22": (
        "evaluation",
        "The query failed on a value.",
        "Check the arguments of its functions, and filter values that they do not take.",
    ),
    "21000": (
        "evaluation",
        "A subquery that stands for one value gave several rows.",
        "Use an aggregate or LIMIT 1.",
    ),
    "42803": (
        "grouping",
        "A column must be in GROUP BY or inside an aggregate.",
        "Add it to GROUP BY.",
    ),
    "42804": ("types", "Two types in the query do not fit together.", "Cast one of them."),
    "42883": (
        "types",
        "A function or an operator does not exist for arguments of these types.",
        "Check the columns' types in the semantic layer and cast.",
    ),
    "42846": ("types", "One type cannot be cast to another.", "Cast by way of text."),
    "42601": ("syntax", "The warehouse could not parse the query.", "Write it another way."),
    "42": (
        "binding",
        "The warehouse could not make sense of the query.",
        "Check column names, types and GROUP BY; qualify columns with their table.",
    ),
    "0A": (
        "not_supported",
        "The warehouse does not support something in the query.",
        "Write it another way.",
    ),
}


def explain_failure(error: psycopg.Error, plan: Plan, timeout_s: float) -> SaafError:
    """The error to raise in place of the server's, without a trace of its text.

    Args:
        error: what psycopg raised.
        plan: what was asked to run.
        timeout_s: the time that it had.
    """
    state = error.sqlstate or ""
    text = str(error)
    if state == "57014":
        return TimedOut(
            f"The query took longer than {timeout_s:g} s and was interrupted.",
            remedy="Filter earlier, aggregate, or select fewer columns.",
        )
    if state == "22P02" and TOO_LARGE in text:
        return SqlRefused(
            "A single row of the result is larger than a whole result may be.",
            rule="row_too_large",
            remedy="Return rows instead of long lists and texts, or aggregate further.",
        )
    if state in ("42703", "42702", "42P01", "42803"):
        return _naming(state, text, plan)
    if state in ("53200", "53100", "54000"):
        return WarehouseFailed(
            "The query needs more memory or disk than the warehouse may use.",
            remedy="Select fewer columns or rows, or aggregate before joining.",
        )
    if state in ("22021", "22P05"):
        return WarehouseFailed(NOT_UTF8, remedy=NOT_UTF8_REMEDY)
    if state == "42501":
        return WarehouseFailed(
            "The warehouse's role may not read something that the query needs.",
            remedy="Ask an admin to compare the role's rights with the semantic layer.",
        )
    for key in (state, state[:2]):
        if key in _REFUSALS:
            rule, detail, remedy = _REFUSALS[key]
            return SqlRefused(detail, rule=rule, remedy=remedy)
    return WarehouseFailed(
        "The warehouse failed to run the query.",
        remedy="Try again; if it happens again, ask an admin to look at the warehouse.",
    )


def _naming(state: str, text: str, plan: Plan) -> SaafError:
    """About a name, if it is one that the caller wrote; about a table that is gone."""
    rule, wording = {
        "42703": ("unknown_column", "There is no column {} here."),
        "42702": ("ambiguous_column", "{} is in more than one table."),
        "42803": ("grouping", "{} must be in GROUP BY or inside an aggregate."),
        "42P01": ("unknown_table", "No table in FROM is called {}."),
    }[state]
    if state == "42P01" and "FROM-clause" not in text:
        return WarehouseFailed(
            "A table of the query is not in the warehouse any more.",
            remedy="Ask an admin to compare the semantic layer with the warehouse.",
        )
    pattern = _TABLE if state == "42P01" else _NAMED
    match = pattern.search(text.splitlines()[0])
    name = match.group(1).replace('""', '"').rpartition(".")[2] if match else ""
    place = plan.identifiers.get(name.lower())
    if place is None:
        plain = _REFUSALS["42803"] if state == "42803" else _REFUSALS["42"]
        return SqlRefused(plain[1], rule=rule, remedy=plain[2])
    near = nearest(place.text, plan.columns) if state == "42703" else ()
    remedy = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else "Ask the semantic layer which columns you may read, and qualify them by their table."
    )
    return SqlRefused(
        wording.format(place.text), rule=rule, remedy=remedy, line=place.line, column=place.column
    )
