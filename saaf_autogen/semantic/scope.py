"""One table as one caller sees it: which of its names and values are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from saaf_autogen.auth.access import ColumnAccess, TableAccess
from saaf_autogen.semantic.catalog import CatalogField, CatalogNamed, CatalogTable
from saaf_autogen.semantic.visibility import Hidden, columns_of, is_filtered, shows_value
from saaf_autogen.semantic.visible import plain

__all__ = [
    "Scope",
    "described",
    "is_private",
    "is_shown",
    "is_value_shown",
    "label_of",
    "limits_of",
    "names_in",
    "names_of",
    "samples_of",
    "scope_of",
    "values_of",
]


@dataclass
class Scope:
    """One table as the caller sees it: folded names, and access by physical column."""

    table: CatalogTable
    access: TableAccess
    columns: dict[str, ColumnAccess] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    tested: frozenset[str] = frozenset()
    usable: set[str] | None = None

    def tests(self, column: ColumnAccess) -> bool:
        """Whether a condition on rows or columns looks at the column."""
        return column.name.casefold() in self.tested

    def shows(self, column: ColumnAccess, value: Any) -> bool:
        """Whether some visible row may show the value."""
        return shows_value(self.access, column, value)


def scope_of(table: CatalogTable, access: TableAccess | None) -> Scope | None:
    """The table for a caller with this access; None where nothing of it is visible."""
    if access is None:
        return None
    granted = {name.casefold(): column for name, column in access.columns.items()}
    known = described(table)
    columns = {name: column for name, column in granted.items() if name in known}
    if not columns:
        return None
    tests = [access.rows, *(case.when for item in columns.values() for case in item.cases)]
    scope = Scope(table, access, columns, set(columns))
    scope.tested = frozenset().union(*(columns_of(test) for test in tests))
    # Fields and metrics may build on each other: add until nothing more becomes visible.
    items: list[CatalogField | CatalogNamed] = [*table.fields, *table.filters, *table.metrics]
    before = -1
    while before != len(scope.shown):
        before = len(scope.shown)
        for item in items:
            if {column.name for column in item.use.columns} <= scope.shown:
                scope.shown.add(item.spec.name.casefold())
    return scope


def names_of(table: CatalogTable, scope: Scope | None) -> Hidden:
    """The names of a table, split by whether the caller may know them."""
    base = table.spec.base_table
    names = Hidden(frozenset({table.spec.name.casefold(), base.table.casefold()}))
    names.granted = scope is not None
    names.shown = set(scope.shown) if scope else set()
    everything: set[str] = set()
    items: list[CatalogField | CatalogNamed] = [*table.fields, *table.filters, *table.metrics]
    for item in items:
        own = {item.spec.name.casefold(), *(column.name for column in item.use.columns)}
        everything |= own
        shown = item.spec.name.casefold() in names.shown
        for word in item.spec.synonyms:
            if " " in word.strip():
                (names.said if shown else names.phrases).add(word.casefold())
    names.hidden = everything - names.shown
    if scope is None:
        names.phrases |= {word.casefold() for word in table.spec.synonyms if " " in word}
    return names


def limits_of(scope: Scope) -> dict[str, Any]:
    """What a query of the table must keep to; a hidden column is not named."""
    access = scope.access
    wanted = [
        [name for name in names if name.casefold() in scope.columns]
        for names in access.bounds.required_filters
    ]
    limits = {
        "max_rows": access.max_rows,
        "max_bytes": access.bounds.bytes,
        "timeout_s": access.bounds.seconds,
        "required_filters": wanted or None,
    }
    return {name: value for name, value in limits.items() if value is not None}


def described(table: CatalogTable) -> set[str]:
    """Its physical columns, in lower case."""
    return {item.use.column.casefold() for item in table.fields if item.use.column is not None}


def names_in(table: CatalogTable) -> set[str]:
    """All that SQL may name of it: columns and definitions, in lower case."""
    items: list[CatalogField | CatalogNamed] = [*table.fields, *table.filters, *table.metrics]
    return described(table) | {item.spec.name.casefold() for item in items}


def is_shown(item: CatalogField, scope: Scope) -> bool:
    """Whether the field's column, or all that it is computed from, is visible."""
    if item.use.column is not None:
        return item.use.column.casefold() in scope.columns
    return item.spec.name.casefold() in scope.shown


def label_of(item: CatalogField, scope: Scope) -> Any:
    """The access of a computed field: full where all its columns are."""
    used = [scope.columns.get(column.name) for column in item.use.columns]
    masked = any(column is not None and column.label == "masked" for column in used)
    return "masked" if masked else "full"


def is_value_shown(value: Any, column: ColumnAccess, scope: Scope) -> bool:
    """Whether a value of a column may be named."""
    if column.label == "masked":
        return False
    return not scope.tests(column) or scope.shows(column, value)


def samples_of(item: CatalogField, scope: Scope) -> Iterator[Any]:
    """Sample values that this caller may see: of the rows that exist for them."""
    column = scope.columns.get((item.use.column or "").casefold())
    if column is None:
        filtered = any(is_filtered(scope.access, used) for used in scope.columns.values())
        if filtered or label_of(item, scope) == "masked":
            return
        yield from map(plain, item.spec.sample_values)
        return
    for value in item.spec.sample_values:
        if not is_value_shown(value, column, scope):
            continue
        if scope.tests(column) or item.spec.is_enum or not is_filtered(scope.access, column):
            yield plain(value)


def values_of(item: CatalogField, scope: Scope) -> dict[str, tuple[str, ...]]:
    """Words for values, of the values that this caller may see."""
    column = scope.columns.get((item.use.column or "").casefold())
    return {
        value: words
        for value, words in item.spec.saaf.value_synonyms.items()
        if column is None or is_value_shown(value, column, scope)
    }


def is_private(item: CatalogField | CatalogNamed) -> bool:
    """Whether other definitions alone may use it."""
    return getattr(item.spec, "access_modifier", "public_access") == "private_access"
