"""The guard: a caller's SQL in, a plan or a refusal out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from saaf_autogen.auth.access import least
from saaf_autogen.errors import ApprovalRequired, SqlRefused
from saaf_autogen.semantic.vocabulary import Vocabulary
from saaf_autogen.sql.guard.cache import MadePlan, PlanCache
from saaf_autogen.sql.guard.columns import check_columns, read_frames
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.effort import TooMuchWork, generate
from saaf_autogen.sql.guard.expansion import Expansion
from saaf_autogen.sql.guard.names import Binder, FreshNames
from saaf_autogen.sql.guard.parameters import bind_parameters, check_parameters, kinds_of
from saaf_autogen.sql.guard.plan import Plan, Scalar, VisibleTable
from saaf_autogen.sql.guard.projection import Projection
from saaf_autogen.sql.guard.pruning import Mentions
from saaf_autogen.sql.guard.pushdown import safe_conditions
from saaf_autogen.sql.guard.refusal import Refusals
from saaf_autogen.sql.guard.required import require_checked, require_filters
from saaf_autogen.sql.guard.rereading import check_text
from saaf_autogen.sql.guard.scopes import Catalog, Replacer
from saaf_autogen.sql.guard.shapes import check_shapes
from saaf_autogen.sql.guard.syntax import fold_names, identifiers, read_query
from saaf_autogen.sql.guard.totality import every_filter_is_total, every_value_is_total
from saaf_autogen.sql.guard.walking import nodes_of

__all__ = ["Guard"]

_CACHED_TEXTS = 512


class Guard:
    """Plans queries of one warehouse.

    Args:
        dialect: facts of the warehouse's dialect.
        mask_key: the secret that ``hash`` masks are keyed with; keep it, and pseudonyms stay.
        catalogs: further names by which callers may qualify a schema.
        cached: how many texts of queries to keep plans of.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        mask_key: str,
        catalogs: frozenset[str] = frozenset(),
        cached: int = _CACHED_TEXTS,
    ) -> None:
        self._dialect = dialect
        self._mask_key = mask_key
        self._catalogs = frozenset(name.lower() for name in catalogs)
        self._cache = PlanCache(cached)

    def plan(
        self,
        sql: str,
        *,
        visible: Mapping[str, VisibleTable],
        parameters: Mapping[str, Scalar] | None = None,
        max_rows: int,
        vocabulary: Vocabulary | None = None,
    ) -> Plan:
        """Turn ``sql`` into SQL that can see no more than ``visible``.

        Args:
            sql: the caller's text, with parameters such as ``:carrier``.
            visible: by ``SCHEMA.TABLE``, what the caller may read. Nothing else exists.
            parameters: a value for each parameter of the text, and no others.
            max_rows: the most rows wanted; grants may lower it.
            vocabulary: names of the semantic layer that ``sql`` may use.

        Raises:
            SqlRefused: with the rule, the place in ``sql`` and a remedy.
            ApprovalRequired: a table that it reads needs an approval.
        """
        refusals = Refusals(sql)
        given = dict(parameters or {})
        check_parameters(given)
        readable = {name: table for name, table in visible.items() if table.access.columns}
        catalog = Catalog(readable, self._dialect.default_schema, self._catalogs)
        names = vocabulary or Vocabulary()
        key = (sql, max_rows, kinds_of(given))
        for made in self._cache.get(key):
            if made.holds(catalog.find, readable, names):
                return _bound(made, given)
        try:
            made = self._make(sql, catalog, readable, given, max_rows, names, refusals)
        except (RecursionError, TooMuchWork):
            raise SqlRefused(
                "The SQL is too deeply nested.",
                rule="too_deep",
                remedy="Break long chains of operators up, or use IN (…).",
            ) from None
        # A parameter that became part of the text would stay there.
        if made.reusable and set(made.callers.values()) == set(given):
            self._cache.put(key, made)
        return _bound(made, given)

    def _make(
        self,
        sql: str,
        catalog: Catalog,
        readable: Mapping[str, VisibleTable],
        parameters: Mapping[str, Scalar],
        max_rows: int,
        vocabulary: Vocabulary,
        refusals: Refusals,
    ) -> MadePlan:
        query: exp.Query = read_query(sql, self._dialect, refusals)
        written = identifiers(query, refusals)
        fold_names(query, self._dialect)
        expansion = Expansion(catalog, readable, vocabulary, self._dialect, refusals)
        if expansion.concerns(query):
            expansion.expand(query)
            fold_names(query, self._dialect)
        check_shapes(query, self._dialect, refusals)
        fine = require_filters(expansion.frames, readable, refusals)
        names = FreshNames(sql)
        binder = Binder(names)
        bind_parameters(query, parameters, binder, refusals)
        frames = read_frames(query, catalog, self._dialect)
        check_columns(frames, sql, self._dialect, refusals)
        total = every_filter_is_total(query, frames, readable, binder.values, self._dialect)
        projection = Projection(
            self._dialect,
            names,
            binder,
            self._mask_key,
            Mentions(query),
            {} if total else safe_conditions(frames, readable, binder.values, self._dialect),
            fenced=not total,
            opaque=not (
                total
                and every_value_is_total(query, frames, readable, binder.values, self._dialect)
            ),
        )
        replacer = Replacer(catalog, self._dialect, projection, names, refusals)
        replacer.rewrite(query)
        require_checked(replacer.replaced, fine, readable, refusals)
        used = {name: readable[name] for name in sorted(replacer.used)}
        _require_no_approval(used)
        limits = [table.access.max_rows for table in used.values()]
        rows = min([max_rows, *(limit for limit in limits if limit is not None)])
        limit = query.args.get("limit")
        bound = isinstance(limit, exp.Limit) and isinstance(limit.expression, exp.Placeholder)
        query = _limited(query, rows + 1, binder, names)
        plan = Plan(
            sql=self._text(query, binder.values, projection, replacer),
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
            timeout_s=least(*(table.access.bounds.seconds for table in used.values())),
            max_bytes=least(*(table.access.bounds.bytes for table in used.values())),
        )
        return _made(plan, binder, catalog, used, vocabulary, reusable=not bound)

    def _text(
        self,
        query: exp.Query,
        values: Mapping[str, Scalar],
        projection: Projection,
        replacer: Replacer,
    ) -> str:
        try:
            text = generate(query, self._dialect.name)
        except (RecursionError, TooMuchWork):
            raise
        # A boundary: sqlglot's writers of functions fail on arguments that they did not expect.
        except Exception as error:
            raise SqlRefused(
                "The SQL calls a function with arguments that it does not take.",
                rule="function",
                remedy="Check the functions' arguments.",
            ) from error
        if self._dialect.reparsed:
            check_text(
                text,
                self._dialect,
                alias=projection.alias,
                ctes=replacer.ctes,
                sources=projection.sources,
            )
        if self._dialect.percent:
            text = text.replace("%", "%%")
            for name in values:
                marker = self._dialect.placeholder.format(name)
                text = text.replace(f"%{marker}", marker)
        return text


def _require_no_approval(used: Mapping[str, VisibleTable]) -> None:
    waiting = [name for name, table in used.items() if table.access.approval]
    if waiting:
        raise ApprovalRequired(
            f"Reading {', '.join(waiting)} needs an approval, and nobody can be asked here.",
            remedy="Leave these tables out, or ask an admin for a grant without approval.",
        )


def _made(
    plan: Plan,
    binder: Binder,
    catalog: Catalog,
    used: Mapping[str, VisibleTable],
    vocabulary: Vocabulary,
    *,
    reusable: bool,
) -> MadePlan:
    """The plan without the values of the caller's parameters."""
    callers = {name: of for name, of in binder.callers.items() if name in plan.parameters}
    ours = {name: value for name, value in plan.parameters.items() if name not in callers}
    return MadePlan(
        replace(plan, parameters=ours),
        callers,
        dict(catalog.looked_up),
        used,
        vocabulary,
        reusable,
    )


def _bound(made: MadePlan, given: Mapping[str, Scalar]) -> Plan:
    values = {name: given[parameter] for name, parameter in made.callers.items()}
    return replace(made.plan, parameters={**made.plan.parameters, **values})


def _still_named(query: exp.Query, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values that the final SQL names: a parameter that was the LIMIT is a number by now."""
    names = {node.name for node in nodes_of(query) if isinstance(node, exp.Placeholder)}
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
