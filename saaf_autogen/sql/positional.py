"""Positional parameters, for handlers that write ``?`` as DB-API's qmark style does."""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot.tokenizer_core import TokenType

from saaf_autogen.errors import InvalidArguments
from saaf_autogen.sql.guard.plan import Scalar

__all__ = ["name_positional"]


def name_positional(
    sql: str, values: Sequence[Scalar], dialect: str
) -> tuple[str, dict[str, Scalar]]:
    """``sql`` with each ``?`` named, and the values by those names.

    A ``?`` within a string or a comment is text and stays.

    Raises:
        InvalidArguments: there are more or fewer values than places.
    """
    try:
        places = [
            token.start
            for token in sqlglot.tokenize(sql, read=dialect)
            if token.token_type == TokenType.PLACEHOLDER
        ]
    except sqlglot.errors.TokenError:
        # What cannot be read is refused by the guard, which says where.
        return sql, {}
    if len(places) != len(values):
        raise InvalidArguments(
            f"The SQL has {len(places)} ? and {len(values)} values were given.",
            remedy="Give one value for each, in order.",
        )
    named, start = "", 0
    for index, place in enumerate(places):
        named += f"{sql[start:place]}:arg{index}"
        start = place + 1
    return named + sql[start:], {f"arg{index}": value for index, value in enumerate(values)}
