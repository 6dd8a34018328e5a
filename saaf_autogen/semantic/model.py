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
    """Database of the table; absent: that of the warehouse."""
    schema_name: Name = Field(alias="schema")
    """Schema of the table."""
    table: Name
    """Name of the table or view in the warehouse."""

    model_config = ConfigDict(populate_by_name=True)


class Key(_Strict):
    """Columns that together are unique."""

    columns: tuple[Name, ...] = Field(min_length=1)
    """Columns, by physical name or by the name of a field."""


class SearchService(_Strict):
    """A Cortex Search service; kept for Snowflake, not used by SAAF."""

    service: Name
    """Name of the service."""
    literal_column: Name | None = None
    """Column that holds the values searched for."""
    database: Name | None = None
    """Database of the service."""
    schema_name: Name | None = Field(default=None, alias="schema")
    """Schema of the service."""

    model_config = ConfigDict(populate_by_name=True)


class FieldExtension(_Strict):
    """``saaf:`` of a dimension, time dimension or fact."""

    tags: tuple[Name, ...] = ()
    """Tags, which grants may refuse by `deny_tags`: confidential, pii, …"""
    value_synonyms: dict[Name, Words] = {}
    """For a stored value, the words that users say for it."""


class _Field(_Strict):
    name: Name
    """Name of the field."""
    expr: Text
    """The column, or an SQL expression over columns of the base table."""
    data_type: Name
    """Type in the warehouse: VARCHAR, NUMBER, DATE, TIMESTAMP, …"""
    description: Text | None = None
    """What it means, with unit and what NULL stands for."""
    synonyms: Words = ()
    """Other words for it."""
    sample_values: tuple[Value, ...] = ()
    """Some of its values; with `is_enum`, all of them."""
    unique: bool = False
    """Whether no value comes twice."""
    is_enum: bool = False
    """Whether `sample_values` lists every value that there is."""
    labels: tuple[Name, ...] = ()
    """Labels that Snowflake keeps; not used by SAAF."""
    saaf: FieldExtension = FieldExtension()


class Dimension(_Field):
    """A categorical column or expression. ``is_enum``: ``sample_values`` are all the values."""

    cortex_search_service: SearchService | None = None
    """A Cortex Search service over the values; not used by SAAF."""
    cortex_search_service_name: Name | None = None
    """Older form of `cortex_search_service`; not used by SAAF."""


class TimeDimension(_Field):
    """A column or expression of dates or times."""


class Fact(_Field):
    """A number per row."""

    access_modifier: Access = "public_access"
    """Whether Snowflake shows it outside of the semantic view."""
    default_aggregation: Name | None = None
    """How it is aggregated where a question says nothing: sum, avg, …"""


class NamedFilter(_Strict):
    """A condition on one table, by name."""

    name: Name
    """Name of the filter."""
    expr: Text
    """The condition in SQL, over fields or columns of the table."""
    description: Text | None = None
    """When to use it."""
    synonyms: Words = ()
    """Other words for it."""
    labels: tuple[Name, ...] = ()
    """Labels that Snowflake keeps; not used by SAAF."""


class NonAdditiveDimension(_Strict):
    """A dimension across which a metric must not be summed."""

    table: Name
    """Table of the dimension."""
    dimension: Name
    """Name of the dimension."""
    sort_direction: Literal["ascending", "descending"] | None = None
    """Order in which the last value counts."""
    null_order: Literal["first", "last"] | None = None
    """Where NULL stands in that order."""
    nulls_position: Literal["first", "last"] | None = None
    """Older form of `null_order`."""


class Metric(_Strict):
    """An aggregate of one table, or of the whole model where it stands at its top."""

    name: Name
    """Name of the metric."""
    expr: Text
    """An aggregate in SQL, such as AVG(dep_delay)."""
    description: Text | None = None
    """What it measures, with unit."""
    synonyms: Words = ()
    """Other words for it."""
    access_modifier: Access = "public_access"
    """Whether Snowflake shows it outside of the semantic view."""
    data_type: Name | None = None
    """Type of the result."""
    non_additive_dimensions: tuple[NonAdditiveDimension, ...] = ()
    """Dimensions across which it must not be summed."""
    using_relationships: tuple[Name, ...] = ()
    """Relationships by which it joins, where there are several."""


class TableLimits(_Strict):
    """Limits on each query of a table."""

    max_rows: int | None = Field(default=None, ge=1)
    """Rows of a result that reads it."""
    timeout_s: float | None = Field(default=None, gt=0)
    """Seconds until such a query is stopped."""
    required_filters: tuple[Annotated[Words, Field(min_length=1)], ...] = ()
    """Lists of fields; a query must narrow what it reads by one of each."""


class TableExtension(_Strict):
    """``saaf:`` of a table."""

    tags: tuple[Name, ...] = ()
    """Tags of every column of the table, which grants may refuse by `deny_tags`."""
    owner: Name | None = None
    """Who answers for the table."""
    hints: tuple[Text, ...] = ()
    """Sentences for whoever writes SQL on it."""
    limits: TableLimits = TableLimits()
    """Limits on each query that reads it."""


class Table(_Strict):
    """A logical table on a base table."""

    name: Name
    """Logical name of the table."""
    base_table: BaseTable
    """The table or view in the warehouse."""
    description: Text | None = None
    """What one row is, and what is not in it."""
    synonyms: Words = ()
    """Other words for it."""
    primary_key: Key | None = None
    """Columns that identify a row."""
    unique_keys: tuple[Key, ...] = ()
    """Further sets of columns that identify a row."""
    dimensions: tuple[Dimension, ...] = ()
    """What questions group and filter by."""
    time_dimensions: tuple[TimeDimension, ...] = ()
    """Dates and times."""
    facts: tuple[Fact, ...] = ()
    """Numbers of each row."""
    measures: tuple[Fact, ...] = ()
    """Older name of `facts`."""
    filters: tuple[NamedFilter, ...] = ()
    """Named conditions."""
    metrics: tuple[Metric, ...] = ()
    """Named aggregates."""
    saaf: TableExtension = TableExtension()
    """What SAAF adds: tags, owner, hints, limits."""


class RelationshipColumn(_Strict):
    """A pair of columns that a join compares."""

    left_column: Name
    """Column of the left table."""
    right_column: Name
    """Column of the right table."""


class Relationship(_Strict):
    """How two logical tables join; ``left_table`` holds the foreign key."""

    name: Name
    """Name of the relationship."""
    left_table: Name
    """Logical table that holds the foreign key."""
    right_table: Name
    """Logical table that it points to."""
    relationship_columns: tuple[RelationshipColumn, ...] = Field(min_length=1)
    """Pairs of columns that must be equal."""
    join_type: Literal["inner", "left_outer", "right_outer", "full_outer"] | None = None
    """The usual join."""
    relationship_type: (
        Literal["many_to_one", "one_to_one", "one_to_many", "many_to_many"] | None
    ) = None
    """How many rows of the left table belong to how many of the right."""


class Parameter(_Strict):
    """A named parameter ``:name`` of a verified query."""

    example: Value
    """A value with which the query runs."""
    column: Annotated[str, Field(pattern=r"^[^.\s]+\.[^.\s]+$")] | None = None
    """`table.column` whose values it takes; gives type and value synonyms."""
    type: Literal["VARCHAR", "NUMBER", "DATE", "TIMESTAMP", "BOOLEAN"] | None = None
    """Type of the value, where `column` does not give it."""
    description: Text | None = None
    """What it means."""
    values: dict[Name, Words] | None = None
    """Words that users say for a value, where they differ from the column's."""


class QueryExtension(_Strict):
    """``saaf:`` of a verified query: parameters, and other wordings of its question."""

    parameters: dict[Name, Parameter] = {}
    """The parameters `:name` of the SQL."""
    questions: tuple[Text, ...] = ()
    """Other wordings of the question."""


class VerifiedQuery(_Strict):
    """A question and the SQL that answers it, checked by a person.

    ``verified_at`` is in seconds since the epoch, UTC.
    """

    name: Name
    """Name of the query."""
    question: Text
    """The question, as a user asks it."""
    sql: Text
    """One SELECT over base tables, in the warehouse's dialect; parameters as :name."""
    verified_by: Name | None = None
    """Who checked it."""
    verified_at: int | None = Field(default=None, ge=0)
    """When, in seconds since 1970-01-01 UTC."""
    use_as_onboarding_question: bool = False
    """Whether it is offered as a first question."""
    semantic_model_name: Name | None = None
    """Kept for Snowflake."""
    saaf: QueryExtension = QueryExtension()
    """What SAAF adds: parameters and further wordings."""


class Instructions(_Strict):
    """Instructions to whoever writes SQL or sorts questions."""

    question_categorization: Text | None = None
    """For sorting questions."""
    sql_generation: Text | None = None
    """For writing SQL."""


class ModelExtension(_Strict):
    """``saaf:`` of the file: where its tables live and what SQL it speaks."""

    version: Literal[1] = 1
    """Version of SAAF's part of the format."""
    warehouse: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")] | None = None
    """Warehouse of saaf.yaml; absent: the only one."""
    dialect: Name | None = None
    """SQL dialect; absent: the warehouse's."""


class SemanticModel(_Strict):
    """One semantic file."""

    name: Name
    """Name of the model."""
    description: Text | None = None
    """What the data is about."""
    comments: Text | None = None
    """Remarks; not shown to models."""
    tables: tuple[Table, ...] = ()
    """Logical tables."""
    relationships: tuple[Relationship, ...] = ()
    """How the tables join."""
    metrics: tuple[Metric, ...] = ()
    """Metrics over several tables."""
    verified_queries: tuple[VerifiedQuery, ...] = ()
    """Questions with the SQL that answers them."""
    custom_instructions: Text | None = None
    """Instructions for whoever writes SQL."""
    module_custom_instructions: Instructions = Instructions()
    """Instructions by purpose."""
    saaf: ModelExtension = ModelExtension()
    """What SAAF adds: the file's warehouse and dialect."""

    def to_document(self) -> dict[str, Any]:
        """The model as the plain data of its file: only keys that were written, dates as dates."""
        document: dict[str, Any] = _plain(self.model_dump(by_alias=True, exclude_unset=True))
        return document

    def to_yaml(self) -> str:
        """The model as YAML; loading it gives an equal model."""
        document = self.to_document()
        # `saaf` says where the tables live: a reader looks for it at the top.
        first = [key for key in ("name", "description", "saaf") if key in document]
        body: dict[str, Any] = {key: document[key] for key in dict.fromkeys([*first, *document])}
        return yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)

    def to_json(self) -> str:
        """The model as JSON of the same shape; dates become ISO strings, as JSON has none."""
        document = self.to_document()
        return json.dumps(document, ensure_ascii=False, indent=2, default=date.isoformat)


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, as people do."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
