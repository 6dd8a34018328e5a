"""dbt's semantic models in one shape, whether written in the legacy or the latest spec.

Legacy: ``semantic_models:`` and ``metrics:``. Latest: ``semantic_model:`` within ``models:``, its
dimensions and entities at the columns, its simple metrics beside them.
https://docs.getdbt.com/reference/semantic-layer-reference
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from saaf_autogen.semantic.formats.source import Node

__all__ = ["DbtEntity", "DbtField", "DbtMeasure", "DbtModel", "read_models"]

_REF = re.compile(r"^\s*(?:\{\{\s*)?(?:ref|source)\s*\((.*?)\)\s*(?:\}\})?\s*$", re.DOTALL)
_NOISE = ("config", "group", "tests", "data_tests", "meta", "docs", "constraints", "quote", "tags")


@dataclass
class DbtField:
    """A dimension."""

    node: Node
    name: str
    expr: str
    is_time: bool
    description: str | None = None
    label: str | None = None
    data_type: str | None = None


@dataclass
class DbtEntity:
    """A key by which models join."""

    node: Node
    name: str
    expr: str
    kind: str
    description: str | None = None
    data_type: str | None = None


@dataclass
class DbtMeasure:
    """An aggregate; ``own`` where it is a metric itself, ``why_not`` where it cannot be said."""

    node: Node
    name: str
    agg: str
    expr: str
    description: str | None = None
    label: str | None = None
    percentile: float | None = None
    discrete: bool = False
    own: bool = False
    why_not: str | None = None


@dataclass
class DbtModel:
    """A semantic model; ``source`` is the name of its table as far as the file says it."""

    node: Node
    name: str
    source: str
    description: str | None = None
    synonyms: list[str] = field(default_factory=list)
    fields: list[DbtField] = field(default_factory=list)
    entities: list[DbtEntity] = field(default_factory=list)
    measures: list[DbtMeasure] = field(default_factory=list)
    metrics: list[Node] = field(default_factory=list)


@dataclass
class _Column:
    description: str | None
    data_type: str | None


def read_models(roots: Sequence[Node]) -> list[DbtModel]:
    """All semantic models of the files, in their order."""
    documented: dict[str, dict[str, _Column]] = {}
    found: list[DbtModel] = []
    latest: list[Node] = []
    for root in roots:
        root.ignore("version", "saved_queries" if not root.data.get("saved_queries") else "version")
        for node in root.nodes("models"):
            name = node.text("name", required=True)
            setting = node.data.get("semantic_model")
            if setting is None or setting is False:
                documented[str(name)] = _columns(node)
                node.ignore(*node.data)
            else:
                latest.append(node)
    for root in roots:
        for node in root.nodes("semantic_models"):
            model = _legacy(node, documented)
            if model is not None:
                found.append(model)
    found += [model for node in latest if (model := _latest(node)) is not None]
    return found


def _columns(node: Node) -> dict[str, _Column]:
    return {
        name: _Column(item.text("description"), item.text("data_type"))
        for item in node.nodes("columns")
        if (name := item.text("name"))
    }


def _legacy(node: Node, documented: dict[str, dict[str, _Column]]) -> DbtModel | None:
    name = node.text("name", required=True)
    relation = node.node("node_relation")
    if relation is not None:
        parts = [relation.text(key) for key in ("database", "schema_name", "alias")]
        relation.ignore("relation_name")
        source = ".".join(part for part in parts if part and not part.startswith("$"))
    else:
        source = _referred(node.text("model", required=True) or "")
    if name is None or not source:
        if name is not None:
            node.fault("model", f"{name} names no model", "write model: ref('NAME')")
        return None
    node.ignore("defaults", "primary_entity", *_NOISE)
    label = node.text("label")
    model = DbtModel(node, name, source, node.text("description"), [label] if label else [])
    columns = documented.get(source.rsplit(".", 1)[-1], {})
    for item in node.nodes("entities"):
        entity = _entity(item, item.text("name"), None)
        if entity is not None:
            _document(entity, columns)
            model.entities.append(entity)
    for item in node.nodes("dimensions"):
        made = _dimension(item, item.text("name"), None)
        if made is not None:
            _document(made, columns)
            model.fields.append(made)
    for item in node.nodes("measures"):
        measure = _measure(item, item.text("name", required=True))
        if measure is not None:
            measure.own = bool(item.flag("create_metric"))
            model.measures.append(measure)
    return model


def _document(item: DbtField | DbtEntity, columns: dict[str, _Column]) -> None:
    known = columns.get(item.expr)
    if known is not None:
        item.description = item.description or known.description
        item.data_type = item.data_type or known.data_type


def _latest(node: Node) -> DbtModel | None:
    name = node.text("name", required=True)
    setting = node.raw("semantic_model")
    holder = node.node("semantic_model") if isinstance(setting, dict) else None
    if holder is not None and holder.flag("enabled") is False:
        node.ignore(*node.data)
        return None
    own = holder.text("name") if holder is not None else None
    if holder is not None:
        holder.ignore("group", "config")
    node.ignore(
        "agg_time_dimension", "primary_entity", "data_tests", "access", "latest_version", *_NOISE
    )
    if name is None:
        return None
    model = DbtModel(node, own or name, name, node.text("description"))
    for column in node.nodes("columns"):
        _column(model, column)
    derived = node.node("derived_semantics")
    if derived is not None:
        for item in derived.nodes("dimensions"):
            made = _dimension(item, item.text("name"), None)
            if made is not None:
                model.fields.append(made)
        for item in derived.nodes("entities"):
            entity = _entity(item, item.text("name"), None)
            if entity is not None:
                model.entities.append(entity)
    for item in node.nodes("metrics"):
        kind = (item.text("type") or "simple").lower()
        measure = _measure(item, item.text("name", required=True)) if kind == "simple" else None
        if measure is not None:
            model.measures.append(measure)
        model.metrics.append(item)
    return model


def _column(model: DbtModel, column: Node) -> None:
    name = column.text("name", required=True)
    description, data_type = column.text("description"), column.text("data_type")
    grain = column.text("granularity")
    column.ignore(*_NOISE, "policy_tags")
    if name is None:
        return
    for key in ("dimension", "entity"):
        value = column.raw(key)
        if value is None:
            continue
        if isinstance(value, str):
            # `dimension: time` is short for `dimension: {type: time}`.
            item = Node(column.document, column.report, {"type": value}, (*column.place, key))
        else:
            held = column.node(key)
            if held is None:
                continue
            item = held
        made: DbtField | DbtEntity | None
        if key == "dimension":
            made = _dimension(item, item.text("name") or name, name)
            if isinstance(made, DbtField):
                made.is_time = made.is_time or grain is not None
                model.fields.append(made)
        else:
            made = _entity(item, item.text("name") or name, name)
            if isinstance(made, DbtEntity):
                model.entities.append(made)
        if made is not None:
            made.description = made.description or description
            made.data_type = made.data_type or data_type


def _entity(node: Node, name: str | None, column: str | None) -> DbtEntity | None:
    kind = (node.text("type", required=True) or "").lower()
    node.ignore("label", "role", *_NOISE)
    expr = node.text("expr")
    if name is None:
        node.fault(None, "an entity has no name", "add it")
        return None
    return DbtEntity(node, name, expr or column or name, kind, node.text("description"))


def _dimension(node: Node, name: str | None, column: str | None) -> DbtField | None:
    kind = (node.text("type", required=True) or "").lower()
    node.ignore("type_params", "is_partition", "validity_params", *_NOISE)
    expr = node.text("expr")
    if name is None:
        node.fault(None, "a dimension has no name", "add it")
        return None
    return DbtField(
        node,
        name,
        expr or column or name,
        kind == "time",
        node.text("description"),
        node.text("label"),
    )


def _measure(node: Node, name: str | None) -> DbtMeasure | None:
    agg = (node.text("agg", required=True) or "").lower()
    node.ignore("agg_time_dimension", "type", "percentile_type", *_NOISE)
    if name is None:
        return None
    made = DbtMeasure(
        node, name, agg, node.text("expr") or name, node.text("description"), node.text("label")
    )
    parameters = node.node("agg_params")
    holder = parameters or node
    given = holder.raw("percentile")
    kind = str(node.raw("percentile_type") or "").lower()
    made.discrete = bool(holder.flag("use_discrete_percentile")) or kind == "discrete"
    if isinstance(given, int | float) and not isinstance(given, bool):
        # The legacy spec counts to 1, the latest to 100.
        made.percentile = float(given) if given <= 1 else float(given) / 100
    if parameters is not None and parameters.flag("use_approximate_percentile"):
        parameters.leave_out("use_approximate_percentile", f"{name} is computed exactly")
    if node.raw("non_additive_dimension"):
        made.why_not = "it is not additive over a dimension"
    return made


def _referred(text: str) -> str:
    found = _REF.match(text)
    if not found:
        return text.strip()
    names = re.findall(r"['\"]([^'\"]+)['\"]", found[1])
    return names[-1] if names else ""
