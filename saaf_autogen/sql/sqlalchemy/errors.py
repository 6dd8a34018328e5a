"""Any driver's errors in words that tell nothing of rows, hidden names or the rewritten SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from saaf_autogen.errors import SaafError, SqlRefused, TimedOut, WarehouseFailed

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

__all__ = ["explain_failure"]

# Drivers share no codes; these words are common to many, and none of them is passed on.
_STOPPED = re.compile(r"interrupted|cancel(l)?ed|timed? ?out", re.IGNORECASE)
_DENIED = re.compile(r"not authorized|prohibited", re.IGNORECASE)
_GONE = re.compile(r"no such table|relation .* does not exist|table not found", re.IGNORECASE)
_UNREADABLE = re.compile(
    r"no such (column|function)|syntax error|ambiguous|misuse|unrecogni[sz]ed|does not exist",
    re.IGNORECASE,
)
_NOT_UTF8 = re.compile(r"decode to UTF-8|invalid byte sequence", re.IGNORECASE)
_TOO_LARGE = re.compile(r"too big|too large|length limit", re.IGNORECASE)


def explain_failure(error: SQLAlchemyError, timeout_s: float) -> SaafError:
    """The error to raise in place of a driver's, without a trace of its text."""
    text = str(getattr(error, "orig", error))
    kind = type(error).__name__
    if _STOPPED.search(text):
        return TimedOut(
            f"The query took longer than {timeout_s:g} s and was interrupted.",
            remedy="Filter earlier, aggregate, or select fewer columns.",
        )
    if _NOT_UTF8.search(text):
        return WarehouseFailed(
            "A text in the warehouse is not valid UTF-8.",
            remedy="Leave its column out; an admin mends the data.",
        )
    if _DENIED.search(text):
        return SqlRefused(
            "The warehouse reads something in this query that was not planned.",
            rule="engine_disagrees",
            remedy="Write the query in a simpler way.",
        )
    if _GONE.search(text):
        return WarehouseFailed(
            "A table of the query is not in the warehouse any more.",
            remedy="Ask an admin to compare the semantic layer with the warehouse.",
        )
    if _TOO_LARGE.search(text):
        return SqlRefused(
            "A single value of the result is larger than a whole result may be.",
            rule="row_too_large",
            remedy="Return rows instead of long lists and texts, or aggregate further.",
        )
    if kind == "DataError":
        return SqlRefused(
            "A value could not be converted, or is outside the range of its type.",
            rule="conversion",
            remedy="Cast to a wider type, or filter the values first.",
        )
    if kind in ("ProgrammingError", "NotSupportedError") or _UNREADABLE.search(text):
        return SqlRefused(
            "The warehouse could not make sense of the query.",
            rule="binding",
            remedy="Check column names, types, functions and GROUP BY.",
        )
    return WarehouseFailed(
        "The warehouse failed to run the query.",
        remedy="Try again; if it happens again, ask an admin to look at the warehouse.",
    )
