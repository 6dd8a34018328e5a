"""Selects what one caller may see of the catalog. Only ``SemanticView`` uses it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from saaf_autogen.auth.access import ColumnAccess, TableAccess
from saaf_autogen.semantic.catalog import (
    CatalogField,
    CatalogNamed,
    CatalogQuery,
    CatalogTable,
    SemanticCatalog,
)
from saaf_autogen.semantic.model import Parameter
from saaf_autogen.semantic.sql import ColumnUse, SqlUse, read_expression
from saaf_autogen.semantic.visibility import (
    Hidden,
    TextGuard,
    columns_of,
    is_filtered,
    shows_value,
)
from saaf_autogen.semantic.visible import (
    VisibleField,
    VisibleNamed,
    VisibleQuery,
    VisibleRelationship,
    VisibleTable,
    plain,
)

__all__ = ["Selection"]

_TYPES = (
    ("TIMESTAMP", ("TIMESTAMP", "DATETIME")),
    ("DATE", ("DATE",)),
    ("BOOLEAN", ("BOOL",)),
    ("NUMBER", ("INT", "NUM", "DEC", "DOUBLE", "FLOAT", "REAL")),
)


@dataclass
class _Scope:
    """One table as the caller sees it: folded names, and access by physical column."""

    table: CatalogTable
    access: TableAccess
    columns: dict[str, ColumnAccess] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    tested: frozenset[str] = frozenset()

    def tests(self, column: ColumnAccess) -> bool:
        return column.name.casefold() in self.tested

    def shows(self, column: ColumnAccess, value: Any) -> bool:
        return shows_value(self.access, column, value)


class Selection:
    """The visible parts of a catalog under one caller's access."""

    def __init__(self, catalog: SemanticCatalog, access: Mapping[str, TableAccess]) -> None:
        self._catalog = catalog
        self._scopes: dict[tuple[str, str], _Scope] = {}
        names: dict[str, Hidden] = {}
        for table in catalog.tables:
            scope = _scope(table, access.get(table.resource))
            if scope is not None:
                self._scopes[_key(table)] = scope
            names[_text_key(table)] = _names(table, scope)
        words, codes = self._hidden_values()
        self._guard = TextGuard(names, words, codes)

    def tables(self) -> tuple[VisibleTable, ...]:
        """The granted tables, with what is visible of each."""
        return tuple(self._table(scope) for scope in self._scopes.values())

    def relationships(self) -> tuple[VisibleRelationship, ...]:
        """The relationships whose columns are visible on both sides."""
        return tuple(self._relationships())

    def model_metrics(self) -> tuple[VisibleNamed, ...]:
        """The metrics of whole models that build on visible ones only."""
        return tuple(self._model_metrics())

    def queries(self) -> tuple[VisibleQuery, ...]:
        """The verified queries that touch nothing hidden."""
        return tuple(
            query for item in self._catalog.queries if (query := self._query(item)) is not None
        )

    def instructions(self) -> tuple[tuple[str, str], ...]:
        """The sentences of the instructions that name nothing hidden, by warehouse."""
        found: list[tuple[str, str]] = []
        visible = {scope.table.warehouse for scope in self._scopes.values()}
        for model, warehouse, _ in self._catalog.models:
            for text in (
                model.custom_instructions,
                model.module_custom_instructions.sql_generation,
            ):
                kept = self._guard.sentences(text)
                if kept is not None and warehouse in visible:
                    found.append((warehouse, kept))
        return tuple(found)

    def _hidden_values(self) -> tuple[set[str], set[str]]:
        """Words and codes for values that the row predicates exclude, and no column shows."""
        words: set[str] = set()
        codes: set[str] = set()
        visible: set[str] = set()
        for scope in self._scopes.values():
            for item in scope.table.fields:
                column = scope.columns.get((item.use.column or "").casefold())
                if column is None:
                    continue
                synonyms = item.spec.saaf.value_synonyms
                for value in {str(plain(v)) for v in item.spec.sample_values} | set(synonyms):
                    said = {value, *synonyms.get(value, ())}
                    if not scope.tests(column) or scope.shows(column, value):
                        visible |= said
                    elif not value.isdigit():
                        words |= said
                        codes.add(value)
        return words - visible, codes - visible

    def _table(self, scope: _Scope) -> VisibleTable:
        table, spec, key = scope.table, scope.table.spec, _text_key(scope.table)
        base = spec.base_table
        primary = spec.primary_key.columns if spec.primary_key else ()
        keys = [table.field(name) for name in primary]
        whole = all(item is not None and _is_shown(item, scope) for item in keys)
        limits = spec.saaf.limits.model_dump(exclude_none=True)
        filtered = any(is_filtered(scope.access, column) for column in scope.columns.values())
        return VisibleTable(
            name=spec.name,
            sql_name=table.sql_name,
            warehouse=table.warehouse,
            dialect=table.dialect,
            resource=table.resource,
            database=base.database or table.warehouse,
            schema=base.schema_name,
            base_table=base.table,
            description=self._guard.sentences(spec.description, key),
            synonyms=self._guard.words(spec.synonyms, key),
            primary_key=tuple(item.sql_name for item in keys if item) if whole else (),
            tags=spec.saaf.tags,
            owner=spec.saaf.owner,
            hints=tuple(
                hint for hint in spec.saaf.hints if self._guard.allows(hint, key, values=True)
            ),
            limits=limits,
            rows="some" if filtered else "all",
            fields=tuple(self._fields(scope)),
            filters=tuple(self._named(scope, table.filters)),
            metrics=tuple(self._named(scope, table.metrics)),
        )

    def _fields(self, scope: _Scope) -> Iterator[VisibleField]:
        key = _text_key(scope.table)
        for item in scope.table.fields:
            if not _is_shown(item, scope) or not self._literals(item.use, [scope]):
                continue
            column = scope.columns.get((item.use.column or "").casefold())
            spec = item.spec
            yield VisibleField(
                name=item.sql_name,
                label=spec.name,
                kind=item.kind,
                data_type=spec.data_type,
                expr=spec.expr,
                access=column.label if column else _label(item, scope),
                description=self._guard.sentences(spec.description, key),
                synonyms=self._guard.words(spec.synonyms, key),
                sample_values=tuple(_samples(item, scope)),
                values=_values(item, scope),
                is_enum=spec.is_enum,
                unique=spec.unique,
                tags=spec.saaf.tags,
                computed=column is None,
            )

    def _named(self, scope: _Scope, items: Iterable[CatalogNamed]) -> Iterator[VisibleNamed]:
        key = _text_key(scope.table)
        for item in items:
            if item.spec.name.casefold() in scope.shown and self._literals(item.use, [scope]):
                yield VisibleNamed(
                    name=item.spec.name,
                    expr=item.spec.expr,
                    warehouse=scope.table.warehouse,
                    table=scope.table.spec.name,
                    description=self._guard.sentences(item.spec.description, key),
                    synonyms=self._guard.words(item.spec.synonyms, key),
                )

    def _model_metrics(self) -> Iterator[VisibleNamed]:
        for model, warehouse, dialect in self._catalog.models:
            for metric in model.metrics:
                columns = read_expression(metric.expr, dialect).columns
                scopes = {
                    name: self._scopes.get((warehouse, name))
                    for name in {column.qualifier for column in columns}
                }
                if columns and all(
                    (scope := scopes[column.qualifier]) is not None and column.name in scope.shown
                    for column in columns
                ):
                    yield VisibleNamed(
                        metric.name,
                        metric.expr,
                        warehouse,
                        None,
                        self._guard.sentences(metric.description),
                        self._guard.words(metric.synonyms),
                    )

    def _relationships(self) -> Iterator[VisibleRelationship]:
        for item in self._catalog.relationships:
            left, right = self._scopes.get(_key(item.left)), self._scopes.get(_key(item.right))
            if left is None or right is None:
                continue
            pairs: list[tuple[str, str]] = []
            for pair in item.spec.relationship_columns:
                one, two = item.left.field(pair.left_column), item.right.field(pair.right_column)
                if one and two and _is_shown(one, left) and _is_shown(two, right):
                    pairs.append((one.sql_name, two.sql_name))
            if len(pairs) == len(item.spec.relationship_columns):
                yield VisibleRelationship(
                    item.spec.name,
                    item.left.warehouse,
                    item.left.spec.name,
                    item.right.spec.name,
                    tuple(pairs),
                    item.spec.join_type,
                    item.spec.relationship_type,
                )

    def _query(self, item: CatalogQuery) -> VisibleQuery | None:
        scopes = [self._scopes.get(_key(table)) for table in item.tables]
        visible = [scope for scope in scopes if scope is not None]
        if len(visible) != len(scopes) or not self._columns(item, visible):
            return None
        if not self._literals(item.use, visible):
            return None
        parameters: dict[str, dict[str, Any]] = {}
        questions = [item.spec.question, *item.spec.saaf.questions]
        for name, parameter in item.spec.saaf.parameters.items():
            shown = self._parameter(item, parameter)
            if shown is None:
                return None
            parameters[name] = shown
            old, new = plain(parameter.example), shown["example"]
            if new != old:
                words = self._words(item, parameter, str(old))
                questions = [_reword(text, words, new, name) for text in questions]
        questions = [text for text in questions if self._guard.allows(text, values=True)]
        if not questions:
            return None
        return VisibleQuery(
            name=item.spec.name,
            warehouse=item.warehouse,
            dialect=item.dialect,
            question=questions[0],
            questions=tuple(questions[1:]),
            sql=item.spec.sql.strip(),
            tables=tuple(scope.table.spec.name for scope in visible),
            parameters=parameters,
            verified_by=item.spec.verified_by,
            verified_at=item.spec.verified_at,
            onboarding=item.spec.use_as_onboarding_question,
        )

    def _columns(self, item: CatalogQuery, scopes: list[_Scope]) -> bool:
        """Whether the SQL names no hidden column, not even as an alias or within a string."""
        if any(self._guard.hides_name(name) for name in item.use.names):
            return False
        loose = [ColumnUse(name) for name in item.use.loose]
        hidden = [
            use
            for use in (*item.use.columns, *loose)
            for scope in _owners(use, item.use, scopes)
            if use.name in _described(scope.table) - set(scope.columns)
        ]
        whole = all(_described(scope.table) <= set(scope.columns) for scope in scopes)
        return not hidden and (whole or not item.use.natural)

    def _literals(self, use: SqlUse, scopes: list[_Scope]) -> bool:
        """Whether no constant of the SQL is a value that a row predicate excludes."""
        return all(
            scope.shows(column, literal.value)
            for literal in use.literals
            for scope in scopes
            if (column := scope.columns.get(literal.column)) is not None and scope.tests(column)
        )

    def _target(self, item: CatalogQuery, parameter: Parameter) -> tuple[str, str]:
        table, _, column = (parameter.column or "").partition(".")
        return table.casefold(), column

    def _parameter(self, item: CatalogQuery, spec: Parameter) -> dict[str, Any] | None:
        """A parameter as the caller sees it; None where its column is hidden."""
        shown: dict[str, Any] = {
            "column": spec.column,
            "type": spec.type or _type_of(spec.example),
            "example": plain(spec.example),
            "description": self._guard.sentences(spec.description),
            "values": {k: list(v) for k, v in spec.values.items()} if spec.values else None,
        }
        if spec.column is None:
            return shown
        table, name = self._target(item, spec)
        scope = self._scopes.get((item.warehouse, table))
        target = scope.table.field(name) if scope else None
        if scope is None or target is None or not _is_shown(target, scope):
            return None
        shown["type"] = spec.type or _type(target.spec.data_type)
        column = scope.columns.get((target.use.column or "").casefold())
        values = {value: list(words) for value, words in _values(target, scope).items()}
        if target.spec.is_enum:
            for value in _samples(target, scope):
                values.setdefault(str(value), [])
        if spec.values is not None:
            values = {
                value: list(words)
                for value, words in spec.values.items()
                if column is None or _is_value_shown(value, column, scope)
            }
        shown["values"] = values or None
        if column is not None and (column.label == "masked" or is_filtered(scope.access, column)):
            known = str(shown["example"]) in values
            if not (known or (scope.tests(column) and scope.shows(column, spec.example))):
                first = next(iter(values), None)
                numeric = first is not None and shown["type"] == "NUMBER"
                shown["example"] = int(first) if numeric and first else first
        return shown

    def _words(self, item: CatalogQuery, parameter: Parameter, value: str) -> list[str]:
        table, name = self._target(item, parameter)
        scope = self._scopes.get((item.warehouse, table))
        target = scope.table.field(name) if scope else None
        known = dict(target.spec.saaf.value_synonyms) if target else {}
        known |= parameter.values or {}
        return [value, *known.get(value, ())]


def _key(table: CatalogTable) -> tuple[str, str]:
    return table.warehouse, table.spec.name.casefold()


def _text_key(table: CatalogTable) -> str:
    return f"{table.warehouse}/{table.spec.name.casefold()}"


def _scope(table: CatalogTable, access: TableAccess | None) -> _Scope | None:
    if access is None:
        return None
    granted = {name.casefold(): column for name, column in access.columns.items()}
    described = _described(table)
    columns = {name: column for name, column in granted.items() if name in described}
    if not columns:
        return None
    tests = [access.rows, *(case.when for item in columns.values() for case in item.cases)]
    scope = _Scope(table, access, columns, set(columns))
    scope.tested = frozenset().union(*(columns_of(test) for test in tests))
    # Fields and metrics may build on each other: add until nothing more becomes visible.
    items: list[CatalogField | CatalogNamed] = [*table.fields, *table.filters, *table.metrics]
    before = -1
    while before != len(scope.shown):
        before = len(scope.shown)
        for item in items:
            if {column.name for column in item.use.columns} <= scope.shown:
                scope.shown.add(item.spec.name.casefold())
    return scope


def _names(table: CatalogTable, scope: _Scope | None) -> Hidden:
    """The names of a table, split by whether the caller may know them."""
    base = table.spec.base_table
    names = Hidden(frozenset({table.spec.name.casefold(), base.table.casefold()}))
    names.granted = scope is not None
    names.shown = set(scope.shown) if scope else set()
    everything: set[str] = set()
    items: list[CatalogField | CatalogNamed] = [*table.fields, *table.filters, *table.metrics]
    for item in items:
        own = {item.spec.name.casefold(), *(column.name for column in item.use.columns)}
        everything |= own
        shown = item.spec.name.casefold() in names.shown
        for word in item.spec.synonyms:
            if " " in word.strip():
                (names.said if shown else names.phrases).add(word.casefold())
    names.hidden = everything - names.shown
    if scope is None:
        names.phrases |= {word.casefold() for word in table.spec.synonyms if " " in word}
    return names


def _described(table: CatalogTable) -> set[str]:
    return {item.use.column.casefold() for item in table.fields if item.use.column is not None}


def _owners(use: ColumnUse, sql: SqlUse, scopes: list[_Scope]) -> list[_Scope]:
    """The tables that a column reference may mean; all of them where that is not certain."""
    tables = use.sources or (sql.aliases.get(use.qualifier) if use.qualifier else None)
    if not tables:
        return scopes
    return [scope for scope in scopes if any(scope.table.is_named(table) for table in tables)]


def _is_shown(item: CatalogField, scope: _Scope) -> bool:
    if item.use.column is not None:
        return item.use.column.casefold() in scope.columns
    return item.spec.name.casefold() in scope.shown


def _label(item: CatalogField, scope: _Scope) -> Any:
    """The access of a computed field: full where all its columns are."""
    used = [scope.columns.get(column.name) for column in item.use.columns]
    masked = any(column is not None and column.label == "masked" for column in used)
    return "masked" if masked else "full"


def _is_value_shown(value: Any, column: ColumnAccess, scope: _Scope) -> bool:
    if column.label == "masked":
        return False
    return not scope.tests(column) or scope.shows(column, value)


def _samples(item: CatalogField, scope: _Scope) -> Iterator[Any]:
    """Sample values that this caller may see: of the rows that exist for them."""
    column = scope.columns.get((item.use.column or "").casefold())
    if column is None:
        filtered = any(is_filtered(scope.access, used) for used in scope.columns.values())
        if filtered or _label(item, scope) == "masked":
            return
        yield from map(plain, item.spec.sample_values)
        return
    for value in item.spec.sample_values:
        if not _is_value_shown(value, column, scope):
            continue
        if scope.tests(column) or item.spec.is_enum or not is_filtered(scope.access, column):
            yield plain(value)


def _values(item: CatalogField, scope: _Scope) -> dict[str, tuple[str, ...]]:
    """Words for values, of the values that this caller may see."""
    column = scope.columns.get((item.use.column or "").casefold())
    return {
        value: words
        for value, words in item.spec.saaf.value_synonyms.items()
        if column is None or _is_value_shown(value, column, scope)
    }


def _type(data_type: str) -> str:
    upper = data_type.upper()
    return next((name for name, parts in _TYPES if any(p in upper for p in parts)), "VARCHAR")


def _type_of(example: Any) -> str:
    if isinstance(example, bool):
        return "BOOLEAN"
    if isinstance(example, int | float):
        return "NUMBER"
    if isinstance(example, str):
        return "VARCHAR"
    return "TIMESTAMP" if hasattr(example, "hour") else "DATE"


def _reword(text: str, words: list[str], new: Any, name: str) -> str:
    """The question with another example value, or with ``:name`` where none may be shown."""
    longest = sorted(words, key=len, reverse=True)
    pattern = r"(?<!\w)(?:" + "|".join(re.escape(word) for word in longest) + r")(?!\w)"
    return re.sub(pattern, lambda _: f":{name}" if new is None else str(new), text)
