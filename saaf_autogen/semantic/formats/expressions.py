"""Expressions of foreign files: what they name, and the same expression said otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from saaf_autogen.semantic.sql import SqlFault, read_expression

__all__ = [
    "Untranslatable",
    "check",
    "equalities",
    "filtered",
    "identifier",
    "plain_column",
    "qualifiers",
    "qualify",
    "requalify",
    "select_source",
    "translate",
]

_NAMES = (TokenType.VAR, TokenType.IDENTIFIER)


class Untranslatable(ValueError):
    """The expression cannot be said exactly; the text says why."""


@dataclass(frozen=True)
class _Pair:
    left: str
    right: str


def check(sql: str, dialect: str) -> None:
    """Refuse what is no single expression over columns. Raises ``Untranslatable``."""
    try:
        use = read_expression(sql, dialect)
    except SqlFault as fault:
        raise Untranslatable(f"it is no {dialect} expression: {fault}") from fault
    if use.tables or use.parameters or use.positional:
        raise Untranslatable("it reads another table or takes parameters")


def parse(sql: str, dialect: str) -> exp.Expr:
    """The tree of one expression. Raises ``Untranslatable``."""
    check(sql, dialect)
    tree = sqlglot.parse_one(f"SELECT (\n{sql}\n)", read=dialect)
    return tree.expressions[0].this  # type: ignore[no-any-return]  # sqlglot leaves args untyped


def translate(sql: str, source: str, target: str) -> str:
    """The expression in another dialect; the very text where the dialects are one.

    Raises:
        Untranslatable: it cannot be read, or not be said in the other dialect.
    """
    if source == target:
        check(sql, target)
        return sql
    tree = parse(sql, source)
    try:
        said = tree.sql(dialect=target, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except SqlglotError as error:
        raise Untranslatable(f"{target} has no word for it") from error
    check(said, target)
    return said


def plain_column(sql: str, dialect: str) -> str | None:
    """The column's name where the expression is one column and nothing else."""
    try:
        return read_expression(sql, dialect).column
    except SqlFault:
        return None


def columns(sql: str, dialect: str) -> set[tuple[str, str]]:
    """(qualifier, name) of every column, as written."""
    tree = parse(sql, dialect)
    return {(column.table, column.name) for column in tree.find_all(exp.Column)}


def qualifiers(sql: str, dialect: str) -> set[str]:
    """The tables that columns are qualified by; ``""`` where one is not."""
    return {table for table, _ in columns(sql, dialect)}


def requalify(sql: str, dialect: str, rename: Callable[[str], str]) -> str:
    """The text with the qualifiers of its columns renamed; ``""`` takes one away.

    Only whole ``name.`` before a column changes, so that the rest stays as it was written.
    """
    spans: list[tuple[int, int, str]] = []
    tokens = sqlglot.tokenize(sql, read=dialect)
    wanted = qualifiers(sql, dialect) - {""}
    for index, token in enumerate(tokens[:-2]):
        before = tokens[index - 1].token_type if index else None
        if (
            token.token_type in _NAMES
            and tokens[index + 1].token_type is TokenType.DOT
            and before is not TokenType.DOT
            and token.text in wanted
        ):
            spans.append((token.start, tokens[index + 2].start, rename(token.text)))
    for start, end, new in reversed(spans):
        sql = sql[:start] + (f"{new}." if new else "") + sql[end:]
    return sql


def qualify(sql: str, dialect: str, table: str) -> str:
    """The text with ``table.`` before each column that has no qualifier.

    Raises:
        Untranslatable: the columns cannot be told from other names in the text.
    """
    wanted = [name for qualifier, name in columns(sql, dialect) if not qualifier]
    counted = sum(1 for column in parse(sql, dialect).find_all(exp.Column) if not column.table)
    tokens = sqlglot.tokenize(sql, read=dialect)
    starts = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1].token_type if index else None
        after = tokens[index + 1].token_type if index + 1 < len(tokens) else None
        called = after is TokenType.L_PAREN
        dotted = TokenType.DOT in (before, after)
        name = token.token_type is not TokenType.STRING and before is not TokenType.ALIAS
        if token.text in wanted and name and not called and not dotted:
            starts.append(token.start)
    if len(starts) != counted:
        raise Untranslatable("its columns cannot be told from its other names")
    for start in reversed(starts):
        sql = f"{sql[:start]}{identifier(table, dialect)}.{sql[start:]}"
    return sql


def identifier(name: str, dialect: str) -> str:
    """The name as SQL writes it: quoted where it must be."""
    if name.isidentifier() and name.isascii():
        return name
    return exp.to_identifier(name, quoted=True).sql(dialect=dialect)


def filtered(sql: str, condition: str, dialect: str) -> str:
    """The aggregate over those rows alone for which the condition holds.

    Raises:
        Untranslatable: it aggregates in a way where a condition cannot be put inside.
    """
    tree = parse(sql, dialect)
    inside = parse(condition, dialect)
    known = exp.Sum | exp.Avg | exp.Min | exp.Max | exp.Count | exp.Median | exp.ApproxDistinct
    found = list(tree.find_all(exp.AggFunc))
    if not found:
        raise Untranslatable("it aggregates nothing, so its filter has no place")
    outside = [
        column for column in tree.find_all(exp.Column) if column.find_ancestor(exp.AggFunc) is None
    ]
    if outside or tree.find(exp.Window, exp.Filter, exp.WithinGroup):
        raise Untranslatable("its filter cannot be put inside of the aggregate")
    for call in found:
        if not isinstance(call, known) or len(call.expressions) > 0:
            raise Untranslatable("its filter cannot be put inside of the aggregate")
        argument = call.this
        if isinstance(argument, exp.Distinct):
            if len(argument.expressions) != 1:
                raise Untranslatable("its filter cannot be put inside of the aggregate")
            argument.set("expressions", [_case(argument.expressions[0], inside)])
        else:
            call.set("this", _case(argument, inside))
    return tree.sql(dialect=dialect)


def _case(value: exp.Expr, condition: exp.Expr) -> exp.Case:
    inner = exp.Literal.number(1) if isinstance(value, exp.Star) else value.copy()
    return exp.Case().when(condition.copy(), inner)


def equalities(
    sql: str, dialect: str, sides: Mapping[str, str]
) -> tuple[str, str, list[tuple[str, str]]]:
    """What a join compares: (left table, right table, pairs of columns).

    Args:
        sql: conditions ``a.x = b.y`` joined by AND.
        dialect: of the text.
        sides: the tables by the names under which the text knows them; exactly two take part.

    Raises:
        Untranslatable: it is anything else.
    """
    tree = parse(sql, dialect)
    pairs: list[_Pair] = []
    tables: tuple[str, str] | None = None
    for part in tree.flatten() if isinstance(tree, exp.And) else [tree]:
        part = part.unnest()
        if not (
            isinstance(part, exp.EQ)
            and isinstance(part.this, exp.Column)
            and isinstance(part.expression, exp.Column)
        ):
            raise Untranslatable("a join must compare columns by `=`")
        ends = [(sides.get(side.table), side.name) for side in (part.this, part.expression)]
        names = [table for table, _ in ends if table is not None]
        if len(names) != 2 or names[0] == names[1]:
            raise Untranslatable("a join must name a column of each of its two tables")
        if tables is None:
            tables = (names[0], names[1])
        if set(names) != set(tables):
            raise Untranslatable("a join must compare two tables and no third")
        if names[0] != tables[0]:
            ends.reverse()
        pairs.append(_Pair(ends[0][1], ends[1][1]))
    if tables is None:
        raise Untranslatable("it compares nothing")
    return tables[0], tables[1], [(pair.left, pair.right) for pair in pairs]


def select_source(sql: str, dialect: str) -> str | None:
    """The table of a bare ``SELECT * FROM table``; None for any other text."""
    try:
        trees = sqlglot.parse(sql, read=dialect)
    except (SqlglotError, RecursionError, ValueError):
        return None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Select):
        return None
    said = {key for key, value in tree.args.items() if value}
    source = tree.args.get("from_")
    table = source.this if isinstance(source, exp.From) else None
    bare = isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier)
    star = len(tree.expressions) == 1 and type(tree.expressions[0]) is exp.Star
    if said - {"expressions", "from_"} or not bare or not star or table is None:
        return None
    if tree.expressions[0].args.get("except_") or tree.expressions[0].args.get("replace"):
        return None
    parts = {key for key, value in table.args.items() if value}
    if parts - {"this", "db", "catalog", "alias"}:
        return None
    return ".".join(part for part in (table.catalog, table.db, table.name) if part)
