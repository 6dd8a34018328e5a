"""The names that the semantic layer gives to SQL, as one caller may use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

__all__ = ["Definition", "LogicalTable", "Relation", "Vocabulary"]


@dataclass(frozen=True)
class Definition:
    """A name for an expression.

    Attributes:
        kind: a ``field`` or ``filter`` is a value of one row, a ``metric`` one of many.
        expr: over the columns and other definitions of its table; in a metric of the whole model,
            each is qualified by the name of its logical table.
        private: other definitions may build on it, callers may not write it.
        alone: it is right only where no other table is joined.
        refused: why it cannot be expanded, as a sentence.
    """

    name: str
    kind: Literal["field", "filter", "metric"]
    expr: str
    private: bool = False
    alone: bool = False
    refused: str | None = None


@dataclass(frozen=True)
class LogicalTable:
    """What the semantic layer says of a table.

    Attributes:
        name: its logical name, by which SQL may read it as well.
        table: its base table, ``SCHEMA.TABLE``.
        definitions: what may be written like a column of it, and its metrics.
        keys: columns that together are unique, each shown to the caller as it is.
    """

    name: str
    table: str
    definitions: tuple[Definition, ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def values(self) -> Mapping[str, Definition]:
        """Fields and filters by name in lower case."""
        return _by_name(item for item in self.definitions if item.kind != "metric")

    @cached_property
    def metrics(self) -> Mapping[str, Definition]:
        """Metrics by name in lower case."""
        return _by_name(item for item in self.definitions if item.kind == "metric")


@dataclass(frozen=True)
class Relation:
    """How two logical tables join: pairs of (left, right) columns."""

    name: str
    left: str
    right: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Vocabulary:
    """All names of one warehouse. ``metrics`` are those of the whole model."""

    tables: tuple[LogicalTable, ...] = ()
    metrics: tuple[Definition, ...] = ()
    relations: tuple[Relation, ...] = ()

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name, in lower case: SQL with none of them needs no expansion."""
        named: Iterable[str] = (
            *(table.name for table in self.tables),
            *(item.name for table in self.tables for item in table.definitions),
            *(item.name for item in self.metrics),
            *(item.name for item in self.relations),
        )
        return frozenset(name.lower() for name in named)

    def of(self, table: str) -> tuple[LogicalTable, ...]:
        """The logical tables on a base table ``SCHEMA.TABLE``."""
        return self._by_table.get(table, ())

    def named(self, name: str) -> tuple[LogicalTable, ...]:
        """The logical tables of a name."""
        return self._by_name.get(name.lower(), ())

    @cached_property
    def _by_table(self) -> dict[str, tuple[LogicalTable, ...]]:
        found: dict[str, tuple[LogicalTable, ...]] = {}
        for item in self.tables:
            found[item.table] = (*found.get(item.table, ()), item)
        return found

    @cached_property
    def _by_name(self) -> dict[str, tuple[LogicalTable, ...]]:
        found: dict[str, tuple[LogicalTable, ...]] = {}
        for item in self.tables:
            found[item.name.lower()] = (*found.get(item.name.lower(), ()), item)
        return found


def _by_name(items: Iterable[Definition]) -> dict[str, Definition]:
    """By name in lower case; the first of a name counts."""
    found: dict[str, Definition] = {}
    for item in items:
        found.setdefault(item.name.lower(), item)
    return found
