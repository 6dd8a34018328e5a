"""The parts of a semantic view: plain data that one caller may see, JSON-able."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

__all__ = [
    "VisibleField",
    "VisibleNamed",
    "VisibleQuery",
    "VisibleRelationship",
    "VisibleTable",
    "plain",
]


def plain(value: Any) -> Any:
    """A value of a file as JSON can hold it: dates become ISO text."""
    return value.isoformat() if isinstance(value, date | datetime) else value


@dataclass(frozen=True)
class VisibleField:
    """A column (or computed field) as the caller sees it; ``name`` is its name in SQL."""

    name: str
    label: str
    kind: str
    data_type: str
    expr: str
    access: Literal["full", "masked"]
    description: str | None = None
    synonyms: tuple[str, ...] = ()
    sample_values: tuple[Any, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_enum: bool = False
    unique: bool = False
    tags: tuple[str, ...] = ()
    computed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For ``describe_table``."""
        return {
            "name": self.name,
            "kind": self.kind,
            "data_type": self.data_type,
            "expr": self.expr,
            "description": self.description,
            "synonyms": list(self.synonyms),
            "is_enum": self.is_enum,
            "sample_values": list(self.sample_values),
            "value_synonyms": {value: list(words) for value, words in self.values.items()},
            "tags": list(self.tags),
            "access": self.access,
        }


@dataclass(frozen=True)
class VisibleNamed:
    """A filter or metric; ``table`` is None for a metric of the whole model."""

    name: str
    expr: str
    warehouse: str
    table: str | None
    description: str | None = None
    synonyms: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For ``describe_table``."""
        return {
            "name": self.name,
            "expr": self.expr,
            "description": self.description,
            "synonyms": list(self.synonyms),
        }


@dataclass(frozen=True)
class VisibleTable:
    """A logical table; ``sql_name`` is what SQL calls its base table."""

    name: str
    sql_name: str
    warehouse: str
    dialect: str
    resource: str
    database: str
    schema: str
    base_table: str
    description: str | None
    synonyms: tuple[str, ...]
    primary_key: tuple[str, ...]
    tags: tuple[str, ...]
    owner: str | None
    hints: tuple[str, ...]
    limits: Mapping[str, Any]
    rows: Literal["all", "some"]
    fields: tuple[VisibleField, ...]
    filters: tuple[VisibleNamed, ...]
    metrics: tuple[VisibleNamed, ...]

    def summary(self) -> dict[str, Any]:
        """For ``list_tables``."""
        return {
            "name": self.name,
            "sql_name": self.sql_name,
            "warehouse": self.warehouse,
            "schema": self.schema,
            "description": self.description,
            "synonyms": list(self.synonyms),
            "tags": list(self.tags),
            "columns": len(self.fields),
        }

    def field(self, name: str) -> VisibleField | None:
        """A field by its SQL name or its own name, in any case of letters."""
        wanted = name.casefold()
        for item in self.fields:
            if wanted in (item.name.casefold(), item.label.casefold()):
                return item
        return None


@dataclass(frozen=True)
class VisibleRelationship:
    """How two visible tables join; ``pairs`` are (left, right) columns in SQL."""

    name: str
    warehouse: str
    left: str
    right: str
    pairs: tuple[tuple[str, str], ...]
    join_type: str | None = None
    relationship_type: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For ``describe_table``."""
        return {
            "name": self.name,
            "left_table": self.left,
            "right_table": self.right,
            "columns": [{"left": left, "right": right} for left, right in self.pairs],
            "join_type": self.join_type,
            "relationship_type": self.relationship_type,
        }


@dataclass(frozen=True)
class VisibleQuery:
    """A verified query that touches only what the caller may see.

    ``parameters`` is, by name: column, type, example, description, values (see the action
    ``semantic.context``); an example or a value that the caller may not see is None or absent.
    """

    name: str
    warehouse: str
    dialect: str
    question: str
    questions: tuple[str, ...]
    sql: str
    tables: tuple[str, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    verified_by: str | None = None
    verified_at: int | None = None
    onboarding: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The part that ``semantic.context`` shows, without a score."""
        return {
            "name": self.name,
            "question": self.question,
            "sql": self.sql,
            "parameters": {name: dict(item) for name, item in self.parameters.items()},
        }
