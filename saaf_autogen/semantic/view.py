"""The catalog as one caller sees it. What is not granted is absent, wherever it might be named."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

from saaf_autogen.auth.access import TableAccess
from saaf_autogen.errors import InvalidArguments, NotFound
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.selection import Selection
from saaf_autogen.semantic.visible import (
    VisibleNamed,
    VisibleQuery,
    VisibleRelationship,
    VisibleTable,
)
from saaf_autogen.semantic.vocabulary import Vocabulary

__all__ = ["SemanticView"]


class SemanticView:
    """What one caller may see of the semantic layer; immutable.

    Args:
        catalog: the deployment's catalog.
        access: the policy's answer by resource; a resource that is not in it, or that has no
            columns, does not exist for this caller.

    Attributes:
        tables, relationships, queries, metrics: what is visible, in the order of the files;
            ``metrics`` are those of whole models.
        instructions: visible sentences of the models' instructions on SQL, by warehouse.
    """

    def __init__(self, catalog: SemanticCatalog, access: Mapping[str, TableAccess]) -> None:
        selection = Selection(catalog, access)
        self.tables: tuple[VisibleTable, ...] = selection.tables()
        self.relationships: tuple[VisibleRelationship, ...] = selection.relationships()
        self.metrics: tuple[VisibleNamed, ...] = selection.model_metrics()
        self.queries: tuple[VisibleQuery, ...] = selection.queries()
        self.instructions: tuple[tuple[str, str], ...] = selection.instructions()
        self._vocabularies = {name: selection.vocabulary(name) for name in self.warehouses}

    @property
    def warehouses(self) -> tuple[str, ...]:
        """Names of the warehouses with a visible table."""
        return tuple(dict.fromkeys(table.warehouse for table in self.tables))

    def vocabulary(self, warehouse: str) -> Vocabulary:
        """The names of the semantic layer that SQL on a warehouse may use."""
        return self._vocabularies.get(warehouse, Vocabulary())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that is visible: equal views may share an index."""
        content = {
            "tables": [asdict(table) for table in self.tables],
            "relationships": [asdict(item) for item in self.relationships],
            "metrics": [asdict(item) for item in self.metrics],
            "queries": [asdict(query) for query in self.queries],
            "instructions": self.instructions,
        }
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def list_tables(
        self, warehouse: str | None = None, *, after: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """The visible tables in brief, in the order of their resources.

        Each has name, sql_name, resource, warehouse, description, synonyms and tags.

        Args:
            warehouse: only this one's.
            after: only tables whose resource comes after this one.
            limit: at most so many.
        """
        found = sorted(
            (table for table in self.tables if warehouse in (None, table.warehouse)),
            key=lambda table: table.resource,
        )
        return [
            {**table.summary(), "resource": table.resource}
            for table in found
            if after is None or table.resource > after
        ][:limit]

    def describe_table(self, name: str, warehouse: str | None = None) -> dict[str, Any]:
        """All that is visible of one table.

        Args:
            name: its name, its base table as ``table`` or ``schema.table``, or its resource.
            warehouse: where the name stands for tables of several warehouses.

        Raises:
            NotFound: there is no such table, or the caller may not know of it; one cannot tell.
            InvalidArguments: several tables have this name.
        """
        found = self._named(name, warehouse)
        if not found:
            raise self._not_found(name, warehouse)
        if len({table.warehouse for table in found}) > 1:
            names = ", ".join(sorted({table.warehouse for table in found}))
            raise InvalidArguments(
                f"The name {name!r} stands for tables of several warehouses.",
                remedy=f"Name one as `warehouse`: {names}.",
            )
        table = found[0]
        return {
            **table.summary(),
            "resource": table.resource,
            "dialect": table.dialect,
            "primary_key": list(table.primary_key),
            "owner": table.owner,
            "rows": table.rows,
            "hints": list(table.hints),
            "limits": dict(table.limits),
            "columns": [field.to_dict() for field in table.fields],
            "filters": [item.to_dict() for item in table.filters],
            "metrics": [item.to_dict() for item in table.metrics],
            "relationships": [
                item.to_dict()
                for item in self.relationships
                if item.warehouse == table.warehouse and table.name in (item.left, item.right)
            ],
        }

    def _named(self, name: str, warehouse: str | None) -> list[VisibleTable]:
        wanted = name.casefold()
        own: list[VisibleTable] = []
        base: list[VisibleTable] = []
        for table in self.tables:
            if warehouse not in (None, table.warehouse):
                continue
            physical = f"{table.schema}.{table.base_table}"
            others = (table.base_table, physical, f"{table.database}.{physical}", table.resource)
            if wanted == table.name.casefold():
                own.append(table)
            elif wanted in {other.casefold() for other in others}:
                base.append(table)
        return own or base

    def _not_found(self, name: str, warehouse: str | None) -> NotFound:
        names = {
            table.name.casefold(): table.name
            for table in self.tables
            if warehouse in (None, table.warehouse)
        }
        last = name.casefold().rsplit(".", 1)[-1]
        near = [names[key] for key in difflib.get_close_matches(last, names, n=3, cutoff=0.5)]
        remedy = (
            f"Near names: {', '.join(near)}." if near else "List the tables to see their names."
        )
        return NotFound(f"There is no table {name[:200]!r} that you may see.", remedy=remedy)
