"""A name that a SELECT gives and a name of the semantic layer: which one is meant."""

from __future__ import annotations

from enum import Enum

from sqlglot import exp

from saaf_autogen.semantic.vocabulary import Definition
from saaf_autogen.sql.guard.definitions import Definitions
from saaf_autogen.sql.guard.sources import Frame, Reference, is_metric_call

__all__ = ["Meaning", "meaning_beside_aliases"]


class Meaning(Enum):
    """What a bare name stands for."""

    DEFINITION = "definition"
    ALIAS = "alias"
    UNCLEAR = "unclear"


def meaning_beside_aliases(
    reference: Reference, frame: Frame, definition: Definition, definitions: Definitions
) -> Meaning:
    """What a bare name means that is a definition, and perhaps an alias of the SELECT list too.

    A query that names its own column as a definition must not change its meaning, nor may the
    definition silently lose: what engines would read one way or the other is unclear, and refused.
    """
    column, clause = reference.node, reference.clause
    name = column.name.lower()
    direct = clause == "ORDER BY" and isinstance(column.parent, exp.Ordered)
    items = list(enumerate(frame.select.expressions))
    if direct and any(_gives(item, name) for _, item in items):
        return Meaning.ALIAS
    if clause in ("ON", "FROM"):
        return Meaning.DEFINITION
    for index, item in items:
        if clause == "SELECT" and index >= reference.item:
            break
        if isinstance(item, exp.Alias) and item.alias.lower() == name:
            return _beside(item.this, reference, definition, definitions)
        if definition.kind == "metric" and clause != "WHERE" and _gives(item, name):
            return Meaning.ALIAS
    return Meaning.DEFINITION


def _gives(item: exp.Expr, name: str) -> bool:
    if is_metric_call(item):
        return any(column.name.lower() == name for column in item.find_all(exp.Column))
    return str(item.alias_or_name).lower() == name


def _beside(
    value: exp.Expr, reference: Reference, definition: Definition, definitions: Definitions
) -> Meaning:
    """Between an alias for ``value`` and a definition."""
    column, clause = reference.node, reference.clause
    itself = isinstance(value, exp.Column) and value.name.lower() == column.name.lower()
    if itself or definitions.is_same(definition, value):
        return Meaning.DEFINITION
    if value.find(exp.AggFunc, exp.Window) is not None:
        # Neither WHERE nor GROUP BY nor another aggregate can read an aggregate.
        within = column.find_ancestor(exp.AggFunc, exp.Filter, exp.Select)
        outside = within is None or isinstance(within, exp.Select)
        return (
            Meaning.ALIAS
            if outside and clause not in ("WHERE", "GROUP BY")
            else (Meaning.DEFINITION)
        )
    # Beside GROUP BY, the SELECT list's own value makes no sense unless it is what is grouped by.
    return Meaning.ALIAS if clause in ("GROUP BY", "HAVING", "QUALIFY") else Meaning.UNCLEAR
