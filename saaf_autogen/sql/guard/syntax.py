"""From text to one query's tree."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from saaf_autogen.errors import SaafError, SqlRefused
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.effort import TooMuchWork, parse
from saaf_autogen.sql.guard.plan import Place
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["fold_names", "identifiers", "read_query"]

_MAX_CHARACTERS = 20_000
_MAX_DEPTH = 60
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}

# After these a colon belongs to an alias, a slice or a structure.
_ENDS_VALUE = {
    *(TokenType.VAR, TokenType.IDENTIFIER, TokenType.NUMBER, TokenType.STRING),
    *(TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.L_BRACKET),
}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# What may stand before a parameter's name besides a colon.
_SIGNS: Mapping[str, str] = {"duckdb": "$", "postgres": "$", "bigquery": "@"}
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_SEND_SELECT = "Send one SELECT; metadata are in the semantic layer."
# What a query may begin with; anything else is refused before sqlglot tries to make sense of it.
_STARTS = {TokenType.SELECT, TokenType.WITH, TokenType.FROM, TokenType.L_PAREN}


def read_query(sql: str, dialect: Dialect, refusals: Refusals) -> exp.Query:
    """The tree of exactly one query.

    Raises:
        SqlRefused: rules ``too_long``, ``too_deep``, ``syntax``, ``one_statement``,
            ``not_a_query``.
    """
    if bad := _NO_TEXT.search(sql, 0, _MAX_CHARACTERS):
        raise refusals.at_offset(
            bad.start(),
            "syntax",
            "The SQL holds a NUL character or half of a surrogate pair.",
            remedy="Send valid Unicode text.",
        )
    if len(sql) > _MAX_CHARACTERS:
        raise SqlRefused(
            f"The SQL is longer than {_MAX_CHARACTERS} characters.",
            rule="too_long",
            remedy="Send a shorter query; pass values as parameters.",
        )
    try:
        reader = SqlglotDialect.get_or_raise(dialect.name)
        tokens = _with_parameters(reader.tokenize(sql), dialect)
        _check_tokens(tokens, refusals)
        statements = [tree for tree in parse(tokens, sql, dialect.name) if tree is not None]
    except TokenError as error:
        raise SqlRefused(
            "The SQL cannot be split into words: a quote or a comment is left open.",
            rule="syntax",
            remedy="Close every quote and comment.",
        ) from error
    except ParseError as error:
        raise _syntax(error) from error
    except (SaafError, TooMuchWork, RecursionError):
        raise
    # A boundary: on odd input sqlglot raises whatever its builders of functions run into.
    except Exception as error:
        raise SqlRefused("The SQL cannot be parsed.", rule="syntax") from error
    root = statements[0] if len(statements) == 1 else None
    if not isinstance(root, exp.Query) or isinstance(root, exp.Table):
        raise refusals.at_offset(
            tokens[0].start, "not_a_query", "Only queries are run here.", remedy=_SEND_SELECT
        )
    for node in nodes_of(root):
        if isinstance(node, exp.RawString):
            # A dollar-quoted text is a text.
            node.replace(exp.Literal.string(node.this))
        elif isinstance(node, exp.Fetch):
            # FETCH FIRST … ROWS ONLY is LIMIT; what is more than that stays, and is refused.
            options = node.args.get("limit_options")
            args = options.args if isinstance(options, exp.Expr) else {}
            if not (args.get("percent") or args.get("with_ties")):
                node.replace(exp.Limit(expression=node.args.get("count") or exp.Literal.number(1)))
    return root


def fold_names(query: exp.Expr, dialect: Dialect) -> None:
    """Make of each name without quotes what the engine would, and quote it."""
    if dialect.fold == "keep":
        return
    for node in nodes_of(query):
        if not isinstance(node, exp.Identifier):
            continue
        # The key of a structure is a text, however it is written.
        if not node.args.get("quoted") and not isinstance(node.parent, exp.PropertyEQ):
            node.set("this", dialect.folded(node.name))
            node.set("quoted", True)


def identifiers(query: exp.Expr, refusals: Refusals) -> dict[str, Place]:
    """Every name in the tree, in lower case, at the first place where the caller wrote it."""
    found: dict[str, tuple[int, str]] = {}
    for node in nodes_of(query):
        start = node.meta.get("start") if isinstance(node, exp.Identifier) else None
        if isinstance(start, int):
            known = found.get(node.name.lower())
            if known is None or start < known[0]:
                found[node.name.lower()] = start, node.name
    return {name: Place(text, *refusals.place(start)) for name, (start, text) in found.items()}


def _with_parameters(tokens: list[Token], dialect: Dialect) -> list[Token]:
    """``:name`` and ``$name`` as sqlglot reads them everywhere, whatever the name.

    To DuckDB's reader a colon after SELECT or a comma is an alias, and ``:end`` a keyword.
    """
    signs = _SIGNS.get(dialect.name, "")
    written = (TokenType.PARAMETER, "$") if dialect.name == "duckdb" else (TokenType.COLON, ":")
    read: list[Token] = []
    for token in tokens:
        sign = read[-1] if read else None
        before = read[-2].token_type if len(read) > 1 else None
        if (
            sign is not None
            and sign.end + 1 == token.start
            and _WORD.fullmatch(token.text)
            and token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)
            and (
                (sign.token_type == TokenType.PARAMETER and sign.text in signs)
                or (sign.token_type == TokenType.COLON and before not in _ENDS_VALUE)
            )
        ):
            read[-1] = Token(
                *written,
                line=sign.line,
                col=sign.col,
                start=sign.start,
                end=sign.end,
            )
            token = Token(
                TokenType.VAR,
                token.text,
                line=token.line,
                col=token.col,
                start=token.start,
                end=token.end,
            )
        read.append(token)
    return read


def _check_tokens(tokens: list[Token], refusals: Refusals) -> None:
    if not tokens:
        raise SqlRefused("There is no SQL.", rule="not_a_query", remedy=_SEND_SELECT)
    if tokens[0].token_type not in _STARTS:
        raise refusals.at_offset(
            tokens[0].start, "not_a_query", "Only queries are run here.", remedy=_SEND_SELECT
        )
    depth, ended = 0, False
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            ended = True
        elif ended:
            raise refusals.at_offset(
                token.start,
                "one_statement",
                "There is more after the first statement.",
                remedy="Send one SELECT without anything after its semicolon.",
            )
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth > _MAX_DEPTH:
            raise refusals.at_offset(
                token.start,
                "too_deep",
                f"The SQL is nested deeper than {_MAX_DEPTH} levels.",
                remedy="Use common table expressions instead of nesting.",
            )


def _syntax(error: ParseError) -> SqlRefused:
    first = error.errors[0] if error.errors else {}
    near = str(first.get("highlight") or "")[:40]
    line, end = int(first.get("line") or 0), int(first.get("col") or 0)
    return SqlRefused(
        f"The SQL cannot be parsed near {near!r}." if near else "The SQL cannot be parsed.",
        rule="syntax",
        remedy="Write one SELECT in the warehouse's dialect.",
        line=line,
        column=max(1, end - len(near) + 1) if line else 0,
    )
