"""The guard: a caller's SQL in, a plan or a refusal out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from sqlglot import exp

from saaf_autogen.errors import ApprovalRequired, SqlRefused
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.effort import TooMuchWork, generate
from saaf_autogen.sql.guard.names import Binder, FreshNames
from saaf_autogen.sql.guard.plan import Plan, Scalar, VisibleTable
from saaf_autogen.sql.guard.projection import Projection
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.scopes import Catalog, Replacer
from saaf_autogen.sql.guard.shapes import check_shapes
from saaf_autogen.sql.guard.syntax import identifiers, read_query

__all__ = ["Guard"]

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_MAX_PARAMETERS = 100
_MAX_TEXT = 65_536


class Guard:
    """Plans queries of one warehouse.

    Args:
        dialect: facts of the warehouse's dialect.
        mask_key: the secret that ``hash`` masks are keyed with; keep it, and pseudonyms stay.
        catalogs: further names by which callers may qualify a schema.
    """

    def __init__(
        self, dialect: Dialect, *, mask_key: str, catalogs: frozenset[str] = frozenset()
    ) -> None:
        self._dialect = dialect
        self._mask_key = mask_key
        self._catalogs = frozenset(name.lower() for name in catalogs)

    def plan(
        self,
        sql: str,
        *,
        visible: Mapping[str, VisibleTable],
        parameters: Mapping[str, Scalar] | None = None,
        max_rows: int,
    ) -> Plan:
        """Turn ``sql`` into SQL that can see no more than ``visible``.

        Args:
            sql: the caller's text, with parameters such as ``:carrier``.
            visible: by ``SCHEMA.TABLE``, what the caller may read. Nothing else exists.
            parameters: a value for each parameter of the text, and no others.
            max_rows: the most rows wanted; grants may lower it.

        Raises:
            SqlRefused: with the rule, the place in ``sql`` and a remedy.
            ApprovalRequired: a table that it reads needs an approval.
        """
        refusals = Refusals(sql)
        try:
            return self._plan(sql, visible, dict(parameters or {}), max_rows, refusals)
        except (RecursionError, TooMuchWork):
            raise SqlRefused(
                "The SQL is too deeply nested.",
                rule="too_deep",
                remedy="Break long chains of operators up, or use IN (…).",
            ) from None

    def _plan(
        self,
        sql: str,
        visible: Mapping[str, VisibleTable],
        parameters: dict[str, Scalar],
        max_rows: int,
        refusals: Refusals,
    ) -> Plan:
        query: exp.Query = read_query(sql, self._dialect.name, refusals)
        check_shapes(query, self._dialect, refusals)
        written = identifiers(query, refusals)
        names = FreshNames(sql)
        binder = Binder(names)
        _bind(query, parameters, binder, refusals)
        readable = {name: table for name, table in visible.items() if table.access.columns}
        catalog = Catalog(readable, self._dialect.default_schema, self._catalogs)
        projection = Projection(self._dialect, names, binder, self._mask_key)
        replacer = Replacer(catalog, self._dialect, projection, names, refusals)
        replacer.rewrite(query)
        used = {name: readable[name] for name in sorted(replacer.used)}
        _require_no_approval(used)
        limits = [table.access.max_rows for table in used.values()]
        rows = min([max_rows, *(limit for limit in limits if limit is not None)])
        query = _limited(query, rows + 1, binder, names)
        return Plan(
            sql=self._text(query),
            parameters=_still_named(query, binder.values),
            tables=tuple(used),
            resources=tuple(sorted({table.access.resource for table in used.values()})),
            grants=tuple(sorted({g for table in used.values() for g in table.access.grants})),
            physical=frozenset(table.physical for table in used.values()),
            alias=projection.alias,
            ctes=frozenset(replacer.ctes),
            max_rows=rows,
            identifiers=written,
            columns=tuple({c: None for table in used.values() for c in table.access.columns}),
        )

    def _text(self, query: exp.Query) -> str:
        try:
            return generate(query, self._dialect.name)
        except (RecursionError, TooMuchWork):
            raise
        # A boundary: sqlglot's writers of functions fail on arguments that they did not expect.
        except Exception as error:
            raise SqlRefused(
                "The SQL calls a function with arguments that it does not take.",
                rule="function",
                remedy="Check the functions' arguments.",
            ) from error


def _require_no_approval(used: Mapping[str, VisibleTable]) -> None:
    waiting = [name for name, table in used.items() if table.access.approval]
    if waiting:
        raise ApprovalRequired(
            f"Reading {', '.join(waiting)} needs an approval, and nobody can be asked here.",
            remedy="Leave these tables out, or ask an admin for a grant without approval.",
        )


def _bind(
    query: exp.Expr, parameters: dict[str, Scalar], binder: Binder, refusals: Refusals
) -> None:
    """Give each parameter of the caller a name of ours, bound to its value."""
    if len(parameters) > _MAX_PARAMETERS:
        raise _wrong(f"More than {_MAX_PARAMETERS} parameters were passed.")
    for name, value in parameters.items():
        _check_value(name, value)
    unused = dict(parameters)
    for node in list(query.find_all(exp.Placeholder)):
        if node.name not in parameters:
            raise refusals.at(
                node,
                "parameter",
                f"No value was passed for the parameter :{node.name}.",
                remedy="Pass a value for each parameter that the SQL names.",
            )
        unused.pop(node.name, None)
        node.set("this", binder.bind(parameters[node.name]).this)
    if unused:
        raise _wrong(f"The SQL has no parameter :{next(iter(unused))}.")


def _check_value(name: str, value: object) -> None:
    if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
        raise _wrong("A parameter's name is a word of at most 63 letters, digits and underscores.")
    if value is None or isinstance(value, bool | Decimal | date):
        return
    if isinstance(value, str):
        if len(value) > _MAX_TEXT or "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise _wrong(f"The text of :{name} is too long, or is not valid text.")
    elif isinstance(value, int):
        if abs(value) >= 2**127:
            raise _wrong(f"The number :{name} is too large.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _wrong(f"The number :{name} is not finite.")
    else:
        raise _wrong(f"The value of :{name} is not a scalar.")


def _wrong(detail: str) -> SqlRefused:
    return SqlRefused(
        detail,
        rule="parameter",
        remedy="Pass text, numbers, booleans, dates or null, one for each parameter of the SQL.",
    )


def _still_named(query: exp.Query, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values that the final SQL names: a parameter that was the LIMIT is a number by now."""
    names = {placeholder.name for placeholder in query.find_all(exp.Placeholder)}
    return {name: value for name, value in values.items() if name in names}


def _limited(query: exp.Query, rows: int, binder: Binder, names: FreshNames) -> exp.Query:
    """``query`` with at most ``rows`` rows; one's own limit is lowered, never raised."""
    limit = query.args.get("limit")
    own = rows
    if isinstance(limit, exp.Limit):
        value = limit.expression
        bound = binder.values.get(value.name) if isinstance(value, exp.Placeholder) else None
        if isinstance(value, exp.Literal) and not value.is_string and value.name.isdigit():
            own = int(value.name)
        elif isinstance(bound, int) and not isinstance(bound, bool) and bound >= 0:
            own = bound
        else:
            limit = None
            own = -1
        if limit is not None and limit.args.get("limit_options"):
            own = -1
    if own < 0 or isinstance(query, exp.Subquery):
        alias = exp.TableAlias(this=exp.Identifier(this=names.make("q"), quoted=True))
        inner = exp.Subquery(this=query, alias=alias)
        query = exp.Select(expressions=[exp.Star()], from_=exp.From(this=inner))
        own = rows
    query.set("limit", exp.Limit(expression=exp.Literal.number(min(own, rows))))
    return query
