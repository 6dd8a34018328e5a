"""Cube's data models (YAML) to native models; ``cube_policies`` turns access policies to grants.

https://cube.dev/docs/product/data-modeling/reference/cube. Keys may be in snake or camel case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from saaf_autogen.semantic.formats.builder import (
    HIDDEN,
    ModelBuilder,
    TableBuilder,
    Target,
    base_table,
)
from saaf_autogen.semantic.formats.expressions import (
    Untranslatable,
    equalities,
    filtered,
    plain_column,
    select_source,
)
from saaf_autogen.semantic.formats.source import Node
from saaf_autogen.semantic.model import SemanticModel

__all__ = ["CubeTable", "CubeWorld", "import_cubes"]

_TYPES = {"string": "VARCHAR", "number": "NUMBER", "time": "TIMESTAMP", "boolean": "BOOLEAN"}
_AGGREGATES = {"sum": "SUM", "avg": "AVG", "min": "MIN", "max": "MAX"}
_REFERENCE = re.compile(r"\$?\{\s*([^{}]*?)\s*\}")
_RELATIONS = {
    "many_to_one": "many_to_one",
    "belongs_to": "many_to_one",
    "belongsto": "many_to_one",
    "one_to_many": "one_to_many",
    "has_many": "one_to_many",
    "hasmany": "one_to_many",
    "one_to_one": "one_to_one",
    "has_one": "one_to_one",
    "hasone": "one_to_one",
}
_DISPLAY = ("format", "drill_members", "order", "currency", "links", "refresh_key", "folders")


@dataclass
class CubeTable:
    """A cube, its table in the result, and its members by name."""

    node: Node
    name: str
    table: TableBuilder
    dimensions: dict[str, Node] = field(default_factory=dict)
    measures: dict[str, Node] = field(default_factory=dict)


@dataclass
class CubeWorld:
    """All cubes and views of an import."""

    builder: ModelBuilder
    cubes: dict[str, CubeTable] = field(default_factory=dict)
    views: list[Node] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


def import_cubes(
    roots: Sequence[Node], target: Target, name: str
) -> tuple[SemanticModel | None, CubeWorld]:
    """One model of all files; the world it came from, for the access policies."""
    dialect = target.dialect or "postgres"
    world = CubeWorld(ModelBuilder(roots[0], name, target, dialect))
    for root in roots:
        for node in root.nodes("cubes"):
            _cube(world, node)
        world.views += root.nodes("views")
    for cube in world.cubes.values():
        for item in cube.dimensions.values():
            _dimension(cube, item)
    for cube in world.cubes.values():
        _key(cube)
        _segments(cube)
        _joins(world, cube)
        for item in cube.measures.values():
            _measure(cube, item)
    for view in world.views:
        view.ignore("cubes", "folders", "description", "title")
        said = f"the view {view.raw('name')} is left out: its cubes are imported as tables"
        view.leave_out(None, said, "grants and questions name the tables")
    return world.builder.build(), world


def _cube(world: CubeWorld, node: Node) -> None:
    name = node.text("name", required=True)
    if name is None:
        return
    source = node.text("sql_table")
    dialect = world.builder.dialect
    key = "sql_table" if source else "sql"
    named = source or select_source(node.text("sql") or "", dialect)
    base = None
    if "extends" not in node and named and "{" not in named:
        base = base_table(named, node, key, world.builder.target, dialect)
    table = world.builder.table(node, name, base, dialect) if base is not None else None
    if table is None:
        world.refused.add(name)
        why = "it extends another cube" if "extends" in node else "its source is a query"
        message = f"the cube {name} is left out: {why}; its access policies became no grant"
        remedy = "write it out whole" if "extends" in node else "make the query a view"
        node.leave_out(None, message, f"{remedy}, and import again")
        node.ignore(*node.data)
        return
    cube = CubeTable(node, name, table)
    title = node.text("title")
    table.data |= {"description": node.text("description"), "synonyms": [title] if title else []}
    for key, members in (("dimensions", cube.dimensions), ("measures", cube.measures)):
        for item in node.nodes(key):
            own = item.text("name", required=True)
            if own is not None:
                members[own] = item
    if node.raw("public") is False or node.raw("shown") is False:
        remedy = "let no wide grant of saaf.yaml cover its table"
        node.note("public", f"the cube {name} is not public in Cube", remedy)
    node.ignore("refresh_key", "sql_alias", "data_source", "access_policy", "calendar")
    world.cubes[name] = cube


def expand(cube: CubeTable, text: str, above: tuple[str, ...] = ()) -> str:
    """SQL with references to columns and dimensions of this cube put in place.

    Raises:
        Untranslatable: it names another cube, a measure, or itself.
    """

    def member(match: re.Match[str]) -> str:
        name = match[1]
        if name in ("CUBE", cube.name, "TABLE"):
            return "CUBE"
        for prefix in ("CUBE.", f"{cube.name}."):
            name = name.removeprefix(prefix)
        if name in above or len(above) > 20:
            raise Untranslatable(f"{name} is defined by itself")
        node = cube.dimensions.get(name)
        if node is None:
            raise Untranslatable(f"{match[0]} is no dimension of {cube.name}")
        inner = expand(cube, _dimension_sql(node, name), (*above, name))
        return inner if plain_column(inner, cube.table.dialect) else f"({inner})"

    text = _REFERENCE.sub(member, text)
    return re.sub(rf"\b(?:CUBE|{re.escape(cube.name)})\s*\.\s*(?=[\w\"`])", "", text).strip()


def _dimension_sql(node: Node, name: str) -> str:
    case = node.node("case")
    if case is None:
        return node.text("sql") or name
    branches = []
    for item in case.nodes("when"):
        condition, label = item.text("sql", required=True), item.text("label", required=True)
        branches.append(f"WHEN {condition} THEN '{(label or '').replace(chr(39), chr(39) * 2)}'")
    other = case.node("else")
    label = other.text("label") if other is not None else None
    last = f" ELSE '{label.replace(chr(39), chr(39) * 2)}'" if label else ""
    return f"CASE {' '.join(branches)}{last} END"


def is_hidden(node: Node) -> bool:
    """Whether a member is not public; a primary key is not, unless it says so."""
    for key in ("public", "shown"):
        # A computed `public` may be false for some: unknown means hidden.
        if key in node:
            return node.raw(key) is not True
    return node.raw("primary_key") not in (None, False)


def _dimension(cube: CubeTable, node: Node) -> None:
    name = str(node.text("name"))
    kind = (node.text("type") or "string").lower()
    node.ignore(*_DISPLAY, "primary_key", "mask", "granularities", "values", "aliases")
    title, description = node.text("title"), node.text("description")
    if kind not in _TYPES or node.raw("sub_query") or node.raw("multi_stage"):
        node.ignore(
            "sql", "latitude", "longitude", "case", "public", "propagate_filters_to_sub_query"
        )
        why = "a sub-query" if kind in _TYPES else f"of the type {kind}"
        node.leave_out(None, f"{name} of {cube.name} is left out: it is {why}", "make it a column")
        return
    try:
        sql = expand(cube, _dimension_sql(node, name), (name,))
    except Untranslatable as reason:
        node.leave_out("sql", f"{name} of {cube.name} is left out: {reason}", "write it out")
        return
    data: dict[str, Any] = {"data_type": _TYPES[kind], "description": description}
    data["synonyms"] = [title] if title else []
    if is_hidden(node):
        data["saaf"] = {"tags": [HIDDEN]}
    key = "time_dimensions" if kind == "time" else "dimensions"
    cube.table.add(key, node, name, sql, **data)


def _key(cube: CubeTable) -> None:
    keys = [
        column
        for name, node in cube.dimensions.items()
        if node.flag("primary_key") and (column := cube.table.column_of(name))
    ]
    if keys:
        cube.table.data["primary_key"] = {"columns": keys}


def _segments(cube: CubeTable) -> None:
    for node in cube.node.nodes("segments"):
        name, sql = node.text("name", required=True), node.text("sql", required=True)
        title = node.text("title")
        node.ignore("public", "shown")
        if name is None or sql is None:
            continue
        try:
            plain = expand(cube, sql)
        except Untranslatable as reason:
            node.leave_out("sql", f"the segment {name} is left out: {reason}", "write it out")
            continue
        said = cube.table.say(plain, node, "sql", f"the segment {name}")
        if said is not None:
            data = {"description": node.text("description"), "synonyms": [title] if title else []}
            cube.table.add_named("filters", node, name, said, **data)


def _joins(world: CubeWorld, cube: CubeTable) -> None:
    for node in cube.node.nodes("joins"):
        name, sql = node.text("name", required=True), node.text("sql", required=True)
        relation = (node.text("relationship") or "many_to_one").lower()
        if name is None or sql is None:
            continue
        other = world.cubes.get(name)
        if other is None:
            message = f"the join of {cube.name} to {name} is left out: there is no cube {name} here"
            node.leave_out(None, message, "import that cube, too")
            continue
        kind = _RELATIONS.get(relation)
        if kind is None:
            node.fault(
                "relationship",
                f"{relation} is no relationship",
                "many_to_one, one_to_many or one_to_one",
            )
            continue
        try:
            pairs = _join_columns(cube, other, sql)
        except Untranslatable as reason:
            message = f"the join of {cube.name} to {name} is left out: {reason}"
            node.leave_out("sql", message, "write it under relationships, by columns")
            continue
        first, second = cube, other
        if kind == "one_to_many":
            first, second, kind = other, cube, "many_to_one"
            pairs = [(theirs, mine) for mine, theirs in pairs]
        title = f"{first.table.name}_{second.table.name}"
        world.builder.relate(
            node, title, first.table.name, second.table.name, pairs,
            join_type="left_outer", relationship_type=kind,
        )  # fmt: skip


def _join_columns(cube: CubeTable, other: CubeTable, sql: str) -> list[tuple[str, str]]:
    def side(match: re.Match[str]) -> str:
        name = match[1]
        owner, _, member = name.partition(".")
        known = {"CUBE": cube, cube.name: cube, other.name: other}
        if not member:
            owner, member = ("CUBE", name) if name not in known else (name, "")
        holder = known.get(owner)
        if holder is None:
            raise Untranslatable(f"{match[0]} is neither side of the join")
        alias = "this" if holder is cube else "that"
        if not member:
            return alias
        column = holder.table.column_of(member)
        if column is None:
            raise Untranslatable(f"{match[0]} is no plain column")
        return f"{alias}.{column}"

    said = _REFERENCE.sub(side, sql)
    dialect = cube.table.dialect
    left, _, pairs = equalities(said, dialect, {"this": "this", "that": "that"})
    return pairs if left == "this" else [(theirs, mine) for mine, theirs in pairs]


def _measure(cube: CubeTable, node: Node) -> None:
    name = str(node.text("name"))
    title, description = node.text("title"), node.text("description")
    node.ignore(*_DISPLAY, "mask", "type", "sql", "filters", "public", "shown")
    for key in (
        "rolling_window",
        "multi_stage",
        "time_shift",
        "case",
        "grain",
        "group_by",
        "reduce_by",
    ):
        if node.raw(key):
            message = f"the measure {name} of {cube.name} is left out: it has {key}"
            node.leave_out(key, message, "write it as a verified query")
            return
    try:
        sql = _measure_sql(cube, name, ())
    except Untranslatable as reason:
        message = f"the measure {name} of {cube.name} is left out: {reason}"
        node.leave_out("sql", message, "write it as a metric by hand")
        return
    said = cube.table.say(sql, node, "sql", f"the measure {name} of {cube.name}")
    if said is not None:
        synonyms = [title] if title else []
        cube.table.add_named(
            "metrics", node, name, said, description=description, synonyms=synonyms
        )


def _measure_sql(cube: CubeTable, name: str, above: tuple[str, ...]) -> str:
    if name in above or len(above) > 20:
        raise Untranslatable(f"{name} is defined by itself")
    node = cube.measures[name]
    kind = (node.text("type") or "number").lower()
    text = node.text("sql")
    if kind in ("number", "string", "time", "boolean"):
        if text is None:
            raise Untranslatable("it has no sql")

        def part(match: re.Match[str]) -> str:
            inner = match[1].removeprefix("CUBE.").removeprefix(f"{cube.name}.")
            if inner in cube.measures:
                return f"({_measure_sql(cube, inner, (*above, name))})"
            return match[0]

        return expand(cube, _REFERENCE.sub(part, text))
    inner = expand(cube, text) if text else None
    if kind == "count":
        made = f"COUNT({inner or '*'})"
    elif inner is None:
        raise Untranslatable("it has no sql")
    elif kind in _AGGREGATES:
        made = f"{_AGGREGATES[kind]}({inner})"
    elif kind in ("count_distinct", "countdistinct"):
        made = f"COUNT(DISTINCT {inner})"
    elif (
        kind in ("count_distinct_approx", "countdistinctapprox")
        and cube.table.dialect != "postgres"
    ):
        made = f"APPROX_COUNT_DISTINCT({inner})"
    else:
        raise Untranslatable(f"the type {kind} has no SQL here")
    conditions = [
        expand(cube, item.text("sql", required=True) or "") for item in node.nodes("filters")
    ]
    if not conditions:
        return made
    return filtered(made, " AND ".join(f"({text})" for text in conditions), cube.table.dialect)
