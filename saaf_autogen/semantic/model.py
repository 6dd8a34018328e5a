"""The file format: Snowflake's semantic-view keys, and ``saaf:`` blocks beside them.

A plain Snowflake semantic model loads unchanged; keys that neither side knows are refused. The
keys follow https://docs.snowflake.com/en/user-guide/views-semantic/semantic-view-yaml-spec,
together with those of the older semantic models (``measures``, ``join_type`` and so on).
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "BaseTable",
    "Dimension",
    "Fact",
    "Key",
    "Metric",
    "NamedFilter",
    "Parameter",
    "Relationship",
    "RelationshipColumn",
    "SemanticModel",
    "Table",
    "TimeDimension",
    "Value",
    "VerifiedQuery",
]

Value = bool | int | float | str | datetime | date
Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Words = tuple[Name, ...]
Access = Literal["public_access", "private_access"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseTable(_Strict):
    """The physical table behind a logical one."""

    database: Name | None = None
    schema_name: Name = Field(alias="schema")
    table: Name

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Key(_Strict):
    """Columns that together are unique."""

    columns: tuple[Name, ...] = Field(min_length=1)


class SearchService(_Strict):
    """A Cortex Search service; kept for Snowflake, not used by SAAF."""

    service: Name
    literal_column: Name | None = None
    database: Name | None = None
    schema_name: Name | None = Field(default=None, alias="schema")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FieldExtension(_Strict):
    """``saaf:`` of a dimension, time dimension or fact.

    Attributes:
        tags: what grants may refuse by ``deny_tags``.
        value_synonyms: for a stored value, the words that users say for it.
    """

    tags: tuple[Name, ...] = ()
    value_synonyms: dict[Name, Words] = {}


class _Field(_Strict):
    name: Name
    expr: Text
    data_type: Name
    description: Text | None = None
    synonyms: Words = ()
    sample_values: tuple[Value, ...] = ()
    unique: bool = False
    is_enum: bool = False
    labels: tuple[Name, ...] = ()
    saaf: FieldExtension = FieldExtension()


class Dimension(_Field):
    """A categorical column or expression. ``is_enum``: ``sample_values`` are all the values."""

    cortex_search_service: SearchService | None = None
    cortex_search_service_name: Name | None = None


class TimeDimension(_Field):
    """A column or expression of dates or times."""


class Fact(_Field):
    """A number per row."""

    access_modifier: Access = "public_access"
    default_aggregation: Name | None = None


class NamedFilter(_Strict):
    """A condition on one table, by name."""

    name: Name
    expr: Text
    description: Text | None = None
    synonyms: Words = ()
    labels: tuple[Name, ...] = ()


class NonAdditiveDimension(_Strict):
    """A dimension across which a metric must not be summed."""

    table: Name
    dimension: Name
    sort_direction: Literal["ascending", "descending"] | None = None
    null_order: Literal["first", "last"] | None = None
    nulls_position: Literal["first", "last"] | None = None


class Metric(_Strict):
    """An aggregate of one table, or of the whole model where it stands at its top."""

    name: Name
    expr: Text
    description: Text | None = None
    synonyms: Words = ()
    access_modifier: Access = "public_access"
    data_type: Name | None = None
    non_additive_dimensions: tuple[NonAdditiveDimension, ...] = ()
    using_relationships: tuple[Name, ...] = ()


class TableLimits(_Strict):
    """Limits on each query of a table."""

    max_rows: int | None = Field(default=None, ge=1)
    timeout_s: float | None = Field(default=None, gt=0)


class TableExtension(_Strict):
    """``saaf:`` of a table."""

    tags: tuple[Name, ...] = ()
    owner: Name | None = None
    hints: tuple[Text, ...] = ()
    limits: TableLimits = TableLimits()


class Table(_Strict):
    """A logical table on a base table."""

    name: Name
    base_table: BaseTable
    description: Text | None = None
    synonyms: Words = ()
    primary_key: Key | None = None
    unique_keys: tuple[Key, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    time_dimensions: tuple[TimeDimension, ...] = ()
    facts: tuple[Fact, ...] = ()
    measures: tuple[Fact, ...] = ()
    filters: tuple[NamedFilter, ...] = ()
    metrics: tuple[Metric, ...] = ()
    saaf: TableExtension = TableExtension()


class RelationshipColumn(_Strict):
    """A pair of columns that a join compares."""

    left_column: Name
    right_column: Name


class Relationship(_Strict):
    """How two logical tables join; ``left_table`` holds the foreign key."""

    name: Name
    left_table: Name
    right_table: Name
    relationship_columns: tuple[RelationshipColumn, ...] = Field(min_length=1)
    join_type: Literal["inner", "left_outer", "right_outer", "full_outer"] | None = None
    relationship_type: (
        Literal["many_to_one", "one_to_one", "one_to_many", "many_to_many"] | None
    ) = None


class Parameter(_Strict):
    """A named parameter ``:name`` of a verified query.

    Attributes:
        column: ``table.column`` whose values it takes; gives type and value synonyms.
        type: the type of the value, where ``column`` does not give it.
        example: a value with which the query runs.
        description: what it means.
        values: words users say for a value, where they differ from the column's.
    """

    example: Value
    column: Annotated[str, Field(pattern=r"^[^.\s]+\.[^.\s]+$")] | None = None
    type: Literal["VARCHAR", "NUMBER", "DATE", "TIMESTAMP", "BOOLEAN"] | None = None
    description: Text | None = None
    values: dict[Name, Words] | None = None


class QueryExtension(_Strict):
    """``saaf:`` of a verified query: parameters, and other wordings of its question."""

    parameters: dict[Name, Parameter] = {}
    questions: tuple[Text, ...] = ()


class VerifiedQuery(_Strict):
    """A question and the SQL that answers it, checked by a person.

    ``verified_at`` is in seconds since the epoch, UTC.
    """

    name: Name
    question: Text
    sql: Text
    verified_by: Name | None = None
    verified_at: int | None = Field(default=None, ge=0)
    use_as_onboarding_question: bool = False
    semantic_model_name: Name | None = None
    saaf: QueryExtension = QueryExtension()


class Instructions(_Strict):
    """Instructions to whoever writes SQL or sorts questions."""

    question_categorization: Text | None = None
    sql_generation: Text | None = None


class ModelExtension(_Strict):
    """``saaf:`` of the file: where its tables live and what SQL it speaks."""

    version: Literal[1] = 1
    warehouse: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")] | None = None
    dialect: Name | None = None


class SemanticModel(_Strict):
    """One semantic file."""

    name: Name
    description: Text | None = None
    comments: Text | None = None
    tables: tuple[Table, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    metrics: tuple[Metric, ...] = ()
    verified_queries: tuple[VerifiedQuery, ...] = ()
    custom_instructions: Text | None = None
    module_custom_instructions: Instructions = Instructions()
    saaf: ModelExtension = ModelExtension()

    def to_document(self) -> dict[str, Any]:
        """The model as the plain data of its file: only keys that were written."""
        document: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return document

    def to_yaml(self) -> str:
        """The model as YAML; loading it gives an equal model (dates become ISO strings)."""
        return yaml.safe_dump(self.to_document(), sort_keys=False, allow_unicode=True, width=100)

    def to_json(self) -> str:
        """The model as JSON of the same shape."""
        return json.dumps(self.to_document(), ensure_ascii=False, indent=2)
