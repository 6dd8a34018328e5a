"""Drafts: what a semantic file can say of a table before a person has looked at it.

Nothing is invented: descriptions are the warehouse's comments, or wait for a person.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from saaf_autogen.semantic.sql import SqlFault, read_expression
from saaf_autogen.sql.introspection import (
    ColumnInfo,
    ForeignKey,
    Profile,
    Samples,
    Sensitivity,
    TableInfo,
    Value,
    plain_type,
    sensitivity_of,
)

__all__ = [
    "FieldDraft",
    "SECTIONS",
    "RelationshipDraft",
    "Section",
    "TableDraft",
    "draft_field",
    "draft_relationship",
    "draft_table",
    "expression",
]

Section = Literal["dimensions", "time_dimensions", "facts"]
SECTIONS: tuple[Section, ...] = ("dimensions", "time_dimensions", "facts")

# Words in every engine's list of reserved ones that sqlglot would read as a column's name.
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column
    constraint create cross current current_date current_role current_time current_timestamp
    current_user default deferrable delete desc describe distinct do drop else end except exists
    false fetch for foreign from full grant group having in initially inner insert intersect into
    is join lambda lateral leading left like limit localtime localtimestamp natural not null
    offset on only or order outer pivot placing primary qualify references returning right rows
    sample select session_user set show some start summarize symmetric table then to trailing
    trigger true union unique unpivot update user using values variadic when where whenever window
    with
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_IDENTIFIERS = frozenset(
    """
    id key code no nr number num zip year month day hour minute week quarter version status type
    flag level rank grade class category group
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_WHOLE = re.compile(
    r"(?i)\s*(?:u?(?:tiny|small|medium|big|huge)?int|integer|int\d|serial|number\(\d+,\s*0\))"
)
_FOLDED = {
    "postgres": re.compile(r"[a-z_][a-z0-9_]*"),
    "snowflake": re.compile(r"[A-Z_][A-Z0-9_]*"),
}
_ANY_CASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FEW = 12
_LONGEST_TEXT = 2_000


@dataclass(frozen=True)
class FieldDraft:
    """A column as an item of its section.

    Attributes:
        data: the item as the file's plain data.
        sampled: whether ``is_enum`` and ``sample_values`` in ``data`` come from the warehouse.
        sensitivity: what the column's name suggests; a ``secret`` is not described.
    """

    section: Section
    data: dict[str, Any]
    sampled: bool = False
    sensitivity: Sensitivity | None = None

    @property
    def name(self) -> str:
        """The field's name, which is the column's."""
        return str(self.data["name"])


@dataclass(frozen=True)
class TableDraft:
    """A table as an item of ``tables``, and how many rows it has, in words."""

    data: dict[str, Any]
    fields: tuple[FieldDraft, ...]
    size: str | None = None

    @property
    def name(self) -> str:
        """The logical name."""
        return str(self.data["name"])


@dataclass(frozen=True)
class RelationshipDraft:
    """A foreign key as an item of ``relationships``."""

    data: dict[str, Any] = field(default_factory=dict)


def expression(column: str, dialect: str) -> str:
    """The column as an expression of the dialect, quoted where it must be."""
    plain = _FOLDED.get(dialect, _ANY_CASE)
    if plain.fullmatch(column) and column.lower() not in _RESERVED:
        try:
            if read_expression(column, dialect).column == column:
                return column
        except SqlFault:
            pass
    mark = "`" if dialect in ("bigquery", "databricks", "mysql") else '"'
    return mark + column.replace(mark, mark * 2) + mark


def draft_field(
    table: TableInfo, column: ColumnInfo, samples: Samples | None, dialect: str
) -> FieldDraft:
    """A column as an item of dimensions, time dimensions or facts."""
    sensitivity = sensitivity_of(table.name, column.name, column.type)
    section = _section(table, column, samples)
    data: dict[str, Any] = {
        "name": column.name,
        "expr": expression(column.name, dialect),
        "data_type": plain_type(column.type),
    }
    if column.comment:
        data["description"] = _text(column.comment)
    if (column.name,) in (table.primary_key, *table.unique_keys):
        data["unique"] = True
    machine = samples is not None and _sample(data, section, column, samples)
    if sensitivity == "personal":
        data["saaf"] = {"tags": ["personal"]}
    return FieldDraft(section, data, machine, sensitivity)


def draft_table(
    table: TableInfo, name: str, profile: Profile | None, *, catalog: str, dialect: str
) -> TableDraft:
    """A table with all its columns; keys that name a secret are left out."""
    seen = profile.columns if profile else {}
    fields = tuple(
        draft_field(table, column, seen.get(column.name), dialect) for column in table.columns
    )
    described = {item.name for item in fields if item.sensitivity != "secret"}
    data: dict[str, Any] = {"name": name}
    if table.comment:
        data["description"] = _text(table.comment)
    base = {"database": catalog, "schema": table.schema, "table": table.name}
    data["base_table"] = {key: name for key, name in base.items() if name}
    if table.primary_key and described.issuperset(table.primary_key):
        data["primary_key"] = {"columns": list(table.primary_key)}
    unique = [{"columns": list(key)} for key in table.unique_keys if described.issuperset(key)]
    if unique:
        data["unique_keys"] = unique
    return TableDraft(data, fields, _size(profile))


def draft_relationship(
    table: TableInfo, key: ForeignKey, left: str, right: str, taken: Collection[str]
) -> RelationshipDraft:
    """A foreign key of ``table`` as a relationship.

    Args:
        table: the physical table that holds the key.
        key: the foreign key.
        left: logical name of ``table``.
        right: logical name of the table that it refers to.
        taken: names of relationships that are given already, in lower case.
    """
    names = [f"{left}_{right}", f"{left}_{right}_{'_'.join(key.columns)}"]
    names += [f"{left}_{right}_{number}" for number in range(2, len(taken) + 3)]
    nullable = {column.name for column in table.columns if column.nullable}
    unique = set(key.columns) in [set(each) for each in (table.primary_key, *table.unique_keys)]
    return RelationshipDraft(
        {
            "name": next(name[:255] for name in names if name[:255].casefold() not in taken),
            "left_table": left,
            "right_table": right,
            "relationship_columns": [
                {"left_column": mine, "right_column": other}
                for mine, other in zip(key.columns, key.referred, strict=True)
            ],
            "join_type": "left_outer" if nullable.intersection(key.columns) else "inner",
            "relationship_type": "one_to_one" if unique else "many_to_one",
        }
    )


def _section(table: TableInfo, column: ColumnInfo, samples: Samples | None) -> Section:
    """Dimension, time dimension or fact: numbers that name something are no facts."""
    if column.family == "time":
        return "time_dimensions"
    if column.family != "number":
        return "dimensions"
    keys = {name for key in (table.primary_key, *table.unique_keys) for name in key}
    keys |= {name for key in table.foreign_keys for name in key.columns}
    words = re.split(r"[_\W]+|(?<=[a-z])(?=[A-Z])", column.name)
    named = words[-1].lower() in _IDENTIFIERS or words[0].lower() == "is"
    few = samples is not None and samples.whole and len(samples.values) <= _FEW
    whole = _WHOLE.match(column.type) is not None
    return "dimensions" if column.name in keys or (whole and (named or few)) else "facts"


def _sample(data: dict[str, Any], section: Section, column: ColumnInfo, samples: Samples) -> bool:
    values: list[Value] = []
    if section == "dimensions" and column.family in ("text", "number"):
        if samples.whole and samples.values:
            data["is_enum"] = True
        values = list(samples.values)
    if not values:
        # From the least to the greatest: a range in two values.
        ends = (samples.least, samples.greatest)
        values = [value for value in dict.fromkeys(ends) if value is not None]
    if values:
        data["sample_values"] = values
    return bool(values)


def _size(profile: Profile | None) -> str | None:
    if profile is None or profile.rows is None:
        return "more than a million rows" if profile and profile.sampled else None
    if profile.estimated:
        return f"about {profile.rows:,} rows (the warehouse's estimate)"
    return f"{profile.rows:,} row{'' if profile.rows == 1 else 's'}"


def _text(comment: str) -> str:
    """A comment on one line, as far as a description goes."""
    return " ".join(comment.split())[:_LONGEST_TEXT]
