"""Random grants, and what each leaves of the tables: computed here, without any SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from hypothesis import strategies as st

from saaf_autogen.auth.access import (
    TRUE,
    AllOf,
    AnyOf,
    ColumnAccess,
    ColumnCase,
    Comparison,
    Mask,
    Predicate,
    TableAccess,
)
from tests.sql.properties.data import TABLES, Kind, Table, Value

__all__ = ["MASK_KEY", "full", "grants", "left_by", "without_secrets"]

_Operator = Literal["eq", "ne", "lt", "lte", "gt", "gte"]

MASK_KEY = "the mask key"
_CONSTANTS: Mapping[Kind, list[Any]] = {
    "int": [-7, 0, 1, 2, 3, 5, 8, 424_242],
    "text": ["a", "b", "c", "1", "x", "secret_t3", ""],
    "date": [date(2010, 2, 2), date(2011, 6, 6), date(2013, 1, 1)],
    "moment": [datetime(2011, 6, 1, 12), datetime(2012, 1, 1)],
    "num": [Decimal("0.00"), Decimal("12.50"), Decimal(-1)],
    "float": [0.0, 1.5, 2.5e10],
}
_TEXT_MASKS = ("redact", "hash", "last4")


@st.composite
def _comparisons(draw: st.DrawFn, table: Table) -> Predicate:
    column = draw(st.sampled_from(sorted(table.columns)))
    values = st.sampled_from(_CONSTANTS[table.columns[column]])
    if draw(st.integers(0, 6)) == 0:
        return Comparison(column, "in", tuple(draw(st.lists(values, max_size=3))))
    operator: _Operator = draw(st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte"]))
    return Comparison(column, operator, draw(values))


# They hide the rows on which expressions fail.
_CAREFUL: tuple[Predicate, ...] = (
    Comparison("k", "ne", "z"),
    Comparison("k", "in", ("a", "b", "c")),
    Comparison("k", "lt", "d"),
    Comparison("d", "lt", date(2014, 1, 1)),
    AnyOf((Comparison("k", "eq", "a"), Comparison("k", "eq", "b"))),
    AllOf((Comparison("k", "gte", "a"), Comparison("k", "lte", "c"))),
)


def _predicates(table: Table) -> st.SearchStrategy[Predicate]:
    return st.one_of(
        st.sampled_from(_CAREFUL),
        st.sampled_from(_CAREFUL),
        st.just(TRUE),
        _comparisons(table),
        st.lists(_comparisons(table), max_size=3).map(lambda items: AnyOf(tuple(items))),
        st.lists(
            st.lists(_comparisons(table), max_size=2).map(lambda items: AnyOf(tuple(items))),
            max_size=2,
        ).map(lambda items: AllOf(tuple(items))),
    )


@st.composite
def _columns(draw: st.DrawFn, name: str, table: Table) -> ColumnAccess:
    if draw(st.integers(0, 2)) > 0:
        return ColumnAccess(name, (ColumnCase(TRUE, None),))
    masks: list[Mask | None] = [None, "redact", "null", "hash", "last4"]
    if table.columns[name] in ("float", "moment"):
        # Engines write these in ways of their own, which Python does not know.
        masks = [None, "null"]
    if table.columns[name] == "date":
        masks.append("year")
    cases = st.builds(ColumnCase, _predicates(table), st.sampled_from(masks))
    return ColumnAccess(name, tuple(draw(st.lists(cases, max_size=3))))


@st.composite
def grants(draw: st.DrawFn) -> dict[str, TableAccess]:
    """What one caller may see: by table, at least one column of at least one table."""
    found = {}
    for name, table in TABLES.items():
        names = [column for column in table.columns if draw(st.integers(0, 3)) > 0]
        if not names:
            continue
        columns = {column: draw(_columns(column, table)) for column in names}
        found[name] = TableAccess(f"wh://w/{name}", columns, draw(_predicates(table)))
    return found or full()


def full() -> dict[str, TableAccess]:
    """Everything."""
    return {
        name: TableAccess(
            f"wh://w/{name}",
            {column: ColumnAccess(column, (ColumnCase(TRUE, None),)) for column in table.columns},
        )
        for name, table in TABLES.items()
    }


def left_by(grant: Mapping[str, TableAccess]) -> dict[str, Table]:
    """The tables as they are for the caller of this grant."""
    left = {}
    for name, access in grant.items():
        table = TABLES[name]
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        shown = tuple(
            tuple(_shown(column, row) for column in access.columns.values())
            for row in rows
            if _holds(access.rows, row)
        )
        kinds = {
            column.name: _kind(column, table.columns[column.name])
            for column in access.columns.values()
        }
        left[name] = Table(kinds, shown)
    return left


def without_secrets(grant: Mapping[str, TableAccess]) -> dict[str, Table]:
    """Tables that look the same to the caller of this grant, with as little hidden as can be."""
    bare = {}
    for name, table in TABLES.items():
        access = grant.get(name)
        if access is None:
            bare[name] = Table(table.columns, ())
            continue
        needed = _mentioned(access.rows)
        for column in access.columns.values():
            needed |= {name for case in column.cases for name in _mentioned(case.when)}
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        bare[name] = Table(
            table.columns,
            tuple(
                tuple(
                    value if column in needed or _derived(access.columns.get(column), row) else None
                    for column, value in row.items()
                )
                for row in rows
                if _holds(access.rows, row)
            ),
        )
    return bare


def _mentioned(predicate: Predicate) -> set[str]:
    if isinstance(predicate, Comparison):
        return {predicate.column}
    return {name for item in predicate.items for name in _mentioned(item)}


def _derived(column: ColumnAccess | None, row: Mapping[str, Value]) -> bool:
    """Whether what the caller sees in this row is made from its value."""
    for case in column.cases if column else ():
        if _holds(case.when, row):
            return case.mask not in ("redact", "null")
    return False


def _holds(predicate: Predicate, row: Mapping[str, Value]) -> bool:
    if isinstance(predicate, AllOf):
        return all(_holds(item, row) for item in predicate.items)
    if isinstance(predicate, AnyOf):
        return any(_holds(item, row) for item in predicate.items)
    value: Any = row[predicate.column]
    wanted: Any = predicate.value
    if value is None:
        return False
    match predicate.operator:
        case "eq":
            return bool(value == wanted)
        case "ne":
            return bool(value != wanted)
        case "in":
            return value in wanted
        case "lt":
            return bool(value < wanted)
        case "lte":
            return bool(value <= wanted)
        case "gt":
            return bool(value > wanted)
        case "gte":
            return bool(value >= wanted)


def _unmasked(column: ColumnAccess) -> bool:
    first = column.cases[:1]
    return bool(first) and first[0].when == TRUE and first[0].mask is None


def _reached(column: ColumnAccess) -> tuple[ColumnCase, ...]:
    """The cases up to the first that always holds."""
    for number, case in enumerate(column.cases, start=1):
        if case.when == TRUE:
            return column.cases[:number]
    return column.cases


def _kind(column: ColumnAccess, kind: Kind) -> Kind:
    if _unmasked(column):
        return kind
    if any(case.mask in _TEXT_MASKS for case in column.cases):
        return "text"
    return "moment" if any(case.mask == "year" for case in _reached(column)) else kind


def _shown(column: ColumnAccess, row: Mapping[str, Value]) -> Value:
    value = row[column.name]
    if _unmasked(column):
        return value
    kind = _kind(column, "int")
    for case in column.cases:
        if _holds(case.when, row):
            shown = _masked(case.mask, value)
            if shown is None or kind == "int":
                return shown
            if kind == "text":
                return str(shown)
            assert isinstance(shown, date)
            return datetime(shown.year, shown.month, shown.day)
    return None


def _masked(mask: Mask | None, value: Value) -> Value:
    text = None if value is None else str(value)
    match mask:
        case None:
            return value
        case "redact":
            return "***"
        case "null":
            return None
        case "hash":
            digest = hashlib.sha256(f"{MASK_KEY}{text}".encode()).hexdigest()
            return None if text is None else digest[:16]
        case "last4":
            return "***" + text[-4:] if text is not None and len(text) > 4 else "***"
        case "year":
            assert value is None or isinstance(value, date)
            return None if value is None else datetime(value.year, 1, 1)
