"""What a live warehouse says of itself: tables, columns, keys, and what is in the columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from saaf_autogen.sql.introspection.families import Family

__all__ = [
    "ColumnInfo",
    "ForeignKey",
    "Introspection",
    "Profile",
    "Progress",
    "SampleMode",
    "Samples",
    "TableInfo",
    "TableKind",
    "Value",
]

Value = bool | int | float | str
TableKind = Literal["table", "view"]
SampleMode = Literal["none", "safe", "all"]
# Told of each step: tables done, tables in all, the table at hand.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ColumnInfo:
    """A column.

    Attributes:
        type: the engine's name for its type; of a domain, that of its base type.
        family: what kind of values these are.
        labels: all values that the type admits, for an enumerated type.
    """

    name: str
    type: str
    family: Family
    nullable: bool = True
    comment: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignKey:
    """Columns that name a row of another table."""

    columns: tuple[str, ...]
    schema: str
    table: str
    referred: tuple[str, ...]


@dataclass(frozen=True)
class TableInfo:
    """A table or view; ``rows`` is what the engine's catalog says, an estimate, or None."""

    schema: str
    name: str
    kind: TableKind
    columns: tuple[ColumnInfo, ...]
    comment: str | None = None
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    rows: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Schema and name as they are compared: without regard to case."""
        return self.schema.casefold(), self.name.casefold()

    @property
    def label(self) -> str:
        """``SCHEMA.TABLE``."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Samples:
    """What was seen in one column.

    Attributes:
        values: in their own order where they are all of them, else the most frequent first.
        whole: whether these are all the values of the column.
        least: the least value of a number, date or time; None where there is none.
        greatest: the greatest.
    """

    values: tuple[Value, ...] = ()
    whole: bool = False
    least: Value | None = None
    greatest: Value | None = None


@dataclass(frozen=True)
class Profile:
    """What was seen in one table.

    Attributes:
        rows: how many there are; None where that could not be told in time.
        estimated: whether ``rows`` is the engine's estimate.
        sampled: whether only a part of the rows was looked at.
        columns: by the column's name; columns that were not looked at are absent.
        note: a sentence on what went wrong, if something did.
        readable: False where the warehouse could not even count the rows.
    """

    rows: int | None = None
    estimated: bool = False
    sampled: bool = False
    columns: dict[str, Samples] = field(default_factory=dict)
    note: str | None = None
    readable: bool = True


@dataclass(frozen=True)
class Introspection:
    """A warehouse as it is now.

    Attributes:
        tables: in the order of schema and name.
        profiles: by ``TableInfo.key``, of the tables that were looked into.
        notes: sentences on what was left out or could not be seen, for a person.
    """

    warehouse: str
    dialect: str
    catalog: str
    tables: tuple[TableInfo, ...]
    profiles: dict[tuple[str, str], Profile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def table(self, schema: str, name: str) -> TableInfo | None:
        """A table by its names, in any case of letters."""
        wanted = schema.casefold(), name.casefold()
        return next((table for table in self.tables if table.key == wanted), None)
