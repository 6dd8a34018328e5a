"""All that the deployment's semantic files say, as one immutable catalog for the whole host.

The catalog knows nothing of callers: ``SemanticView`` shows what one of them may see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from saaf_autogen.auth.access import ColumnFacts, QueryBounds, TableFacts, least
from saaf_autogen.semantic.model import (
    Dimension,
    Fact,
    Metric,
    NamedFilter,
    Relationship,
    SemanticModel,
    Table,
    TimeDimension,
    VerifiedQuery,
)
from saaf_autogen.semantic.sql import SqlUse, TableUse, read_expression, read_query

__all__ = [
    "CatalogField",
    "CatalogNamed",
    "CatalogQuery",
    "CatalogRelationship",
    "CatalogTable",
    "SemanticCatalog",
    "table_fields",
]

_DEFAULT_SCHEMAS = frozenset({"main", "public"})


@dataclass(frozen=True)
class CatalogField:
    """A dimension, time dimension or fact, and what its expression names."""

    kind: str
    spec: Dimension | TimeDimension | Fact
    use: SqlUse

    @property
    def sql_name(self) -> str:
        """The name in SQL: the physical column, or the field's own name where it is computed."""
        return self.use.column or self.spec.name


@dataclass(frozen=True)
class CatalogNamed:
    """A filter or metric, and what its expression names."""

    spec: NamedFilter | Metric
    use: SqlUse


@dataclass(frozen=True)
class CatalogTable:
    """A logical table of one warehouse."""

    warehouse: str
    dialect: str
    spec: Table
    fields: tuple[CatalogField, ...]
    filters: tuple[CatalogNamed, ...]
    metrics: tuple[CatalogNamed, ...]

    @property
    def resource(self) -> str:
        """The resource that grants name: ``wh://WAREHOUSE/SCHEMA.TABLE``."""
        base = self.spec.base_table
        return f"wh://{self.warehouse}/{base.schema_name}.{base.table}"

    @property
    def sql_name(self) -> str:
        """The base table as SQL names it; a default schema is left out."""
        base = self.spec.base_table
        plain = base.schema_name.casefold() in _DEFAULT_SCHEMAS
        return base.table if plain else f"{base.schema_name}.{base.table}"

    def is_named(self, table: TableUse) -> bool:
        """Whether SQL that says ``table`` means this table: its base table, or its own name."""
        base = self.spec.base_table
        bare = not table.schema and not table.database
        return (bare and table.name == self.spec.name.casefold()) or (
            table.name == base.table.casefold()
            and table.schema in ("", base.schema_name.casefold())
            and table.database in ("", (base.database or self.warehouse).casefold())
        )

    @property
    def bounds(self) -> QueryBounds:
        """What each query must keep to; required filters name physical columns."""
        limits = self.spec.saaf.limits
        wanted = (
            tuple(found.sql_name if (found := self.field(name)) else name for name in names)
            for names in limits.required_filters
        )
        return QueryBounds(seconds=limits.timeout_s, required_filters=tuple(wanted))

    def field(self, name: str) -> CatalogField | None:
        """A field by its own name or by its physical column, in any case of letters."""
        wanted = name.casefold()
        for field in self.fields:
            if wanted in (field.spec.name.casefold(), (field.use.column or "").casefold()):
                return field
        return None


@dataclass(frozen=True)
class CatalogRelationship:
    """A relationship, with both its tables."""

    spec: Relationship
    left: CatalogTable
    right: CatalogTable


@dataclass(frozen=True)
class CatalogQuery:
    """A verified query, with the tables that it reads."""

    warehouse: str
    dialect: str
    spec: VerifiedQuery
    use: SqlUse
    tables: tuple[CatalogTable, ...]


def table_fields(table: Table) -> list[tuple[str, str, Dimension | TimeDimension | Fact]]:
    """All fields of a table as (kind, key of the file, field)."""
    return [
        *(("dimension", "dimensions", field) for field in table.dimensions),
        *(("time_dimension", "time_dimensions", field) for field in table.time_dimensions),
        *(("fact", "facts", field) for field in table.facts),
        *(("fact", "measures", field) for field in table.measures),
    ]


class SemanticCatalog:
    """The semantic layer of a deployment; immutable and shared by all callers.

    Args:
        models: checked models, each with its warehouse and SQL dialect. ``load_semantic`` makes
            them from files and finds their faults; here they are taken to be right.
    """

    def __init__(self, models: Iterable[tuple[SemanticModel, str, str]] = ()) -> None:
        self.models = tuple(models)
        tables: list[CatalogTable] = []
        relationships: list[CatalogRelationship] = []
        queries: list[CatalogQuery] = []
        for model, warehouse, dialect in self.models:
            tables += [_table(table, warehouse, dialect) for table in model.tables]
        for model, warehouse, dialect in self.models:
            known = [table for table in tables if table.warehouse == warehouse]
            # Relationships may lead to tables of other files; names are unique on a warehouse.
            by_name = {table.spec.name.casefold(): table for table in known}
            relationships += [
                CatalogRelationship(
                    spec,
                    by_name[spec.left_table.casefold()],
                    by_name[spec.right_table.casefold()],
                )
                for spec in model.relationships
            ]
            queries += [_query(spec, warehouse, dialect, known) for spec in model.verified_queries]
        self.tables = tuple(tables)
        self.relationships = tuple(relationships)
        self.queries = tuple(queries)

    @property
    def warehouses(self) -> tuple[str, ...]:
        """Names of the warehouses that the files describe."""
        return tuple(dict.fromkeys(warehouse for _, warehouse, _ in self.models))

    def dialect(self, warehouse: str) -> str | None:
        """The SQL dialect (sqlglot's name) of a warehouse; None where nothing describes it."""
        return next((dialect for _, name, dialect in self.models if name == warehouse), None)

    @cached_property
    def facts(self) -> Mapping[str, TableFacts]:
        """What the policy must know of each base table, by resource.

        Columns are physical ones, in the order of the file, with the tags of every field that
        is that column. Logical tables on one base table are merged, with the limits of all.
        """
        columns: dict[str, dict[str, ColumnFacts]] = {}
        tags: dict[str, frozenset[str]] = {}
        limits: dict[str, tuple[int | None, QueryBounds]] = {}
        for table in self.tables:
            rows, bounds = limits.get(table.resource, (None, QueryBounds()))
            rows = least(rows, table.spec.saaf.limits.max_rows)
            limits[table.resource] = rows, bounds.with_(table.bounds)
            known = columns.setdefault(table.resource, {})
            tags[table.resource] = tags.get(table.resource, frozenset()) | set(table.spec.saaf.tags)
            for field in table.fields:
                if field.use.column is None:
                    continue
                fact = ColumnFacts(
                    field.use.column, field.spec.data_type, frozenset(field.spec.saaf.tags)
                )
                old = known.get(fact.name.casefold())
                if old is not None:
                    fact = ColumnFacts(old.name, old.data_type, old.tags | fact.tags)
                known[fact.name.casefold()] = fact
        return MappingProxyType(
            {
                resource: TableFacts(
                    resource, tuple(known.values()), tags[resource], *limits[resource]
                )
                for resource, known in columns.items()
            }
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the content; changes when any file's meaning does."""
        digest = hashlib.sha256()
        for model, warehouse, dialect in self.models:
            digest.update(f"{warehouse}\0{dialect}\0{model.model_dump_json()}\0".encode())
        return digest.hexdigest()


def _table(table: Table, warehouse: str, dialect: str) -> CatalogTable:
    return CatalogTable(
        warehouse=warehouse,
        dialect=dialect,
        spec=table,
        fields=tuple(
            CatalogField(kind, field, read_expression(field.expr, dialect))
            for kind, _, field in table_fields(table)
        ),
        filters=tuple(
            CatalogNamed(item, read_expression(item.expr, dialect)) for item in table.filters
        ),
        metrics=tuple(
            CatalogNamed(item, read_expression(item.expr, dialect)) for item in table.metrics
        ),
    )


def _query(
    spec: VerifiedQuery, warehouse: str, dialect: str, known: list[CatalogTable]
) -> CatalogQuery:
    use = read_query(spec.sql, dialect)
    tables = (table for table in known if any(table.is_named(name) for name in use.tables))
    return CatalogQuery(warehouse, dialect, spec, use, tuple(tables))
