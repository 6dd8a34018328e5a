"""What the semantic files on one warehouse describe already, commented-out parts among it.

A column that a person has commented out is known: it must not come back by itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from saaf_autogen.semantic.catalog import CatalogField, table_fields
from saaf_autogen.semantic.checks import Source
from saaf_autogen.semantic.model import Relationship, Table
from saaf_autogen.semantic.sql import read_expression

__all__ = ["Described", "Inventory"]

_SCALAR = r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,}#]+)"""
_COMMENTED_NAME = re.compile(rf"\s*#[\s#]*(?:-\s*)?\{{?\s*name:\s*{_SCALAR}")
_COMMENTED_TABLE = re.compile(rf"\s*#.*\bbase_table:.*\btable:\s*{_SCALAR}")
_COMMENTED_SCHEMA = re.compile(rf"\s*#.*\bbase_table:.*\bschema:\s*{_SCALAR}")


@dataclass(frozen=True)
class Described:
    """A logical table of a file.

    Attributes:
        index: its place among the file's tables.
        fields: by section and index within it.
        text: the lines of the file from this table to what comes after it.
    """

    source: Source
    index: int
    spec: Table
    fields: tuple[tuple[str, int, CatalogField], ...] = field(repr=False)
    text: Sequence[str] = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """Schema and name of its base table, as they are compared."""
        base = self.spec.base_table
        return base.schema_name.casefold(), base.table.casefold()

    @cached_property
    def columns(self) -> dict[str, tuple[str, int, CatalogField]]:
        """Fields that are plain columns, by the column's name in lower case."""
        return {
            each[2].use.column.casefold(): each
            for each in self.fields
            if each[2].use.column is not None
        }

    @cached_property
    def commented(self) -> frozenset[str]:
        """Names of fields that stand in a comment, in lower case."""
        return frozenset(_found(_COMMENTED_NAME, self.text))


class Inventory:
    """All that the files on a warehouse describe.

    Args:
        sources: the files on this warehouse.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self.tables = tuple(
            Described(source, index, table, _fields(table, source.dialect), text)
            for source in sources
            for index, (table, text) in enumerate(
                zip(source.model.tables, _table_texts(source), strict=True)
            )
        )

    def at(self, key: tuple[str, str]) -> list[Described]:
        """The logical tables on a base table."""
        return self._by_key.get(key, [])

    def knows(self, key: tuple[str, str], column: str) -> bool:
        """Whether a column is described, or commented out, in some table on this base table."""
        name = column.casefold()
        return any(name in each.columns or name in each.commented for each in self.at(key))

    def is_commented(self, key: tuple[str, str]) -> bool:
        """Whether a person commented the table out."""
        return key in self._commented

    def home(self, schema: str) -> Source | None:
        """The file that describes most tables of a schema."""
        counts: dict[Path, int] = {}
        for table in self.tables:
            if table.key[0] == schema.casefold():
                file = table.source.document.file
                counts[file] = counts.get(file, 0) + 1
        best = max(counts, key=lambda file: (counts[file], str(file)), default=None)
        return next((each for each in self.sources if each.document.file == best), None)

    def relates(self, left: str, right: str, pairs: Iterable[tuple[str, str]]) -> bool:
        """Whether some relationship joins these logical tables by these columns, either way."""
        forward = frozenset((one.casefold(), two.casefold()) for one, two in pairs)
        backward = frozenset((two, one) for one, two in forward)
        names = left.casefold(), right.casefold()
        return (*names, forward) in self._joins or (*names[::-1], backward) in self._joins

    @cached_property
    def names(self) -> frozenset[str]:
        """Logical names of tables, in lower case."""
        return frozenset(table.spec.name.casefold() for table in self.tables)

    @cached_property
    def _by_key(self) -> dict[tuple[str, str], list[Described]]:
        found: dict[tuple[str, str], list[Described]] = {}
        for table in self.tables:
            found.setdefault(table.key, []).append(table)
        return found

    @cached_property
    def _commented(self) -> frozenset[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for source in self.sources:
            for line in _text(source.document.file).splitlines():
                schema, table = (
                    next(_found(pattern, [line]), "")
                    for pattern in (_COMMENTED_SCHEMA, _COMMENTED_TABLE)
                )
                if schema and table:
                    found.add((schema, table))
        return frozenset(found)

    @cached_property
    def _joins(self) -> frozenset[tuple[str, str, frozenset[tuple[str, str]]]]:
        return frozenset(_join(item) for each in self.sources for item in each.model.relationships)


def _join(item: Relationship) -> tuple[str, str, frozenset[tuple[str, str]]]:
    pairs = (
        (pair.left_column.casefold(), pair.right_column.casefold())
        for pair in item.relationship_columns
    )
    return item.left_table.casefold(), item.right_table.casefold(), frozenset(pairs)


def _fields(table: Table, dialect: str) -> tuple[tuple[str, int, CatalogField], ...]:
    positions: dict[str, int] = {}
    found: list[tuple[str, int, CatalogField]] = []
    for kind, section, spec in table_fields(table):
        at = positions.setdefault(section, 0)
        positions[section] += 1
        found.append((section, at, CatalogField(kind, spec, read_expression(spec.expr, dialect))))
    return tuple(found)


def _table_texts(source: Source) -> list[list[str]]:
    """The lines of each table of a file, up to the next table or key of the file."""
    places = source.document.lines
    text = _text(source.document.file).splitlines()
    starts = [places[("tables", index)] for index in range(len(source.model.tables))]
    marks = sorted({line for place, line in places.items() if len(place) == 1} | set(starts))
    ends = [*marks, len(text) + 1]
    return [text[start - 1 : ends[bisect_right(ends, start)] - 1] for start in starts]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _found(pattern: re.Pattern[str], lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        match = pattern.match(line)
        if match is None:
            continue
        try:
            yield str(yaml.safe_load(match.group(1))).casefold()
        except yaml.YAMLError:
            continue
