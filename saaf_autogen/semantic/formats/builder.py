"""Building native tables and models out of what a foreign file says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from saaf_autogen.semantic.formats.expressions import (
    Untranslatable,
    columns,
    plain_column,
    translate,
)
from saaf_autogen.semantic.formats.source import Node
from saaf_autogen.semantic.model import (
    BaseTable,
    Dimension,
    Fact,
    Metric,
    NamedFilter,
    Relationship,
    SemanticModel,
    Table,
    TimeDimension,
)

__all__ = [
    "HIDDEN",
    "UNKNOWN_TYPE",
    "ModelBuilder",
    "TableBuilder",
    "Target",
    "base_table",
    "native",
    "sql_name",
]

HIDDEN = "hidden"
"""The tag of columns that the source does not show, but that metrics, joins or filters need."""

UNKNOWN_TYPE = "UNKNOWN"
"""The data type where the source says none."""

Native = TypeVar("Native", bound=BaseModel)
_KINDS: dict[str, type[Dimension | TimeDimension | Fact]] = {
    "dimensions": Dimension,
    "time_dimensions": TimeDimension,
    "facts": Fact,
}
_UNQUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


@dataclass(frozen=True)
class Target:
    """Where the imported tables live: a warehouse of ``saaf.yaml``, its dialect, its schema.

    ``dialect`` is sqlglot's name of it; None takes the source's own. ``schema`` stands in where
    the source names no schema.
    """

    warehouse: str | None = None
    dialect: str | None = None
    schema: str | None = None

    def default_schema(self, dialect: str) -> str:
        """The schema of a table whose source names none."""
        usual = {"duckdb": "main", "snowflake": "PUBLIC", "databricks": "default"}
        return self.schema or usual.get(dialect, "public")


def native(
    kind: type[Native], data: Mapping[str, Any], node: Node, *, whole: bool = False
) -> Native | None:
    """The data as a part of a native model; a misfit is a fault of the file.

    Empty keys are taken off, unless ``whole``.
    """
    try:
        return kind.model_validate(data if whole else _said(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        node.fault(None, f"{where} does not fit: {first['msg']}", "write another value")
        return None


def sql_name(name: str) -> str:
    """A name that SQL knows without quotes: other signs become ``_``."""
    if _UNQUOTED.fullmatch(name):
        return name
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "field"
    return plain if not plain[0].isdigit() else f"_{plain}"


def base_table(text: str, node: Node, key: str, target: Target, dialect: str) -> BaseTable | None:
    """The table of ``database.schema.table``; quotes of any kind are taken off.

    A name without a schema gets the default one, and the report says so.
    """
    parts = re.findall(r'"[^"]+"|`[^`]+`|\[[^\]]+\]|[^.\s"`\[\]]+', text)
    joined = ".".join(parts)
    if not 1 <= len(parts) <= 3 or joined != re.sub(r"\s*\.\s*", ".", text.strip()):
        return None
    names = [part[1:-1] if part[0] in '"`[' else part for part in parts]
    if any(not re.fullmatch(r"[^\s{}();*/]+(?: [^\s{}();*/]+)*", name) for name in names):
        return None
    if len(names) == 1:
        schema = target.default_schema(dialect)
        remedy = "correct it, or import with --schema NAME"
        node.note(key, f"{names[0]} names no schema: {schema} was taken", remedy)
        names.insert(0, schema)
    data: dict[str, Any] = {"schema": names[-2], "table": names[-1]}
    if len(names) == 3:
        data = {"database": names[0], **data}
    return native(BaseTable, data, node)


@dataclass
class TableBuilder:
    """One logical table on its way.

    ``source`` is the dialect of the expressions that come, ``dialect`` that of those that go.
    """

    node: Node
    name: str
    base: BaseTable
    source: str
    dialect: str
    data: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    named: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    physical: dict[str, str] = field(default_factory=dict)

    def say(self, sql: str, node: Node, key: str | None, what: str) -> str | None:
        """An expression in the warehouse's dialect; None, reported, where that cannot be."""
        try:
            return translate(sql, self.source, self.dialect)
        except Untranslatable as reason:
            remedy = "write it by hand, or as a verified query"
            node.leave_out(key, f"{what} is left out: {reason}", remedy)
            return None

    def add(self, kind: str, node: Node, name: str, sql: str, **data: Any) -> bool:
        """Add a dimension, time dimension or fact; whether it could be."""
        own = sql_name(name)
        said = self.say(sql, node, None, f"{name} of {self.name}")
        if said is None:
            return False
        column = plain_column(said, self.dialect)
        if column is None and own.casefold() in {
            used.casefold() for _, used in columns(said, self.dialect)
        }:
            own = f"{own}_value"  # As `cast(x AS date)` under the name x would hide the column x.
        if own.casefold() in self.fields:
            remedy = "rename one"
            node.leave_out(None, f"{name} is left out: {self.name} has a field {own}", remedy)
            return False
        if own != name:
            data["synonyms"] = [name, *data.get("synonyms", ())]
        found = {"name": own, "expr": said, "data_type": UNKNOWN_TYPE, **_said(data)}
        made = native(_KINDS[kind], found, node)
        if made is None:
            return False
        self.fields[own.casefold()] = {"kind": kind, **found}
        if column is not None:
            self.physical.setdefault(column.casefold(), column)
        return True

    def knows(self, name: str) -> bool:
        """Whether a name is a described column, a field, a filter or a metric."""
        folded = name.casefold()
        named = (item["name"].casefold() for items in self.named.values() for item in items)
        return folded in self.physical or folded in self.fields or folded in named

    def tags_of(self, column: str) -> set[str]:
        """The tags of every field that is this physical column (in lower case)."""
        return {
            tag
            for item in self.fields.values()
            if (plain_column(item["expr"], self.dialect) or "").casefold() == column
            for tag in item.get("saaf", {}).get("tags", ())
        }

    def column_of(self, name: str) -> str | None:
        """The physical column of a field that is one, or of that name; None for any other."""
        item = self.fields.get(sql_name(name).casefold())
        if item is not None:
            return plain_column(item["expr"], self.dialect)
        return self.physical.get(name.casefold())

    def support(self, names: Iterable[str], node: Node, why: str) -> None:
        """Describe columns that something needs; those that the source shows not are hidden."""
        for name in names:
            if self.knows(name):
                continue
            mark = "`" if self.source in ("databricks", "bigquery") else '"'
            # Written in the source's dialect, as all that `add` takes is.
            read = name if _UNQUOTED.fullmatch(name) else f"{mark}{name}{mark}"
            if self.add("dimensions", node, name, read, saaf={"tags": [HIDDEN]}):
                message = f"{self.name}.{name} is described because {why} needs it"
                remedy = f"it is tagged {HIDDEN}: write deny_tags: [{HIDDEN}] in wide grants"
                node.note(None, message, remedy)

    def complete(self) -> None:
        """Describe the columns that computed fields read and that no field is."""
        for item in list(self.fields.values()):
            if plain_column(item["expr"], self.dialect) is None:
                used = [column for _, column in columns(item["expr"], self.dialect)]
                self.support(used, self.node, item["name"])

    def add_named(self, kind: str, node: Node, name: str, sql: str, **data: Any) -> str | None:
        """Add a filter or metric over columns of this table; its name there, or None.

        One that is called like a column gets another name, and its own as a synonym.
        """
        try:
            used = [column for _, column in columns(sql, self.dialect)]
        except Untranslatable as reason:
            node.leave_out(None, f"{name} is left out: {reason}", "write it by hand")
            return None
        self.support(used, node, name)
        own = sql_name(name)
        if own.casefold() in self.physical or own.casefold() in self.fields:
            own = f"{own}_{'metric' if kind == 'metrics' else 'filter'}"
        if self.knows(own):
            node.leave_out(None, f"{name} is left out: {self.name} has a {own}", "rename one")
            return None
        if own != name:
            data["synonyms"] = list(dict.fromkeys([name, *data.get("synonyms", ())]))
        made = {"name": own, "expr": sql, **_said(data)}
        if native(Metric if kind == "metrics" else NamedFilter, made, node) is None:
            return None
        self.named.setdefault(kind, []).append(made)
        return own

    def document(self) -> dict[str, Any]:
        """The table as plain data."""
        table: dict[str, Any] = {
            "name": self.name,
            **{key: self.data[key] for key in ("description", "synonyms") if self.data.get(key)},
            "base_table": self.base.model_dump(by_alias=True, exclude_unset=True),
            **{key: self.data[key] for key in ("primary_key", "unique_keys") if self.data.get(key)},
        }
        for kind in _KINDS:
            found = [
                {key: value for key, value in item.items() if key != "kind"}
                for item in self.fields.values()
                if item["kind"] == kind
            ]
            if found:
                table[kind] = found
        table |= {key: self.named[key] for key in ("filters", "metrics") if self.named.get(key)}
        if self.data.get("saaf"):
            table["saaf"] = self.data["saaf"]
        return table


@dataclass
class ModelBuilder:
    """One native model on its way."""

    node: Node
    name: str
    target: Target
    dialect: str
    data: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, TableBuilder] = field(default_factory=dict)
    relationships: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def table(self, node: Node, name: str, base: BaseTable, source: str) -> TableBuilder | None:
        """Start a table; None, reported, where the name is taken."""
        if name.casefold() in self.tables:
            node.leave_out(None, f"a second table {name} is left out", "rename one")
            return None
        made = TableBuilder(node, name, base, source, self.dialect)
        self.tables[name.casefold()] = made
        return made

    def relate(
        self,
        node: Node,
        name: str,
        left: str,
        right: str,
        pairs: Iterable[tuple[str, str]],
        **data: Any,
    ) -> bool:
        """Add a relationship, and describe its columns; ``left`` holds the foreign key."""
        known = {item["name"].casefold() for item in self.relationships}
        own = sql_name(name)
        if own.casefold() in known:
            node.leave_out(None, f"a second relationship {own} is left out", "rename one")
            return False
        found = list(pairs)
        made = {
            "name": own,
            "left_table": left,
            "right_table": right,
            "relationship_columns": [
                {"left_column": mine, "right_column": theirs} for mine, theirs in found
            ],
            **_said(data),
        }
        if native(Relationship, made, node) is None:
            return False
        for side, columns_of in ((left, [a for a, _ in found]), (right, [b for _, b in found])):
            table = self.tables.get(side.casefold())
            if table is not None:
                table.support(columns_of, node, f"the relationship {own}")
        self.relationships.append(made)
        return True

    def build(self) -> SemanticModel | None:
        """The model, or None where something does not fit (which the report tells)."""
        saaf: dict[str, Any] = {"version": 1}
        if self.target.warehouse:
            saaf["warehouse"] = self.target.warehouse
        saaf["dialect"] = self.dialect
        tables = []
        for table in self.tables.values():
            table.complete()
            if not table.fields:
                message = f"the table {table.name} is left out: nothing of it could be taken"
                table.node.leave_out(None, message, "describe its columns")
                continue
            tables.append(native(Table, table.document(), table.node))
        kept = {table.name.casefold() for table in tables if table is not None}
        document = {
            "name": sql_name(self.name),
            **_said(self.data),
            "tables": [table.document() for key, table in self.tables.items() if key in kept],
            "relationships": [
                item
                for item in self.relationships
                if {item["left_table"].casefold(), item["right_table"].casefold()} <= kept
            ],
            "metrics": self.metrics,
            "saaf": saaf,
        }
        # `saaf` stands near the top, where a reader looks for it.
        order = ["name", "description", "saaf", "custom_instructions", "tables", "relationships",
                 "metrics", "verified_queries"]  # fmt: skip
        ordered = {key: document[key] for key in order if document.get(key)}
        ordered |= {key: value for key, value in document.items() if key not in ordered}
        return native(SemanticModel, ordered, self.node)


def _said(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in (None, "", (), [], {}, False)}
