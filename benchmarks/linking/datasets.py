"""Spider dev and BIRD dev as semantic models: a schema a database, all in one warehouse."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from saaf_autogen.auth.access import TRUE, ColumnAccess, ColumnCase, TableAccess
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.model import SemanticModel
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.semantic.words import stems

__all__ = ["CACHE", "DATASETS", "Dataset", "Question", "read"]

CACHE = Path(__file__).parents[1] / ".cache"
WAREHOUSE = "main"
# Folder, questions, schemas, and which key of a question holds its SQL.
DATASETS: Mapping[str, tuple[str, str, str, str]] = {
    "spider": ("spider", "dev.json", "tables.json", "query"),
    "bird": ("bird", "dev.json", "tables.json", "sql"),
    # Weights were chosen on these questions, none of whose databases is in dev.
    "spider-train": ("spider", "train_spider.json", "tables.json", "query"),
}
_TYPES = {"number": "NUMBER", "integer": "NUMBER", "real": "NUMBER", "time": "TIMESTAMP"}


@dataclass(frozen=True)
class Question:
    """A question, its gold SQL, and the logical names of the tables that this reads."""

    text: str
    sql: str
    tables: frozenset[str]


@dataclass(frozen=True)
class Dataset:
    """Questions over one model of all databases; ``views`` are made with verified queries."""

    name: str
    tables: Sequence[dict[str, Any]]
    relationships: Sequence[dict[str, Any]]
    questions: Sequence[Question]

    def view(self, verified: Iterable[Question] = ()) -> SemanticView:
        """All tables as one caller sees them who may see all, with these verified queries."""
        model = SemanticModel.model_validate(
            {
                "name": self.name.replace("-", "_"),
                "saaf": {"version": 1, "warehouse": WAREHOUSE, "dialect": "sqlite"},
                "tables": self.tables,
                "relationships": self.relationships,
                "verified_queries": [
                    {"name": f"q{index}", "question": item.text, "sql": item.sql}
                    for index, item in enumerate(verified)
                ],
            }
        )
        catalog = SemanticCatalog([(model, WAREHOUSE, "sqlite")])
        return SemanticView(catalog, full_access(catalog))


def full_access(catalog: SemanticCatalog) -> dict[str, TableAccess]:
    """The access of a caller who may see all."""
    return {
        resource: TableAccess(
            resource,
            {
                column.name: ColumnAccess(column.name, (ColumnCase(TRUE, None),))
                for column in facts.columns
            },
            rows=TRUE,
        )
        for resource, facts in catalog.facts.items()
    }


def read(name: str, cache: Path = CACHE, limit: int | None = None) -> Dataset:
    """A dataset from the cache.

    Raises:
        FileNotFoundError: it is not there; ``benchmarks/linking/README.md`` says where it is from.
    """
    folder, questions, schemas, key = DATASETS[name]
    databases = json.loads((cache / folder / schemas).read_text(encoding="utf-8"))
    names = _names(databases)
    asked = json.loads((cache / folder / questions).read_text(encoding="utf-8"))
    if limit is not None:
        asked = asked[:: max(1, len(asked) // limit)]
    return Dataset(
        name,
        [table for database in databases for table in _tables(database, names)],
        [item for database in databases for item in _relationships(database, names)],
        [
            Question(item["question"], sql, frozenset(names[place] for place in places))
            for item in asked
            if (found := _gold(item[key], item["db_id"], names))
            for sql, places in [found]
        ],
    )


def _names(databases: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Logical names by (database, table): the table's own, with its database where it is shared."""
    places = [
        (database["db_id"], table)
        for database in databases
        for table in database["table_names_original"]
    ]
    counts = Counter(table.casefold() for _, table in places)
    return {
        (database, table.casefold()): f"{database}_{table}"
        if counts[table.casefold()] > 1
        else table
        for database, table in places
    }


def _tables(database: Mapping[str, Any], names: Mapping[tuple[str, str], str]) -> Iterable[Any]:
    schema = database["db_id"]
    titles = zip(database["table_names_original"], database["table_names"], strict=True)
    for index, (table, title) in enumerate(titles):
        columns = zip(
            database["column_names_original"],
            database["column_names"],
            database["column_types"],
            strict=True,
        )
        yield {
            "name": names[schema, table.casefold()],
            "synonyms": _synonyms(table, title),
            "base_table": {"database": WAREHOUSE, "schema": schema, "table": table},
            "dimensions": [
                {
                    "name": column,
                    "expr": exp.column(column, quoted=True).sql(),
                    "data_type": _TYPES.get(kind, "VARCHAR"),
                    "synonyms": _synonyms(column, label),
                }
                for (owner, column), (_, label), kind in columns
                if owner == index
            ],
        }


def _synonyms(name: str, title: str) -> list[str]:
    return [] if stems(name) == stems(title) else [title]


def _relationships(
    database: Mapping[str, Any], names: Mapping[tuple[str, str], str]
) -> Iterable[dict[str, Any]]:
    columns, tables = database["column_names_original"], database["table_names_original"]
    for index, (left, right) in enumerate(database["foreign_keys"]):
        ends = [
            names[database["db_id"], tables[columns[end][0]].casefold()] for end in (left, right)
        ]
        yield {
            "name": f"{database['db_id']}_{index}",
            "left_table": ends[0],
            "right_table": ends[1],
            "relationship_columns": [
                {"left_column": columns[left][1], "right_column": columns[right][1]}
            ],
        }


def _gold(
    sql: str, schema: str, names: Mapping[tuple[str, str], str]
) -> tuple[str, list[tuple[str, str]]] | None:
    """The SQL with schemas written out, and the tables that it reads."""
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
    except sqlglot.errors.SqlglotError:
        return None
    places: list[tuple[str, str]] = []
    for table in tree.find_all(exp.Table):
        if (schema, table.name.casefold()) in names:
            places.append((schema, table.name.casefold()))
            table.set("db", exp.to_identifier(schema))
    return (tree.sql("sqlite"), places) if places else None


def widened(dataset: Dataset, tables: int, columns: int) -> Dataset:
    """The same questions over so many tables of so many columns each, for measuring time.

    Tables that are missing are copies in schemas of their own; columns are borrowed from others.
    """
    spare = [column for table in dataset.tables for column in table["dimensions"]]
    made: list[dict[str, Any]] = []
    for index in range(tables):
        table = dataset.tables[index % len(dataset.tables)]
        copy = index // len(dataset.tables)
        own = {column["name"].casefold(): column for column in table["dimensions"]}
        place = index * columns
        while len(own) < columns:
            column = spare[place % len(spare)]
            own.setdefault(column["name"].casefold(), column)
            place += 1
        base = table["base_table"]
        schema = f"{base['schema']}_{copy}" if copy else base["schema"]
        name = f"{table['name']}_{copy}" if copy else table["name"]
        made.append(
            {
                **table,
                "name": name,
                "base_table": {**base, "schema": schema},
                "dimensions": list(own.values()),
            }
        )
    return Dataset(f"{dataset.name}-wide", made, dataset.relationships, dataset.questions)
