"""Snowflake's errors in words that tell nothing of rows, hidden names or the rewritten SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from saaf_autogen.errors import SaafError, SqlRefused, TimedOut, WarehouseFailed
from saaf_autogen.sql.guard import Plan, nearest

if TYPE_CHECKING:
    import snowflake.connector

__all__ = ["GONE", "explain_failure"]

# The session ended: log in again.
GONE = frozenset({390104, 390111, 390112, 390114, 390195, 250001, 250002})
_CANCELLED = frozenset({604, 630, 640, 684})
_IDENTIFIER = re.compile(
    r"invalid identifier '\"?([^'\"]+)\"?'|column \"([^\"]+)\" not found", re.IGNORECASE
)
_REFUSALS = {
    904: ("unknown_column", "A name in the query is not known to the warehouse.", None),
    2043: ("unknown_column", "A name in the query is not known to the warehouse.", None),
    1003: ("syntax", "The warehouse could not parse the query.", "Write it another way."),
    2140: (
        "unknown_function",
        "The warehouse does not know a function of the query.",
        "Use functions of Snowflake.",
    ),
    1044: ("types", "A function does not take arguments of these types.", "Cast them."),
    100051: ("evaluation", "The query divides by zero.", "Use NULLIF(divisor, 0), or DIV0."),
}


def explain_failure(error: snowflake.connector.Error, plan: Plan, timeout_s: float) -> SaafError:
    """The error to raise in place of Snowflake's, without a trace of its text."""
    number = error.errno or 0
    state = error.sqlstate or ""
    if number in _CANCELLED:
        return TimedOut(
            f"The query took longer than {timeout_s:g} s and was interrupted.",
            remedy="Filter earlier, aggregate, or select fewer columns.",
        )
    if number == 2003:
        return WarehouseFailed(
            "A table of the query is not in the warehouse, or its role may not read it.",
            remedy="Ask an admin to compare the semantic layer with the warehouse.",
        )
    if number in (904, 2043):
        return _naming(str(error), plan)
    if number in _REFUSALS:
        rule, detail, remedy = _REFUSALS[number]
        return SqlRefused(detail, rule=rule, remedy=remedy)
    if state.startswith("22"):
        return SqlRefused(
            "A value could not be converted to the type that the query asks for.",
            rule="conversion",
            remedy="Use TRY_CAST or TRY_TO_DATE, or filter the values first.",
        )
    if state.startswith("42"):
        return SqlRefused(
            "The warehouse could not make sense of the query.",
            rule="binding",
            remedy="Check column names, types and GROUP BY; qualify columns with their table.",
        )
    return WarehouseFailed(
        "The warehouse failed to run the query.",
        remedy="Try again; if it happens again, ask an admin to look at the warehouse.",
    )


def _naming(text: str, plan: Plan) -> SaafError:
    match = _IDENTIFIER.search(text)
    name = next((group for group in match.groups() if group), "") if match else ""
    place = plan.identifiers.get(name.rpartition(".")[2].lower())
    if place is None:
        return SqlRefused(
            "The warehouse could not make sense of the query.",
            rule="unknown_column",
            remedy="Check column names, and qualify columns with their table.",
        )
    near = nearest(place.text, plan.columns)
    return SqlRefused(
        f"There is no column {place.text} here.",
        rule="unknown_column",
        remedy=f"Did you mean {' or '.join(near)}?"
        if near
        else "Ask the semantic layer which columns you may read.",
        line=place.line,
        column=place.column,
    )
