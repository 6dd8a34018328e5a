"""The shapes of SQL that the guard lets through, for every dialect.

A node passes if its exact type is listed, and each of its parts that is filled is listed too: an
allow-list, so a construct that a later sqlglot learns is refused until somebody proves it safe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["check_shapes"]

_QUERY: tuple[type[exp.Expr], ...] = (
    exp.Select,
    exp.Union,
    exp.Except,
    exp.Intersect,
    exp.Subquery,
)
_MODIFIERS = ("with_", "order", "limit", "offset")
_SET_OPERATION = frozenset({*_MODIFIERS, "this", "expression", "distinct", "by_name"})

_PARTS: Mapping[type[exp.Expr], frozenset[str]] = {
    kind: frozenset(parts)
    for kind, parts in {
        exp.Select: (
            *_MODIFIERS,
            *("expressions", "distinct", "from_", "joins", "laterals", "where", "group"),
            *("having", "qualify", "windows"),
        ),
        exp.Union: _SET_OPERATION,
        exp.Except: _SET_OPERATION,
        exp.Intersect: _SET_OPERATION,
        exp.Subquery: (*_MODIFIERS, "this", "alias", "joins"),
        exp.Values: ("expressions", "alias"),
        exp.Tuple: ("expressions",),
        exp.With: ("expressions", "recursive"),
        exp.CTE: ("this", "alias", "materialized"),
        exp.From: ("this",),
        exp.Join: ("this", "on", "using", "side", "kind", "method"),
        exp.Lateral: ("this", "alias", "view", "outer"),
        exp.Unnest: ("expressions", "alias", "offset"),
        exp.Table: ("this", "db", "catalog", "alias", "joins"),
        exp.TableAlias: ("this", "columns"),
        exp.Where: ("this",),
        exp.Having: ("this",),
        exp.Qualify: ("this",),
        exp.Group: ("expressions", "all", "grouping_sets", "cube", "rollup"),
        exp.GroupingSets: ("expressions",),
        exp.Cube: ("expressions",),
        exp.Rollup: ("expressions",),
        exp.Order: ("this", "expressions"),
        exp.Ordered: ("this", "desc", "nulls_first"),
        exp.Limit: ("expression", "limit_options"),
        exp.LimitOptions: ("percent",),
        exp.Offset: ("expression",),
        exp.Distinct: ("expressions", "on"),
        exp.Window: ("this", "partition_by", "order", "spec", "alias", "over"),
        exp.WindowSpec: ("kind", "start", "start_side", "end", "end_side", "exclude"),
        exp.Filter: ("this", "expression"),
        exp.WithinGroup: ("this", "expression"),
        exp.IgnoreNulls: ("this",),
        exp.RespectNulls: ("this",),
        exp.Alias: ("this", "alias"),
        exp.Column: ("this", "table", "db", "catalog"),
        exp.Star: ("except_", "replace", "rename"),
        exp.Identifier: ("this", "quoted"),
        exp.Literal: ("this", "is_string"),
        exp.Boolean: ("this",),
        exp.Null: (),
        exp.Var: ("this",),
        exp.HexString: ("this", "is_integer"),
        exp.Placeholder: ("this",),
        exp.Paren: ("this",),
        exp.Dot: ("this", "expression"),
        exp.Bracket: ("this", "expressions", "offset", "safe"),
        exp.Slice: ("this", "expression", "step"),
        exp.PropertyEQ: ("this", "expression"),
        exp.DataType: ("this", "expressions", "nested"),
        exp.DataTypeParam: ("this",),
        exp.ColumnDef: ("this", "kind"),
        exp.Interval: ("this", "unit"),
        exp.Case: ("this", "ifs", "default"),
        exp.If: ("this", "true", "false"),
        exp.Cast: ("this", "to"),
        exp.TryCast: ("this", "to", "safe", "requires_string"),
        exp.Between: ("this", "low", "high", "symmetric"),
        exp.In: ("this", "expressions", "query", "field"),
        exp.Exists: ("this",),
        exp.Any: ("this",),
        exp.All: ("this",),
        exp.AtTimeZone: ("this", "zone"),
        exp.Escape: ("this", "expression"),
        exp.Collate: ("this", "expression"),
        exp.Anonymous: ("this", "expressions"),
    }.items()
}
_OPERATORS = frozenset(
    {
        *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow, exp.Neg, exp.DPipe),
        *(exp.And, exp.Or, exp.Not, exp.Xor, exp.Is, exp.Like, exp.ILike, exp.SimilarTo, exp.Glob),
        *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
        *(exp.Overlaps, exp.ExtendsLeft, exp.ExtendsRight, exp.Adjacent),
        *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot),
        *(exp.BitwiseLeftShift, exp.BitwiseRightShift),
    }
)
_SOURCES = (exp.Table, exp.Subquery, exp.Unnest, exp.Values, exp.Lateral, exp.TableFromRows)
# Where a query must stand, anything else would be regenerated as a table that nobody replaced.
_CHILDREN: Mapping[tuple[type[exp.Expr], str], tuple[type, ...]] = {
    (exp.Subquery, "this"): (*_QUERY, exp.Table, exp.Values),
    (exp.CTE, "this"): _QUERY,
    (exp.CTE, "alias"): (exp.TableAlias,),
    (exp.From, "this"): _SOURCES,
    (exp.Join, "this"): _SOURCES,
    (exp.Exists, "this"): _QUERY,
    (exp.In, "query"): _QUERY,
    (exp.Union, "this"): _QUERY,
    (exp.Union, "expression"): _QUERY,
    (exp.Except, "this"): _QUERY,
    (exp.Except, "expression"): _QUERY,
    (exp.Intersect, "this"): _QUERY,
    (exp.Intersect, "expression"): _QUERY,
    (exp.Dot, "expression"): (exp.Identifier, exp.Star),
    (exp.Column, "this"): (exp.Identifier, exp.Star),
    (exp.Column, "table"): (exp.Identifier,),
    (exp.Column, "db"): (exp.Identifier,),
    (exp.Column, "catalog"): (exp.Identifier,),
    (exp.Table, "db"): (exp.Identifier,),
    (exp.Table, "catalog"): (exp.Identifier,),
    (exp.Alias, "alias"): (exp.Identifier,),
    (exp.TableAlias, "this"): (exp.Identifier,),
    (exp.Unnest, "offset"): (exp.Identifier, bool),
}
_JOINS = {
    "side": ("", "LEFT", "RIGHT", "FULL"),
    "kind": ("", "INNER", "OUTER", "CROSS", "SEMI", "ANTI"),
    "method": ("", "NATURAL", "ASOF"),
}
# A raw string in the tree is written into the SQL as it is.
_WORD = re.compile(r"[A-Za-z0-9_ ]*", re.ASCII)
_NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_CALLED: Mapping[type[exp.Expr], tuple[str, str]] = {
    exp.Lambda: ("a lambda", "Write the expression without one."),
    exp.Comprehension: ("a list comprehension", "Write the expression without one."),
    exp.Columns: ("COLUMNS(…)", "Name the columns."),
    exp.PositionalColumn: ("a positional column such as #1", "Name the column."),
    exp.Pivot: ("PIVOT", "Use GROUP BY with FILTER."),
    exp.ByteString: ("an escaped text", "Write a plain text, and chr() for control characters."),
    exp.HistoricalData: ("time travel", "Read the table as it is now."),
    exp.Version: ("time travel", "Read the table as it is now."),
    exp.Into: ("INTO", "Select the rows; they come back as the result."),
    exp.Parameter: ("an unnamed parameter", "Name parameters, such as :carrier."),
    exp.TableSample: ("a sample", "Use ORDER BY and LIMIT."),
    exp.Fetch: ("FETCH", "Use LIMIT."),
    exp.Lock: ("a lock", "Leave it out: queries only read."),
}
_OFFERED = "Use plain SELECT with joins, CTEs, aggregates, window functions and subqueries."


def check_shapes(query: exp.Expr, dialect: Dialect, refusals: Refusals) -> None:
    """Refuse whatever in the tree is not known to be safe.

    Raises:
        SqlRefused: rules ``construct``, ``function``, ``type``, ``parameter``.
    """
    shapes = _shapes(dialect)
    for node in nodes_of(query):
        kind = type(node)
        parts = shapes.get(kind)
        if parts is None and kind not in _OPERATORS and kind not in dialect.operations:
            raise _refused(node, refusals)
        for part, value in node.args.items():
            if not value:
                continue
            if parts is not None and part not in parts:
                raise _refused_part(node, part, value, refusals)
            _check_part(node, part, value, refusals)
        _check_node(node, dialect, refusals)


@cache
def _shapes(dialect: Dialect) -> Mapping[type[exp.Expr], frozenset[str]]:
    kinds = {*_PARTS, *dialect.shapes}
    none: frozenset[str] = frozenset()
    return {kind: _PARTS.get(kind, none) | dialect.shapes.get(kind, none) for kind in kinds}


def _check_part(node: exp.Expr, part: str, value: object, refusals: Refusals) -> None:
    wanted = _CHILDREN.get((type(node), part))
    if wanted is not None and type(value) not in wanted:
        raise _refused(value if isinstance(value, exp.Expr) else node, refusals)
    if type(node) in (exp.Literal, exp.Identifier):
        return
    for text in _texts(value):
        if not _WORD.fullmatch(text):
            raise refusals.at(
                node,
                "construct",
                f"{text[:40]!r} is not a word that can stand here.",
                remedy="Read tables by their names; stages, files and variables are not read.",
            )


def _check_node(node: exp.Expr, dialect: Dialect, refusals: Refusals) -> None:
    if isinstance(node, exp.Literal) and not node.is_string and not _NUMBER.fullmatch(node.name):
        raise refusals.at(
            node, "construct", f"{node.name[:40]!r} is not a plain number.", remedy="Write digits."
        )
    if isinstance(node, exp.Identifier) and ("\0" in node.name or not node.name):
        raise refusals.at(
            node, "construct", "A name is empty or holds a NUL character.", remedy="Name it."
        )
    if isinstance(node, exp.Column | exp.Dot) and node.name.upper() in dialect.acting:
        raise refusals.at(
            node,
            "construct",
            f"{node.name[:40]} is not a column here.",
            remedy="Name columns; queries only read.",
        )
    if isinstance(node, exp.Anonymous):
        name = node.this if isinstance(node.this, str) else ""
        if not _NAME.fullmatch(name) or name.lower() not in dialect.functions:
            raise _refused_function(node, name, refusals)
    elif type(node) is exp.GenerateSeries:
        # As a value, a range is one huge list.
        if not isinstance(node.parent, exp.Table | exp.Unnest | exp.Explode | exp.Lateral):
            raise _refused_function(node, refusals.written(node), refusals)
    elif isinstance(node, exp.Lateral | exp.TableFromRows):
        _check_rows(node, dialect, refusals)
    elif isinstance(node, exp.DataType) and node.this not in dialect.types:
        raise _refused_type(node, refusals)
    elif isinstance(node, exp.Select) and not node.expressions:
        raise refusals.at(
            node, "syntax", "A SELECT selects nothing.", remedy="Name columns, or write *."
        )
    elif isinstance(node, exp.Placeholder) and not _NAME.fullmatch(node.name):
        raise refusals.at(
            node,
            "parameter",
            "Parameters without a name are not taken.",
            remedy="Name parameters, such as :carrier.",
        )
    elif isinstance(node, exp.Join):
        for part, words in _JOINS.items():
            if str(node.args.get(part) or "").upper() not in words:
                raise refusals.at(
                    node,
                    "construct",
                    f"A {node.args[part]} join is not taken.",
                    remedy="Use JOIN, LEFT JOIN, CROSS JOIN, SEMI JOIN or ASOF JOIN.",
                )


def _check_rows(node: exp.Expr, dialect: Dialect, refusals: Refusals) -> None:
    """Only queries and functions of their arguments stand behind LATERAL and TABLE(…)."""
    source = node.this
    lateral = isinstance(node, exp.Lateral)
    if not (
        (lateral and type(source) in (exp.Subquery, exp.Unnest))
        or type(source) in dialect.table_functions
        or (isinstance(source, exp.Anonymous) and str(source.this).lower() in dialect.rows)
    ):
        raise _refused(source if isinstance(source, exp.Expr) else node, refusals)
    # sqlglot writes this alias as it is, without quotes.
    if node.args.get("view") and not _NAME.fullmatch(node.alias or "v"):
        raise refusals.at(
            node,
            "construct",
            "The alias of a LATERAL VIEW is not a plain word.",
            remedy="Use letters, digits and underscores.",
        )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _refused_part(node: exp.Expr, part: str, value: object, refusals: Refusals) -> Exception:
    first = value[0] if isinstance(value, list) else value
    if type(first) in _CALLED and isinstance(first, exp.Expr):
        return _refused(first, refusals)
    if isinstance(node, exp.DataType):
        return _refused_type(node, refusals)
    owner = _words(type(node))
    return refusals.at(
        node,
        "construct",
        f"{owner.capitalize()} with {part.strip('_').replace('_', ' ')} is not taken.",
        remedy=_OFFERED,
    )


def _refused(node: exp.Expr, refusals: Refusals) -> Exception:
    if isinstance(node, exp.Func) and type(node) not in _CALLED:
        return _refused_function(node, refusals.written(node), refusals)
    called, remedy = _CALLED.get(type(node), (_words(type(node)), _OFFERED))
    return refusals.at(
        node, "construct", f"{called[:1].upper()}{called[1:]} is not taken.", remedy=remedy
    )


def _refused_type(node: exp.Expr, refusals: Refusals) -> Exception:
    return refusals.at(
        node,
        "type",
        "A value cannot be cast to this type here.",
        remedy="Use a built-in type such as INTEGER, DOUBLE, VARCHAR, DATE or TIMESTAMP.",
    )


def _refused_function(node: exp.Expr, name: str, refusals: Refusals) -> Exception:
    offset = None
    if not name and isinstance(node, exp.Func):
        name, offset = refusals.named(node)
    return refusals.at(
        node,
        "function",
        f"The function {name[:60]} is not among those that may be called."
        if name
        else "This function is not among those that may be called.",
        remedy="Use ordinary scalar, aggregate, window and date functions; read tables by name.",
        offset=offset,
    )


def _words(kind: type[exp.Expr]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
