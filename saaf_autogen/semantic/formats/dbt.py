"""dbt semantic models and metrics to one native model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from saaf_autogen.semantic.formats.builder import (
    UNKNOWN_TYPE,
    ModelBuilder,
    TableBuilder,
    Target,
    base_table,
    sql_name,
)
from saaf_autogen.semantic.formats.dbt_models import DbtField, DbtMeasure, DbtModel, read_models
from saaf_autogen.semantic.formats.expressions import (
    Untranslatable,
    check,
    filtered,
    plain_column,
)
from saaf_autogen.semantic.formats.source import Node
from saaf_autogen.semantic.model import SemanticModel

__all__ = ["import_dbt"]

_AGGREGATES = {"sum": "SUM", "min": "MIN", "max": "MAX", "average": "AVG", "avg": "AVG",
               "median": "MEDIAN", "count": "COUNT"}  # fmt: skip
_DIMENSION = re.compile(r"\{\{\s*Dimension\(\s*['\"](\w+?)__(\w+)['\"]\s*\)\s*\}\}")
_DEEPEST = 20


@dataclass
class _Metric:
    """A metric as the file says it, of either spec."""

    node: Node
    name: str
    kind: str
    home: DbtModel | None

    @property
    def parameters(self) -> Node:
        """Where its parameters stand: under ``type_params`` in the legacy spec."""
        return self.node.node("type_params") or self.node


@dataclass
class _Built:
    """A metric's SQL over the columns of one table, or over ``table.metric`` names."""

    table: str | None
    sql: str


@dataclass
class _World:
    builder: ModelBuilder
    models: dict[str, DbtModel] = field(default_factory=dict)
    measures: dict[str, tuple[DbtModel, DbtMeasure]] = field(default_factory=dict)
    metrics: dict[str, _Metric] = field(default_factory=dict)
    primary: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)

    def table(self, model: DbtModel) -> TableBuilder:
        return self.builder.tables[sql_name(model.name).casefold()]


def import_dbt(roots: Sequence[Node], target: Target, name: str) -> list[SemanticModel]:
    """One model of all semantic models and metrics in the files."""
    dialect = target.dialect or "snowflake"
    world = _World(ModelBuilder(roots[0], name, target, dialect))
    for model in read_models(roots):
        _table(world, model)
    _relationships(world)
    for root in roots:
        for node in root.nodes("metrics"):
            _collect(world, node, None)
    for model in world.models.values():
        for node in model.metrics:
            _collect(world, node, model)
    for name in world.metrics:
        _add(world, name)
    for model, measure in world.measures.values():
        if measure.own or measure.name not in world.used:
            _add_measure(world, model, measure)
    model_made = world.builder.build()
    return [] if model_made is None else [model_made]


def _table(world: _World, model: DbtModel) -> None:
    builder = world.builder
    base = base_table(model.source, model.node, "model", builder.target, builder.dialect)
    if base is None:
        model.node.fault("model", f"{model.source} is no table", "write model: ref('NAME')")
        return
    table = builder.table(model.node, sql_name(model.name), base, builder.dialect)
    if table is None:
        return
    world.models[model.name] = model
    table.data |= {"description": model.description, "synonyms": model.synonyms}
    # Columns that a measure aggregates are facts, unless they are dimensions or keys, too.
    others = {item.expr.casefold() for item in model.fields}
    others |= {entity.expr.casefold() for entity in model.entities}
    for measure in model.measures:
        world.measures.setdefault(measure.name, (model, measure))
        column = plain_column(measure.expr, table.dialect)
        counted = measure.agg in ("count", "count_distinct")
        if column and column.casefold() not in others and not table.knows(column) and not counted:
            about = {"description": measure.description} if column == measure.name else {}
            table.add("facts", measure.node, column, measure.expr, **about)
    for item in model.fields:
        _field(table, item)
    for entity in model.entities:
        column = plain_column(entity.expr, table.dialect)
        if column is not None and not table.knows(column):
            about = {
                "description": entity.description,
                "data_type": entity.data_type or UNKNOWN_TYPE,
            }
            synonyms = [entity.name] if entity.name != column else []
            table.add("dimensions", entity.node, column, entity.expr, synonyms=synonyms, **about)
        if entity.kind in ("primary", "unique"):
            world.primary.setdefault(entity.name, model.name)
        if column is None:
            message = f"the entity {entity.name} of {model.name} is left out: it is computed"
            entity.node.leave_out("expr", message, "make it a column, and relate by that")
        elif entity.kind == "primary":
            table.data["primary_key"] = {"columns": [column]}
        elif entity.kind == "unique":
            table.data.setdefault("unique_keys", []).append({"columns": [column]})


def _field(table: TableBuilder, item: DbtField) -> None:
    data: dict[str, Any] = {"description": item.description}
    data["data_type"] = item.data_type or UNKNOWN_TYPE
    data["synonyms"] = [item.label] if item.label else []
    kind = "time_dimensions" if item.is_time else "dimensions"
    try:
        check(item.expr, table.dialect)
    except Untranslatable as reason:
        message = f"{item.name} of {table.name} is left out: {reason}"
        item.node.leave_out("expr", message, "write it as one expression")
        return
    table.add(kind, item.node, item.name, item.expr, **data)


def _relationships(world: _World) -> None:
    for model in world.models.values():
        left = world.table(model)
        for entity in model.entities:
            if entity.kind != "foreign":
                continue
            other = world.models.get(world.primary.get(entity.name, ""))
            if other is None or other is model:
                message = f"the entity {entity.name} of {model.name} joins nothing here"
                entity.node.leave_out(None, message, "import the model where it is primary, too")
                continue
            theirs = next(
                plain_column(item.expr, left.dialect)
                for item in other.entities
                if item.name == entity.name and item.kind in ("primary", "unique")
            )
            mine = plain_column(entity.expr, left.dialect)
            if mine is None or theirs is None:
                continue
            right = world.table(other)
            title = f"{left.name}_{right.name}_{entity.name}"
            world.builder.relate(
                entity.node, title, left.name, right.name, [(mine, theirs)],
                join_type="left_outer", relationship_type="many_to_one",
            )  # fmt: skip


def _collect(world: _World, node: Node, home: DbtModel | None) -> None:
    name = node.text("name", required=True)
    if name is None:
        return
    node.ignore("config", "meta", "group", "time_granularity", "tags", "agg", "expr", "agg_params")
    kind = (node.text("type") or "simple").lower()
    world.metrics.setdefault(name, _Metric(node, name, kind, home))


def _add(world: _World, name: str) -> None:
    metric = world.metrics[name]
    node = metric.node
    label, description = node.text("label"), node.text("description")
    for below in node.walk():
        below.ignore("fill_nulls_with", "join_to_timespine")
    try:
        built = _build(world, name, (), ())
    except Untranslatable as reason:
        _read_all(metric)
        message = f"the metric {name} is left out: {reason}"
        node.leave_out(None, message, "write it as a verified query")
        return
    _read_all(metric)
    synonyms = [label] if label and label.casefold() != name.casefold() else []
    data = {"description": description, "synonyms": synonyms}
    _place(world, node, name, built, data)


def _read_all(metric: _Metric) -> None:
    """Each key of a metric was understood, or is told with it."""
    for node in (metric.node, metric.parameters):
        node.ignore(*node.data)
    for below in metric.node.walk():
        below.ignore(*below.data)


def _place(world: _World, node: Node, name: str, built: _Built, data: dict[str, Any]) -> None:
    if built.table is not None:
        table = world.builder.tables[built.table.casefold()]
        said = table.say(built.sql, node, None, f"the metric {name}")
        own = table.add_named("metrics", node, name, said, **data) if said is not None else None
        if own is not None:
            world.names[name] = f"{table.name}.{own}"
        return
    kept = {key: value for key, value in data.items() if value}
    world.builder.metrics.append({"name": sql_name(name), "expr": built.sql, **kept})


def _add_measure(world: _World, model: DbtModel, measure: DbtMeasure) -> None:
    if measure.name in world.metrics:
        return
    try:
        built = _Built(world.table(model).name, _aggregate(measure))
        check(built.sql, world.builder.dialect)
    except Untranslatable as reason:
        message = f"the measure {measure.name} is left out: {reason}"
        measure.node.leave_out(None, message, "write it as a verified query")
        return
    data: dict[str, Any] = {"description": measure.description}
    data["synonyms"] = [measure.label] if measure.label else []
    _place(world, measure.node, measure.name, built, data)


def _build(world: _World, name: str, conditions: tuple[str, ...], above: tuple[str, ...]) -> _Built:
    """The SQL of a metric, with the filters of those that use it."""
    metric = world.metrics.get(name)
    if name in above or len(above) > _DEEPEST:
        raise Untranslatable(f"{name} is defined by itself")
    if metric is None:
        found = world.measures.get(name)
        if found is None:
            raise Untranslatable(f"there is no metric {name}")
        return _simple(world, *found, conditions)
    own = _conditions(metric.node)
    every, path = (*conditions, *own), (*above, name)
    if metric.kind == "simple":
        return _simple_metric(world, metric, every)
    if metric.kind == "ratio":
        top = _input(world, metric.parameters, "numerator", every, path)
        bottom = _input(world, metric.parameters, "denominator", every, path)
        return _join("CAST({0} AS DOUBLE PRECISION) / NULLIF({1}, 0)", [top, bottom])
    if metric.kind == "derived":
        return _derived(world, metric, every, path)
    raise Untranslatable(f"metrics of the type {metric.kind} need more than one expression")


def _conditions(node: Node) -> list[str]:
    value = node.raw("filter")
    if isinstance(value, dict):
        value = value.get("where_filters") or value.get("where_sql_template")
    items = value if isinstance(value, list) else [value] if value else []
    texts = [item.get("where_sql_template") if isinstance(item, dict) else item for item in items]
    if not all(isinstance(text, str) for text in texts):
        raise Untranslatable("its filter cannot be read")
    return [str(text).strip() for text in texts]


def _simple_metric(world: _World, metric: _Metric, conditions: tuple[str, ...]) -> _Built:
    holder = metric.parameters
    value = holder.raw("measure")
    inner = holder.node("measure") if isinstance(value, dict) else None
    name = inner.text("name", required=True) if inner is not None else value
    if inner is not None:
        conditions = (*conditions, *_conditions(inner))
    if value is None and metric.home is not None:
        name = metric.name
    found = world.measures.get(str(name))
    if found is None:
        raise Untranslatable(f"there is no measure {name}")
    world.used.add(str(name))
    built = _simple(world, *found, conditions)
    nulls = (inner or metric.node).raw("fill_nulls_with")
    if isinstance(nulls, int | float) and not isinstance(nulls, bool):
        built.sql = f"COALESCE({built.sql}, {nulls})"
    if (inner or metric.node).raw("join_to_timespine"):
        message = f"join_to_timespine of {metric.name} is left out: days without rows do not appear"
        metric.node.leave_out(None, message, "join a calendar in the query")
    return built


def _simple(
    world: _World, model: DbtModel, measure: DbtMeasure, conditions: tuple[str, ...]
) -> _Built:
    if model.name not in world.models:
        raise Untranslatable(f"{model.name} is not here")
    table = world.table(model)
    said = tuple(_condition(world, model, text) for text in conditions)
    return _Built(table.name, _filtered(_aggregate(measure), said, table.dialect))


def _filtered(sql: str, conditions: tuple[str, ...], dialect: str) -> str:
    if not conditions:
        return sql
    return filtered(sql, " AND ".join(f"({text})" for text in conditions), dialect)


def _aggregate(measure: DbtMeasure) -> str:
    if measure.why_not:
        raise Untranslatable(measure.why_not)
    expr = measure.expr
    if measure.agg == "count_distinct":
        return f"COUNT(DISTINCT {expr})"
    if measure.agg == "sum_boolean":
        return f"SUM(CASE WHEN {expr} THEN 1 ELSE 0 END)"
    if measure.agg == "percentile" and measure.percentile is not None:
        word = "PERCENTILE_DISC" if measure.discrete else "PERCENTILE_CONT"
        return f"{word}({measure.percentile:g}) WITHIN GROUP (ORDER BY {expr})"
    if measure.agg not in _AGGREGATES:
        raise Untranslatable(f"the aggregation {measure.agg} has no SQL here")
    return f"{_AGGREGATES[measure.agg]}({expr})"


def _condition(world: _World, model: DbtModel, text: str) -> str:
    """A filter's template as SQL over the columns of the measure's own table."""

    def dimension(match: re.Match[str]) -> str:
        home = world.primary.get(match[1])
        if home != model.name:
            raise Untranslatable(f"its filter reads {match[1]}__{match[2]} of another table")
        found = next((item for item in model.fields if item.name == match[2]), None)
        if found is None:
            raise Untranslatable(f"there is no dimension {match[1]}__{match[2]}")
        return f"({found.expr})" if plain_column(found.expr, "") is None else found.expr

    said = _DIMENSION.sub(dimension, text)
    if "{{" in said or "{%" in said:
        raise Untranslatable(f"its filter cannot be said: {text}")
    return said


def _input(
    world: _World, holder: Node, key: str, conditions: tuple[str, ...], above: tuple[str, ...]
) -> _Built:
    value = holder.raw(key)
    node = holder.node(key) if isinstance(value, dict) else None
    name = node.text("name", required=True) if node is not None else value
    if not isinstance(name, str):
        raise Untranslatable(f"it has no {key}")
    own = _conditions(node) if node is not None else []
    return _build(world, name, (*conditions, *own), above)


def _derived(
    world: _World, metric: _Metric, conditions: tuple[str, ...], above: tuple[str, ...]
) -> _Built:
    holder = metric.parameters
    expr = holder.text("expr", required=True)
    key = "input_metrics" if "input_metrics" in holder else "metrics"
    inputs: dict[str, _Built] = {}
    listed = holder.raw(key)
    for item in listed if isinstance(listed, list) else []:
        part = item if isinstance(item, dict) else {"name": item}
        node = Node(metric.node.document, metric.node.report, part, metric.node.place)
        for offset in ("offset_window", "offset_to_grain"):
            if offset in node:
                raise Untranslatable("it compares with another time")
        name = str(node.text("name"))
        alias = node.text("alias") or name
        inputs[alias] = _build(world, name, (*conditions, *_conditions(node)), above)
    if expr is None or not inputs:
        raise Untranslatable("it names no other metrics")
    names = sorted(inputs, key=len, reverse=True)
    pattern = re.compile(r"\b(" + "|".join(re.escape(name) for name in names) + r")\b")
    order = list(inputs)
    text = expr.replace("{", "{{").replace("}", "}}")
    shape = pattern.sub(lambda match: "{" + str(order.index(match[1])) + "}", text)
    return _join(shape, list(inputs.values()))


def _join(shape: str, parts: list[_Built]) -> _Built:
    """One expression of several metrics; over several tables it cannot be one."""
    tables = {part.table for part in parts}
    if len(tables) != 1 or None in tables:
        raise Untranslatable("it joins metrics of several tables")
    return _Built(tables.pop(), shape.format(*(f"({part.sql})" for part in parts)))
