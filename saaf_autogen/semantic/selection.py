"""Selects what one caller may see of the catalog. Only ``SemanticView`` uses it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from saaf_autogen.auth.access import TableAccess
from saaf_autogen.semantic.catalog import (
    CatalogField,
    CatalogNamed,
    CatalogQuery,
    CatalogTable,
    SemanticCatalog,
)
from saaf_autogen.semantic.model import Metric, Parameter
from saaf_autogen.semantic.naming import definitions_of, keys_of, metric_definition
from saaf_autogen.semantic.scope import (
    Scope,
    described,
    is_private,
    is_shown,
    is_value_shown,
    label_of,
    limits_of,
    names_in,
    names_of,
    samples_of,
    scope_of,
    values_of,
)
from saaf_autogen.semantic.sql import ColumnUse, SqlUse, read_expression
from saaf_autogen.semantic.visibility import (
    Hidden,
    TextGuard,
    is_filtered,
)
from saaf_autogen.semantic.visible import (
    VisibleField,
    VisibleNamed,
    VisibleQuery,
    VisibleRelationship,
    VisibleTable,
    plain,
)
from saaf_autogen.semantic.vocabulary import LogicalTable, Relation, Vocabulary

__all__ = ["Selection"]

_TYPES = (
    ("TIMESTAMP", ("TIMESTAMP", "DATETIME")),
    ("DATE", ("DATE",)),
    ("BOOLEAN", ("BOOL",)),
    ("NUMBER", ("INT", "NUM", "DEC", "DOUBLE", "FLOAT", "REAL")),
)


class Selection:
    """The visible parts of a catalog under one caller's access."""

    def __init__(self, catalog: SemanticCatalog, access: Mapping[str, TableAccess]) -> None:
        self._catalog = catalog
        self._scopes: dict[tuple[str, str], Scope] = {}
        names: dict[str, Hidden] = {}
        for table in catalog.tables:
            scope = scope_of(table, access.get(table.resource))
            if scope is not None:
                self._scopes[_key(table)] = scope
            names[_text_key(table)] = names_of(table, scope)
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

    def vocabulary(self, warehouse: str) -> Vocabulary:
        """The names that SQL on a warehouse may use."""
        scopes = [item for item in self._scopes.values() if item.table.warehouse == warehouse]
        prefix = f"wh://{warehouse}/"
        return Vocabulary(
            tables=tuple(
                LogicalTable(
                    scope.table.spec.name,
                    scope.table.resource.removeprefix(prefix),
                    tuple(definitions_of(scope.table, self._usable(scope))),
                    tuple(keys_of(scope.table, scope.columns, self._catalog.relationships)),
                )
                for scope in scopes
            ),
            metrics=tuple(
                metric_definition(metric) for metric, of in self._whole_metrics() if of == warehouse
            ),
            relations=tuple(
                Relation(item.name, item.left, item.right, item.pairs)
                for item in self._relationships()
                if item.warehouse == warehouse
            ),
        )

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

    def _table(self, scope: Scope) -> VisibleTable:
        table, spec, key = scope.table, scope.table.spec, _text_key(scope.table)
        base = spec.base_table
        primary = spec.primary_key.columns if spec.primary_key else ()
        keys = [table.field(name) for name in primary]
        whole = all(item is not None and is_shown(item, scope) for item in keys)
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
            limits=limits_of(scope),
            rows="some" if filtered else "all",
            fields=tuple(self._fields(scope)),
            filters=tuple(self._named(scope, table.filters)),
            metrics=tuple(self._named(scope, table.metrics)),
        )

    def _usable(self, scope: Scope) -> set[str]:
        """Names of definitions of a table all of whose parts the caller may see."""
        if scope.usable is not None:
            return scope.usable
        usable: set[str] = set()
        table = scope.table
        items: list[CatalogField | CatalogNamed] = [*table.fields, *table.filters, *table.metrics]
        waiting = [item for item in items if self._literals(item.use, [scope])]
        before = -1
        while before != len(usable):
            before = len(usable)
            for item in waiting:
                if all(self._sees(column, scope, usable) for column in item.use.columns):
                    usable.add(item.spec.name.casefold())
        scope.usable = usable
        return usable

    def _sees(self, column: ColumnUse, scope: Scope, usable: set[str]) -> bool:
        own = {"", scope.table.spec.name.casefold(), scope.table.spec.base_table.table.casefold()}
        if column.qualifier in own:
            return column.name in scope.columns or column.name in usable
        other = self._scopes.get((scope.table.warehouse, column.qualifier))
        return other is not None and column.name in other.shown

    def _fields(self, scope: Scope) -> Iterator[VisibleField]:
        key = _text_key(scope.table)
        usable = self._usable(scope)
        for item in scope.table.fields:
            if not is_shown(item, scope) or not self._literals(item.use, [scope]):
                continue
            if item.use.column is None and (
                item.spec.name.casefold() not in usable or is_private(item)
            ):
                continue
            column = scope.columns.get((item.use.column or "").casefold())
            spec = item.spec
            yield VisibleField(
                name=item.sql_name,
                label=spec.name,
                kind=item.kind,
                data_type=spec.data_type,
                expr=spec.expr,
                access=column.label if column else label_of(item, scope),
                description=self._guard.sentences(spec.description, key),
                synonyms=self._guard.words(spec.synonyms, key),
                sample_values=tuple(samples_of(item, scope)),
                values=values_of(item, scope),
                is_enum=spec.is_enum,
                unique=spec.unique,
                tags=spec.saaf.tags,
                computed=column is None,
            )

    def _named(self, scope: Scope, items: Iterable[CatalogNamed]) -> Iterator[VisibleNamed]:
        key = _text_key(scope.table)
        usable = self._usable(scope)
        for item in items:
            if item.spec.name.casefold() in usable and not is_private(item):
                yield VisibleNamed(
                    name=item.spec.name,
                    expr=item.spec.expr,
                    warehouse=scope.table.warehouse,
                    table=scope.table.spec.name,
                    description=self._guard.sentences(item.spec.description, key),
                    synonyms=self._guard.words(item.spec.synonyms, key),
                )

    def _model_metrics(self) -> Iterator[VisibleNamed]:
        for metric, warehouse in self._whole_metrics():
            if metric.access_modifier == "public_access":
                yield VisibleNamed(
                    metric.name,
                    metric.expr,
                    warehouse,
                    None,
                    self._guard.sentences(metric.description),
                    self._guard.words(metric.synonyms),
                )

    def _whole_metrics(self) -> Iterator[tuple[Metric, str]]:
        """Metrics of whole models of which the caller may see every part, with the warehouse."""
        for model, warehouse, dialect in self._catalog.models:
            for metric in model.metrics:
                use = read_expression(metric.expr, dialect)
                found = {
                    name: self._scopes.get((warehouse, name))
                    for name in {column.qualifier for column in use.columns}
                }
                scopes = [scope for scope in found.values() if scope is not None]
                known = len(scopes) == len(found) and all(
                    (scope := found[column.qualifier]) is not None
                    and (column.name in scope.columns or column.name in self._usable(scope))
                    for column in use.columns
                )
                if scopes and known and self._literals(use, scopes):
                    yield metric, warehouse

    def _relationships(self) -> Iterator[VisibleRelationship]:
        for item in self._catalog.relationships:
            left, right = self._scopes.get(_key(item.left)), self._scopes.get(_key(item.right))
            if left is None or right is None:
                continue
            pairs: list[tuple[str, str]] = []
            for pair in item.spec.relationship_columns:
                one, two = item.left.field(pair.left_column), item.right.field(pair.right_column)
                if one and two and is_shown(one, left) and is_shown(two, right):
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

    def _columns(self, item: CatalogQuery, scopes: list[Scope]) -> bool:
        """Whether the SQL names no hidden column, not even as an alias or within a string."""
        if any(self._guard.hides_name(name) for name in item.use.names):
            return False
        loose = [ColumnUse(name) for name in item.use.loose]
        hidden = [
            use
            for use in (*item.use.columns, *loose)
            for scope in _owners(use, item.use, scopes)
            if use.name in names_in(scope.table) - set(scope.columns) - self._usable(scope)
        ]
        whole = all(described(scope.table) <= set(scope.columns) for scope in scopes)
        return not hidden and (whole or not item.use.natural)

    def _literals(self, use: SqlUse, scopes: list[Scope]) -> bool:
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
        if scope is None or target is None or not is_shown(target, scope):
            return None
        shown["type"] = spec.type or _type(target.spec.data_type)
        column = scope.columns.get((target.use.column or "").casefold())
        values = {value: list(words) for value, words in values_of(target, scope).items()}
        if target.spec.is_enum:
            for value in samples_of(target, scope):
                values.setdefault(str(value), [])
        if spec.values is not None:
            values = {
                value: list(words)
                for value, words in spec.values.items()
                if column is None or is_value_shown(value, column, scope)
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


def _owners(use: ColumnUse, sql: SqlUse, scopes: list[Scope]) -> list[Scope]:
    """The tables that a column reference may mean; all of them where that is not certain."""
    tables = use.sources or (sql.aliases.get(use.qualifier) if use.qualifier else None)
    if not tables:
        return scopes
    return [scope for scope in scopes if any(scope.table.is_named(table) for table in tables)]


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
