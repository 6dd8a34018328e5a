"""What a table's definitions and keys are called in SQL."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from saaf_autogen.auth.access import TRUE, ColumnAccess
from saaf_autogen.semantic.catalog import CatalogRelationship, CatalogTable
from saaf_autogen.semantic.model import Fact, Metric
from saaf_autogen.semantic.vocabulary import Definition

__all__ = ["definitions_of", "keys_of", "metric_definition"]


def definitions_of(table: CatalogTable, usable: Container[str]) -> Iterator[Definition]:
    """The names of a table that stand for something else than a column of that name.

    Args:
        table: of the catalog.
        usable: names, in lower case, of what the caller may use.
    """
    for field in table.fields:
        name = field.spec.name
        if name.casefold() in usable and name.casefold() != (field.use.column or "").casefold():
            private = isinstance(field.spec, Fact) and _is_private(field.spec.access_modifier)
            yield Definition(name, "field", field.spec.expr, private)
    for item in table.filters:
        if item.spec.name.casefold() in usable:
            yield Definition(item.spec.name, "filter", item.spec.expr)
    for item in table.metrics:
        if item.spec.name.casefold() in usable and isinstance(item.spec, Metric):
            own = table.spec.name.casefold()
            yield metric_definition(item.spec, {own: usable})


def metric_definition(
    metric: Metric, known: Mapping[str, Container[str]] | None = None
) -> Definition:
    """A metric, with why it cannot be expanded, where that is so.

    Args:
        metric: of a table, or of the whole model.
        known: by a table's name, which of its names the caller may be told, all in lower case.
    """
    told = known or {}
    parts = [
        f"{x.table}.{x.dimension}"
        if x.dimension.casefold() in told.get(x.table.casefold(), ())
        else "a dimension"
        for x in metric.non_additive_dimensions
    ]
    dimensions = ", ".join(dict.fromkeys(parts))
    return Definition(
        metric.name,
        "metric",
        metric.expr,
        private=_is_private(metric.access_modifier),
        alone=bool(metric.using_relationships),
        refused=f"it must not be summed over {dimensions}" if dimensions else None,
    )


def keys_of(
    table: CatalogTable,
    columns: Mapping[str, ColumnAccess],
    relationships: Iterable[CatalogRelationship],
) -> Iterator[tuple[str, ...]]:
    """Columns that together are unique for the caller: a mask may make them alike.

    Args:
        table: of the catalog.
        columns: what the caller sees of it, by name in lower case.
        relationships: of the catalog; the "one" of many-to-one is unique, too.
    """
    spec = table.spec
    keys = [key.columns for key in spec.unique_keys]
    if spec.primary_key is not None:
        keys.append(spec.primary_key.columns)
    keys += [(field.spec.name,) for field in table.fields if field.spec.unique]
    for item in relationships:
        pairs = item.spec.relationship_columns
        if item.right is table and item.spec.relationship_type in ("many_to_one", "one_to_one"):
            keys.append(tuple(pair.right_column for pair in pairs))
        if item.left is table and item.spec.relationship_type in ("one_to_many", "one_to_one"):
            keys.append(tuple(pair.left_column for pair in pairs))
    for key in dict.fromkeys(keys):
        fields = [table.field(name) for name in key]
        names = [field.use.column for field in fields if field and field.use.column]
        if len(names) == len(key) and all(_is_plain(columns.get(x.casefold())) for x in names):
            yield tuple(names)


def _is_private(modifier: str) -> bool:
    return modifier == "private_access"


def _is_plain(column: ColumnAccess | None) -> bool:
    """Whether the column shows as it is in every row."""
    if column is None or not column.cases:
        return False
    return column.cases[0].when == TRUE and column.cases[0].mask is None
