"""Says whether what came back of an attack tells something that it must not."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from saaf_autogen.sql.guard.plan import Plan, Scalar, VisibleTable
from tests.sql import world

__all__ = ["told", "told_names", "unprojected"]

_CANARY = re.compile(r"CANARY\w*|\d*424242\d*|OTHERS_\w*|\d*31313\d*")


def told(text: str, sql: str, parameters: Mapping[str, Scalar]) -> list[str]:
    """The canaries in ``text`` that the caller did not write."""
    written = f"{sql} {list(parameters.values())}".lower()
    return sorted({word for word in _CANARY.findall(text) if word.lower() not in written})


def told_names(text: str, sql: str, parameters: Mapping[str, Scalar]) -> list[str]:
    """The hidden names in ``text`` that the caller did not write."""
    written = f"{sql} {list(parameters.values())}".lower()
    return [name for name in world.HIDDEN_NAMES if name in text.lower() and name not in written]


def unprojected(plan: Plan, visible: Mapping[str, VisibleTable], dialect: str) -> list[str]:
    """What a plan reads that is not the projection of a visible table, by its text alone.

    The text is parsed anew, so that it shows what the engine gets and not what the guard meant.
    """
    wrong = []
    try:
        (tree,) = sqlglot.parse(_plain(plan, dialect), read=dialect)
    except (SqlglotError, ValueError):
        tree = None
    if tree is None:
        return ["it is not one statement that can be read again"]
    ctes = [cte.alias for cte in tree.find_all(exp.CTE)]
    if len(set(ctes)) != len(ctes) or not set(ctes) <= plan.ctes:
        wrong.append(f"common table expressions {ctes}")
    if tree.comments or any(node.comments for node in tree.walk()):
        wrong.append("comments")
    granted: dict[tuple[str, str, str], set[str]] = {}
    for view in visible.values():
        names = {column.lower() for column in view.access.columns}
        granted.setdefault(view.physical.key, set()).update(names)
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name in ctes):
            continue
        key = (table.catalog.lower(), table.db.lower(), table.name.lower())
        wrong += [f"{table.sql()}: {why}" for why in _wrong_place(table, key, plan, granted)]
    return wrong


def _wrong_place(
    table: exp.Table,
    key: tuple[str, str, str],
    plan: Plan,
    granted: Mapping[tuple[str, str, str], set[str]],
) -> list[str]:
    if key not in granted or key not in {physical.key for physical in plan.physical}:
        return ["it is not visible"]
    select = table.find_ancestor(exp.Select)
    if table.alias != plan.alias or select is None or not isinstance(select.parent, exp.Subquery):
        return ["it is not in a projection"]
    names = {item.alias.lower() for item in select.expressions if isinstance(item, exp.Alias)}
    if len(names) != len(select.expressions) or not names <= granted[key]:
        return [f"its projection shows {sorted(names)}"]
    if select.args.get("joins") or list(select.find_all(exp.Select)) != [select]:
        return ["its projection reads more than the table"]
    return []


def _plain(plan: Plan, dialect: str) -> str:
    """The SQL with parameters and percent signs as sqlglot reads them."""
    if dialect != "postgres":
        return plan.sql
    text = plan.sql
    for name in plan.parameters:
        text = text.replace(f"%({name})s", f":{name}")
    return text.replace("%%", "%")
