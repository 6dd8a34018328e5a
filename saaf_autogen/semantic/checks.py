"""Checks of semantic files beyond their shape: names, references, SQL and parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import Dialect
from sqlglot.dialects import Dialects

from saaf_autogen.errors import Finding
from saaf_autogen.semantic.catalog import table_fields
from saaf_autogen.semantic.model import (
    Key,
    Metric,
    NamedFilter,
    SemanticModel,
    Table,
    VerifiedQuery,
)
from saaf_autogen.semantic.sql import (
    ColumnUse,
    SqlFault,
    SqlUse,
    TableUse,
    read_expression,
    read_query,
)
from saaf_autogen.settings import Document

__all__ = ["Source", "check_sources"]

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """A semantic file that was read; ``complete`` where nothing of it had to be left out."""

    document: Document
    model: SemanticModel
    warehouse: str
    dialect: str
    complete: bool = True


@dataclass
class _Names:
    """The names of one logical table, folded to lower case."""

    table: Table
    warehouse: str
    physical: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)

    @property
    def columns(self) -> set[str]:
        return self.physical | self.fields

    def means(self, use: TableUse) -> bool:
        base = self.table.base_table
        bare = not use.schema and not use.database
        return (bare and use.name == self.table.name.casefold()) or (
            use.name == base.table.casefold()
            and use.schema in ("", base.schema_name.casefold())
            and use.database in ("", (base.database or self.warehouse).casefold())
        )


def check_sources(sources: Sequence[Source], *, complete: bool = True) -> list[Finding]:
    """All faults of the files together.

    Args:
        sources: the files, read and of the right shape.
        complete: False where parts had to be left out; what refers to names that are not there
            is then no fault, because the name may be in such a part.
    """
    findings: list[Finding] = []
    names: list[list[_Names]] = []
    for source in sources:
        try:
            Dialect.get_or_raise(source.dialect)
        except ValueError:
            known = ", ".join(sorted(dialect.value for dialect in Dialects if dialect.value))
            findings.append(
                source.document.finding(
                    ("saaf", "dialect"),
                    f"there is no SQL dialect {source.dialect!r}",
                    f"known dialects: {known}",
                )
            )
            names.append([])
            continue
        names.append([_names(table, source) for table in source.model.tables])
    findings += _duplicates(sources)
    for index, source in enumerate(sources):
        if not names[index] and source.model.tables:
            continue
        shared = [item for own in names for item in own if item.warehouse == source.warehouse]
        findings += _Checker(source, names[index], shared, complete).run()
    return findings


def _names(table: Table, source: Source) -> _Names:
    names = _Names(table, source.warehouse)
    for _, _, item in table_fields(table):
        names.fields.add(item.name.casefold())
        try:
            column = read_expression(item.expr, source.dialect).column
        except SqlFault:
            continue
        if column is not None:
            names.physical.add(column.casefold())
    named: list[NamedFilter | Metric] = [*table.filters, *table.metrics]
    names.named = {item.name.casefold() for item in named}
    return names


def _duplicates(sources: Sequence[Source]) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str], str] = {}
    for source in sources:
        model = source.model
        entries: list[tuple[str, Place, str]] = [("model", ("name",), model.name)]
        entries += [
            ("table", ("tables", index, "name"), table.name)
            for index, table in enumerate(model.tables)
        ]
        entries += [
            ("verified query", ("verified_queries", index, "name"), query.name)
            for index, query in enumerate(model.verified_queries)
        ]
        for what, place, name in entries:
            key = (what, source.warehouse, name.casefold())
            here = f"{source.document.file.name}:{source.document.line(place)}"
            if key in seen:
                yield source.document.finding(
                    place, f"the {what} {name!r} is declared twice", f"it is also at {seen[key]}"
                )
            seen.setdefault(key, here)


class _Checker:
    """The checks of one file."""

    def __init__(
        self, source: Source, own: list[_Names], shared: list[_Names], complete: bool
    ) -> None:
        self.document = source.document
        self.model = source.model
        self.dialect = source.dialect
        self.own = {names.table.name.casefold(): names for names in own}
        self.shared = shared
        self.complete = complete
        self.findings: list[Finding] = []

    def run(self) -> list[Finding]:
        for index, table in enumerate(self.model.tables):
            self._table(("tables", index), table)
        self._relationships()
        self._unique(("metrics",), [metric.name for metric in self.model.metrics], "metric")
        for index, metric in enumerate(self.model.metrics):
            self._expression(("metrics", index, "expr"), metric.expr)
        for index, query in enumerate(self.model.verified_queries):
            self._query(("verified_queries", index), query)
        return self.findings

    def _fault(self, place: Place, message: str, remedy: str) -> None:
        self.findings.append(self.document.finding(place, message, remedy))

    def _unique(self, place: Place, names: Iterable[str], what: str) -> None:
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name.casefold() in seen:
                self._fault(
                    (*place, index, "name"),
                    f"the {what} {name!r} is declared twice",
                    "remove or rename one",
                )
            seen.add(name.casefold())

    def _table(self, place: Place, table: Table) -> None:
        names = self.own[table.name.casefold()]
        seen: set[str] = set()
        positions = {"dimensions": 0, "time_dimensions": 0, "facts": 0, "measures": 0}
        where: Place
        for _, key, item in table_fields(table):
            where = (*place, key, positions[key])
            positions[key] += 1
            if item.name.casefold() in seen:
                self._fault(
                    (*where, "name"),
                    f"the column {item.name!r} is declared twice in {table.name}",
                    "remove or rename one",
                )
            seen.add(item.name.casefold())
            use = self._expression((*where, "expr"), item.expr)
            if use is not None and use.column is None:
                self._known((*where, "expr"), use, names, names.columns)
            if item.is_enum and not item.sample_values:
                self._fault(
                    (*where, "is_enum"),
                    f"{item.name} is an enum without values",
                    "list all its values under sample_values",
                )
        self._circles(place, table, names)
        for at, wanted in enumerate(table.saaf.limits.required_filters):
            for index, column in enumerate(wanted):
                where = (*place, "saaf", "limits", "required_filters", at, index)
                self._physical(where, names, column)
        self._named((*place, "filters"), table.filters, names)
        self._named((*place, "metrics"), table.metrics, names)
        keys: list[tuple[Place, Key]] = [
            ((*place, "unique_keys", index), item) for index, item in enumerate(table.unique_keys)
        ]
        if table.primary_key is not None:
            keys.append(((*place, "primary_key"), table.primary_key))
        for where, item_key in keys:
            for index, column in enumerate(item_key.columns):
                self._column((*where, "columns", index), names, column)

    def _named(self, place: Place, items: Sequence[NamedFilter | Metric], names: _Names) -> None:
        self._unique(place, [item.name for item in items], str(place[-1]).removesuffix("s"))
        for index, item in enumerate(items):
            where = (*place, index, "expr")
            use = self._expression(where, item.expr)
            if use is not None:
                self._known(where, use, names, names.columns | names.named)

    def _expression(self, place: Place, text: str) -> SqlUse | None:
        try:
            use = read_expression(text, self.dialect)
        except SqlFault as fault:
            message = f"the expression is not valid {self.dialect} SQL: {fault}"
            self._fault(place, message, f"write one expression of {self.dialect}")
            return None
        if use.parameters or use.positional or use.tables:
            message = "an expression takes no parameters and reads no other table"
            self._fault(place, message, "make it a verified query")
        return use

    def _known(self, place: Place, use: SqlUse, names: _Names, known: set[str]) -> None:
        if not self.complete:
            return
        for column in sorted(use.columns, key=lambda item: item.name):
            if column.name not in known:
                self._fault(
                    place,
                    f"the table {names.table.name} describes no column {column.name!r}",
                    "describe it as a dimension or fact: only described columns are visible",
                )

    def _column(self, place: Place, names: _Names, column: str) -> None:
        if self.complete and column.casefold() not in names.columns:
            self._fault(
                place,
                f"the table {names.table.name} has no column {column!r}",
                f"its columns: {', '.join(sorted(names.physical))}",
            )

    def _physical(self, place: Place, names: _Names, column: str) -> None:
        """A required filter is on a column: no engine narrows its reading by an expression."""
        fields = [item for _, _, item in table_fields(names.table)]
        plain = {
            item.name.casefold()
            for item in fields
            if item.expr.strip('" ').casefold() in names.physical
        }
        if self.complete and column.casefold() not in names.physical | plain:
            self._fault(
                place,
                f"the table {names.table.name} has no plain column {column!r}",
                f"its columns: {', '.join(sorted(names.physical))}",
            )

    def _circles(self, place: Place, table: Table, names: _Names) -> None:
        """Definitions that build on themselves; a real column of the name is no circle."""
        uses: dict[str, set[str]] = {}
        places: dict[str, Place] = {}
        for key in ("dimensions", "time_dimensions", "facts", "measures", "filters", "metrics"):
            for index, item in enumerate(getattr(table, key)):
                try:
                    use = read_expression(item.expr, self.dialect)
                except SqlFault:
                    continue
                name = item.name.casefold()
                if use.column is None and name not in uses:
                    uses[name] = {column.name for column in use.columns} - names.physical
                    places[name] = (*place, key, index, "expr")
        for name, parts in uses.items():
            reached: set[str] = set()
            waiting = set(parts)
            while waiting:
                part = waiting.pop()
                reached.add(part)
                waiting |= uses.get(part, set()) - reached
            if name in reached:
                self._fault(
                    places[name],
                    f"{name} of {table.name} builds on itself",
                    "let it name columns; describe a column as a field of its own",
                )

    def _relationships(self) -> None:
        items = self.model.relationships
        self._unique(("relationships",), [item.name for item in items], "relationship")
        for index, item in enumerate(items):
            place: Place = ("relationships", index)
            for side, table in (("left", item.left_table), ("right", item.right_table)):
                names = self.own.get(table.casefold()) or self._elsewhere(table)
                if names is None:
                    if self.complete:
                        self._fault(
                            (*place, f"{side}_table"),
                            f"there is no table {table!r} in this file",
                            f"its tables: {', '.join(sorted(self.own))}",
                        )
                    continue
                for at, pair in enumerate(item.relationship_columns):
                    key = f"{side}_column"
                    column = pair.left_column if side == "left" else pair.right_column
                    self._column((*place, "relationship_columns", at, key), names, column)

    def _elsewhere(self, table: str) -> _Names | None:
        """A table of another file on the same warehouse."""
        named = (each for each in self.shared if each.table.name.casefold() == table.casefold())
        return next(named, None)

    def _query(self, place: Place, query: VerifiedQuery) -> None:
        try:
            use = read_query(query.sql, self.dialect)
        except SqlFault as fault:
            self._fault(
                (*place, "sql"),
                f"the SQL of {query.name} is not a valid {self.dialect} query: {fault}",
                f"write one SELECT of {self.dialect}",
            )
            return
        if self.complete:
            self._query_tables((*place, "sql"), query, use)
            self._query_columns((*place, "sql"), query, use)
        self._parameters(place, query, use)

    def _query_tables(self, place: Place, query: VerifiedQuery, use: SqlUse) -> None:
        for table in sorted(use.tables, key=str):
            if any(names.means(table) for names in self.shared):
                continue
            message = f"{query.name} reads the unknown table {table}"
            self._fault(place, message, "describe it in the semantic layer")

    def _query_columns(self, place: Place, query: VerifiedQuery, use: SqlUse) -> None:
        for column in sorted(use.columns, key=lambda item: (item.name, item.qualifier)):
            tables = self._certain(column)
            if tables and not any(column.name in names.columns | names.named for names in tables):
                where = " or ".join(sorted({names.table.base_table.table for names in tables}))
                self._fault(
                    place,
                    f"{query.name} reads the unknown column {column.name!r} of {where}",
                    "describe it as a dimension or fact, or correct the SQL",
                )

    def _certain(self, column: ColumnUse) -> list[_Names]:
        tables: list[_Names] = []
        for use in column.sources or ():
            found = [names for names in self.shared if names.means(use)]
            if not found:
                return []
            tables += found
        return tables

    def _parameters(self, place: Place, query: VerifiedQuery, use: SqlUse) -> None:
        declared = query.saaf.parameters
        if use.positional:
            self._fault(
                (*place, "sql"), f"{query.name} has unnamed parameters", "write them as :name"
            )
        for name in use.parameters:
            if name not in declared:
                self._fault(
                    (*place, "sql"),
                    f"{query.name} does not declare its parameter :{name}",
                    f"add it under saaf.parameters: {name}: {{example: …}}",
                )
        for name, parameter in declared.items():
            where = (*place, "saaf", "parameters", name)
            if name not in use.parameters:
                self._fault(
                    where,
                    f"the SQL of {query.name} has no parameter :{name}",
                    "remove the declaration or use it in the SQL",
                )
            if parameter.column is None or not self.complete:
                continue
            table, _, column = parameter.column.partition(".")
            names = self.own.get(table.casefold())
            if names is None:
                message = f"there is no table {table!r} in this file"
                self._fault((*where, "column"), message, "write TABLE.COLUMN")
            else:
                self._column((*where, "column"), names, column)
