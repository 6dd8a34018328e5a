"""Drift: where semantic files and the warehouse have come apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp
from sqlglot.errors import SqlglotError

from saaf_autogen.errors import Finding
from saaf_autogen.project.scaffolding.inventory import Described, Inventory
from saaf_autogen.project.scaffolding.site import Site
from saaf_autogen.semantic.catalog import CatalogField
from saaf_autogen.semantic.model import Metric, NamedFilter, Relationship
from saaf_autogen.semantic.sql import SqlFault, SqlUse, TableUse, read_expression, read_query
from saaf_autogen.sql.introspection import (
    ColumnInfo,
    Introspection,
    Progress,
    TableInfo,
    Value,
    family_of,
    introspect,
    look_for_values,
    plain_type,
)
from saaf_autogen.sql.warehouse import Warehouse

__all__ = ["Drift", "DriftKind", "compare", "enumerations", "find_drift"]

DriftKind = Literal[
    "table_missing",
    "table_new",
    "column_missing",
    "column_new",
    "type",
    "key",
    "values",
    "relationship",
    "expression",
    "query",
]
Key = tuple[str, str]
Place = tuple[str | int, ...]
_TOLD = 5
# Names that mean a whole family of types, whatever the warehouse calls its own.
_GENERIC = frozenset({"NUMBER", "NUMERIC", "DECIMAL", "VARCHAR", "TEXT", "STRING", "TIMESTAMP"})


@dataclass(frozen=True, order=True)
class Drift:
    """One difference.

    Attributes:
        finding: where, what, and what to do about it.
        breaks: whether queries that the file promises fail by it.
        table: ``SCHEMA.TABLE``.
    """

    finding: Finding
    kind: DriftKind
    breaks: bool
    table: str
    column: str | None = None


async def compare(
    site: Site,
    warehouse: Warehouse,
    *,
    only: Sequence[str] = (),
    values: bool = True,
    timeout_s: float = 30.0,
    progress: Progress | None = None,
) -> tuple[list[Drift], list[str]]:
    """Compare the files with a warehouse: differences, and notes on what was not compared.

    Args:
        site: the deployment.
        warehouse: open.
        only: patterns such as ``sales.*`` of the tables that are wanted; none means all.
        values: whether to look for values that an enumeration lacks, which reads the tables.
        timeout_s: seconds for each column whose values are looked for.
        progress: told of each such column.

    Raises:
        WarehouseFailed, TimedOut: the warehouse is down, or its catalog cannot be read.
    """
    found = await introspect(warehouse, only=only)
    wanted = enumerations(site, found) if values else []
    seen, notes = await look_for_values(warehouse, wanted, timeout_s=timeout_s, progress=progress)
    return find_drift(site, found, seen, whole=not only), [*found.notes, *notes]


def enumerations(site: Site, found: Introspection) -> list[tuple[TableInfo, ColumnInfo]]:
    """The columns of which a file says that it lists every value."""
    inventory = Inventory(site.described(found.warehouse))
    return [
        (table, column)
        for table in found.tables
        for known in inventory.at(table.key)
        for column in table.columns
        for _, _, field in [known.columns.get(column.name.casefold(), ("", 0, None))]
        if field is not None and field.spec.is_enum and column.family in ("text", "number")
    ]


def find_drift(
    site: Site,
    found: Introspection,
    values: Mapping[tuple[Key, str], Sequence[Value]] | None = None,
    *,
    whole: bool = True,
) -> list[Drift]:
    """Every difference, in the order of files and lines.

    Args:
        site: the deployment.
        found: the warehouse as it is.
        values: for columns of ``enumerations``, the values that are in them; by the table's key
            and the column's name.
        whole: whether ``found`` holds all tables; if not, a table that is not in it is not missed.
    """
    comparison = _Comparison(site, found, values or {}, whole)
    return sorted(comparison.run(), key=lambda each: (each.finding, each.kind))


class _Comparison:
    def __init__(
        self,
        site: Site,
        found: Introspection,
        values: Mapping[tuple[Key, str], Sequence[Value]],
        whole: bool,
    ) -> None:
        self._site = site
        self._found = found
        self._values = values
        self._whole = whole
        self._inventory = Inventory(site.described(found.warehouse))
        self._tables = {table.key: table for table in found.tables}
        self._columns = {
            table.key: {column.name.casefold() for column in table.columns}
            for table in found.tables
        }
        self._by_name = {
            (str(each.source.document.file), each.spec.name.casefold()): each
            for each in self._inventory.tables
        }

    def run(self) -> Iterator[Drift]:
        for known in self._inventory.tables:
            table = self._tables.get(known.key)
            if table is not None:
                yield from self._table(known, table)
            elif self._whole:
                place = ("tables", known.index, "base_table")
                remedy = "remove it, or correct base_table; comment it out if it will return"
                message = f"{_label(known)} is not in the warehouse {self._found.warehouse}"
                yield self._drift(
                    known, place, "table_missing", True, f"the table {message}", remedy
                )
        for source in self._inventory.sources:
            for index, item in enumerate(source.model.relationships):
                yield from self._relationship(str(source.document.file), index, item)
            for index, query in enumerate(source.model.verified_queries):
                where: Place = ("verified_queries", index, "sql")
                for table_label, column in self._lost(query.sql, source.dialect):
                    what = f"the column {column!r} of {table_label}" if column else table_label
                    message = f"{query.name} reads {what}, which the warehouse lacks"
                    finding = source.document.finding(where, message, "mend or remove the query")
                    yield Drift(finding, "query", True, table_label, column)
        yield from self._new_tables()

    def _table(self, known: Described, table: TableInfo) -> Iterator[Drift]:
        columns = {column.name.casefold(): column for column in table.columns}
        for section, index, field in known.fields:
            place: Place = ("tables", known.index, section, index)
            if field.use.column is None:
                yield from self._expression(known, (*place, "expr"), field.spec.name, field.use)
                continue
            column = columns.get(field.use.column.casefold())
            if column is None:
                message = f"{table.label} has no column {field.use.column!r}"
                remedy = "remove the field, or correct its expr" + _renamed(table, known)
                yield self._drift(
                    known, place, "column_missing", True, message, remedy, field.use.column
                )
                continue
            yield from self._type(known, place, field, column, table)
            yield from self._enumeration(known, place, field, column, table)
        named: list[tuple[str, int, NamedFilter | Metric]] = [
            *(("filters", index, item) for index, item in enumerate(known.spec.filters)),
            *(("metrics", index, item) for index, item in enumerate(known.spec.metrics)),
        ]
        for section, index, item in named:
            use = read_expression(item.expr, known.source.dialect)
            place = ("tables", known.index, section, index, "expr")
            yield from self._expression(known, place, item.name, use)
        yield from self._keys(known, table)
        if known is self._inventory.at(table.key)[0]:
            yield from self._new_columns(known, table)

    def _type(
        self,
        known: Described,
        place: Place,
        field: CatalogField,
        column: ColumnInfo,
        table: TableInfo,
    ) -> Iterator[Drift]:
        said = field.spec.data_type
        families = family_of(said), column.family
        name = f"{table.label}.{column.name}"
        now = plain_type(column.type)
        if families[0] != families[1] and "other" not in families:
            message = f"{name} is {now} in the warehouse, a {families[1]}; the file says {said}"
            remedy = f"write data_type: {now}, and mend the queries that use it"
            yield self._drift(
                known, (*place, "data_type"), "type", True, message, remedy, column.name
            )
        elif _other_type(said, now, self._found.dialect):
            message = f"{name} is {now} in the warehouse; the file says {said}"
            yield self._drift(
                known,
                (*place, "data_type"),
                "type",
                False,
                message,
                f"write data_type: {now}",
                column.name,
            )

    def _enumeration(
        self,
        known: Described,
        place: Place,
        field: CatalogField,
        column: ColumnInfo,
        table: TableInfo,
    ) -> Iterator[Drift]:
        seen = self._values.get((table.key, column.name))
        if seen is None or not field.spec.is_enum:
            return
        listed = {str(value) for value in field.spec.sample_values}
        missing = [value for value in seen if str(value) not in listed]
        if not missing:
            return
        # Values of tagged columns are not for whoever reads a build's log.
        some = [] if field.spec.saaf.tags else missing[:_TOLD]
        names = f" ({', '.join(map(repr, some))}{', …' if len(missing) > len(some) else ''})"
        message = (
            f"{table.label}.{column.name} has {len(missing)} value"
            f"{'' if len(missing) == 1 else 's'} beyond its sample_values{names if some else ''}"
        )
        remedy = "add them, or remove is_enum; --update-samples does it where no person wrote them"
        yield self._drift(
            known, (*place, "sample_values"), "values", False, message, remedy, column.name
        )

    def _keys(self, known: Described, table: TableInfo) -> Iterator[Drift]:
        said = known.spec.primary_key
        now = {column.casefold() for column in table.primary_key}
        place: Place = ("tables", known.index)
        named = {self._physical(known, column) for column in said.columns} if said else set()
        if now and named != now:
            columns = ", ".join(table.primary_key)
            what = f"the file says {', '.join(said.columns)}" if said else "the file names none"
            message = f"the primary key of {table.label} is ({columns}); {what}"
            yield self._drift(
                known,
                (*place, "primary_key") if said else place,
                "key",
                False,
                message,
                f"write primary_key: {{columns: [{columns}]}}",
            )
        for key in table.foreign_keys:
            others = self._inventory.at((key.schema.casefold(), key.table.casefold()))
            pairs = list(zip(key.columns, key.referred, strict=True))
            related = any(
                self._inventory.relates(mine.spec.name, other.spec.name, pairs)
                for mine in self._inventory.at(table.key)
                for other in others
            )
            shown = all(column.casefold() in known.columns for column in key.columns)
            if others and shown and not related:
                columns = ", ".join(key.columns)
                message = f"the foreign key ({columns}) of {table.label} is in no relationship"
                remedy = f"add a relationship from {known.spec.name} to {others[0].spec.name}"
                yield self._drift(known, place, "key", False, message, remedy)

    def _expression(
        self, known: Described, place: Place, name: str, use: SqlUse
    ) -> Iterator[Drift]:
        for column in sorted({self._physical(known, each.name) for each in use.columns}):
            lost = column in known.columns and column not in self._columns[known.key]
            if lost:
                message = f"{name} of {_label(known)} uses the vanished column {column!r}"
                yield self._drift(
                    known, place, "expression", True, message, "mend or remove it", column
                )

    def _relationship(self, file: str, index: int, item: Relationship) -> Iterator[Drift]:
        for at, pair in enumerate(item.relationship_columns):
            for side, name, column in (
                ("left", item.left_table, pair.left_column),
                ("right", item.right_table, pair.right_column),
            ):
                known = self._named(file, name)
                if known is None or known.key not in self._columns:
                    continue
                physical = self._physical(known, column)
                if physical in self._columns[known.key] or physical not in known.columns:
                    continue
                source = next(
                    each for each in self._inventory.sources if str(each.document.file) == file
                )
                place = ("relationships", index, "relationship_columns", at, f"{side}_column")
                message = f"{item.name} joins by {column!r}, which {_label(known)} no longer has"
                finding = source.document.finding(place, message, "mend or remove the relationship")
                yield Drift(finding, "relationship", True, _label(known), physical)

    def _new_columns(self, known: Described, table: TableInfo) -> Iterator[Drift]:
        new = [
            column.name
            for column in table.columns
            if not self._inventory.knows(table.key, column.name)
        ]
        for name in new:
            message = f"{table.label}.{name} is described nowhere, so nobody sees it"
            remedy = "`saaf semantic scaffold` describes it; comment it out to leave it unseen"
            place = ("tables", known.index)
            yield self._drift(known, place, "column_new", False, message, remedy, name)

    def _new_tables(self) -> Iterator[Drift]:
        for table in self._found.tables:
            if self._inventory.at(table.key) or self._inventory.is_commented(table.key):
                continue
            home = self._inventory.home(table.schema)
            file = home.document.file if home else self._site.semantic
            message = f"{table.label} is described nowhere, so nobody sees it"
            remedy = "`saaf semantic scaffold` describes it; comment it out to leave it unseen"
            yield Drift(Finding(file, 0, message, remedy), "table_new", False, table.label)

    def _lost(self, sql: str, dialect: str) -> list[tuple[str, str | None]]:
        """Tables and columns that a query reads and the warehouse lacks."""
        try:
            use = read_query(sql, dialect)
        except SqlFault:
            return []
        lost: set[tuple[str, str | None]] = set()
        for table in use.tables:
            if self._whole and self._meant(table) and not self._present(table):
                lost.add((str(table), None))
        for column in use.columns:
            tables = [item for each in column.sources or () for item in self._present(each)]
            known = [item for each in column.sources or () for item in self._meant(each)]
            described = any(column.name in each.columns for each in known)
            if tables and described and all(column.name not in self._columns[t] for t in tables):
                lost.add((self._tables[tables[0]].label, column.name))
        return sorted(lost, key=lambda each: (each[0], each[1] or ""))

    def _meant(self, table: TableUse) -> list[Described]:
        return [
            each
            for each in self._inventory.tables
            if table.name in (each.key[1], each.spec.name.casefold())
            and table.schema in ("", each.key[0])
        ]

    def _present(self, table: TableUse) -> list[Key]:
        return [each.key for each in self._meant(table) if each.key in self._tables]

    def _named(self, file: str, name: str) -> Described | None:
        own = self._by_name.get((file, name.casefold()))
        others = (
            each for each in self._inventory.tables if each.spec.name.casefold() == name.casefold()
        )
        return own or next(others, None)

    def _physical(self, known: Described, name: str) -> str:
        """The column (lower case) that a field's name or a column's name stands for."""
        folded = name.casefold()
        if folded in known.columns:
            return folded
        for _, _, field in known.fields:
            if field.spec.name.casefold() == folded and field.use.column:
                return field.use.column.casefold()
        return folded

    def _drift(
        self,
        known: Described,
        place: Place,
        kind: DriftKind,
        breaks: bool,
        message: str,
        remedy: str,
        column: str | None = None,
    ) -> Drift:
        finding = known.source.document.finding(place, message, remedy)
        return Drift(finding, kind, breaks, _label(known), column)


def _label(known: Described) -> str:
    base = known.spec.base_table
    return f"{base.schema_name}.{base.table}"


def _renamed(table: TableInfo, known: Described) -> str:
    """A hint on what a vanished column may be called now."""
    new = [each.name for each in table.columns if each.name.casefold() not in known.columns]
    return f"; new there: {', '.join(new[:_TOLD])}" if new else ""


def _other_type(said: str, now: str, dialect: str) -> bool:
    """Whether two names of types of one family mean different types."""
    if said.upper() in _GENERIC or said.casefold() == now.casefold():
        return False
    try:
        mine, theirs = (exp.DataType.build(each, dialect=dialect) for each in (said, now))
    except (SqlglotError, ValueError):
        return False
    return mine.sql(dialect=dialect) != theirs.sql(dialect=dialect)
