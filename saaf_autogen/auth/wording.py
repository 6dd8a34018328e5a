"""Grants in words, for pages on which people decide: no ids, no SQL.

The words are those of the policy's own answer, so a page promises nothing that a call refuses.
"""

from __future__ import annotations

from collections.abc import Iterable

from saaf_autogen.auth.access import TRUE, ColumnAccess, TableAccess, TableFacts
from saaf_autogen.auth.phrases import MASK_WORDS, bounds_in_words, joined, predicate_in_words
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal

__all__ = ["access_in_words", "grants_in_words"]

_MAX_NAMED = 6
_VERBS = {"read": "read", "write": "change", "select": "query"}


def grants_in_words(
    policy: Policy, principal: Principal, resources_known: Iterable[TableFacts], *, limit: int = 40
) -> list[str]:
    """What the principal reaches: a sentence for tables that are seen alike, then other resources.

    Args:
        policy: decides what is reached.
        principal: as the token would make it: its groups, attributes, ``token_grants``, actors.
        resources_known: the described tables (``catalog.facts.values()``).
        limit: the most sentences; the last one then tells how many more there are.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for facts in resources_known:
        access = policy.table_access(principal, facts)
        if access is not None:
            warehouse, table = _names(facts.resource)
            alike.setdefault((warehouse, access_in_words(access, facts)), []).append(table)
    told = [f"{_some(tables)} in {where}: {words}" for (where, words), tables in alike.items()]
    told += _others(policy, principal)
    if len(told) <= limit:
        return told
    return [*told[: limit - 1], f"and {len(told) - limit + 1} more"]


def access_in_words(access: TableAccess, facts: TableFacts) -> str:
    """What is seen of a table: columns, masks, rows, limits."""
    names = [column.name for column in facts.columns]
    shown = [name for name in names if name in access.columns]
    hidden = [name for name in names if name not in access.columns]
    rows = "all rows"
    if access.rows != TRUE:
        rows = f"only rows where {predicate_in_words(access.rows)}"
    if not hidden:
        columns = "all columns"
    elif len(hidden) <= len(shown):
        columns = f"all columns but {_some(hidden)}"
    else:
        columns = f"only {_some(shown)}"
    parts = [f"{columns}, {rows}"]
    parts += [words for name in shown if (words := _masked(access.columns[name]))]
    parts += bounds_in_words(access.max_rows, access.bounds, approval=access.approval)
    return "; ".join(parts)


def _masked(column: ColumnAccess) -> str:
    """How a column is shown, where that is not in full and in every row."""
    if len(column.cases) == 1 and column.cases[0].when == TRUE:
        mask = column.cases[0].mask
        return "" if mask is None else f"{column.name} {MASK_WORDS[mask]}"
    ways = [
        f"{'in full' if case.mask is None else MASK_WORDS[case.mask]} "
        f"{'otherwise' if case.when == TRUE else f'where {predicate_in_words(case.when)}'}"
        for case in column.cases
    ]
    return f"{column.name} {', '.join(ways)}"


def _others(policy: Policy, principal: Principal) -> list[str]:
    """Resources that are no tables, as far as their grants cover them."""
    told = []
    for covered, verbs in policy.covered(principal).items():
        held = [(verb, policy.resource_access(principal, covered, verb)) for verb in verbs]
        allowed = [(verb, decision) for verb, decision in held if decision.allowed]
        if allowed:
            doing = joined(_VERBS[verb] for verb, _ in allowed).capitalize()
            what = f"everything in {covered[:-1]}" if covered.endswith("*") else covered
            asks = any(decision.approval for _, decision in allowed)
            told.append(f"{doing} {what}{'; each time with an approval' if asks else ''}")
    return told


def _names(resource: str) -> tuple[str, str]:
    """Warehouse and table of ``wh://WAREHOUSE/SCHEMA.TABLE``; the schema ``main`` goes unsaid."""
    warehouse, _, table = resource.removeprefix("wh://").partition("/")
    return warehouse, table.removeprefix("main.")


def _some(names: list[str]) -> str:
    if len(names) <= _MAX_NAMED:
        return joined(names)
    return f"{', '.join(names[:_MAX_NAMED])} and {len(names) - _MAX_NAMED} more"
