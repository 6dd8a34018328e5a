"""Apache Ossie (the former Open Semantic Interchange) to native models."""

from __future__ import annotations

from typing import Any

from saaf_autogen.semantic.formats.builder import (
    ModelBuilder,
    TableBuilder,
    Target,
    base_table,
    native,
)
from saaf_autogen.semantic.formats.expressions import Untranslatable, qualifiers, requalify
from saaf_autogen.semantic.formats.ossie import (
    apply_patch,
    data_type_of,
    field_document,
    field_kind,
    patch_of,
    pick_expression,
    report_extensions,
    table_document,
)
from saaf_autogen.semantic.formats.source import Node
from saaf_autogen.semantic.model import SemanticModel

__all__ = ["import_ossie", "model_parts"]

_KINDS = ("dimensions", "time_dimensions", "facts", "measures")


def import_ossie(root: Node, target: Target) -> list[SemanticModel]:
    """The models of one Ossie document."""
    root.ignore("version")
    models = [_model(node, target) for node in root.nodes("semantic_model")]
    return [model for model in models if model is not None]


def _model(node: Node, target: Target) -> SemanticModel | None:
    patch = patch_of(node)
    if patch:
        return _ours(node, target, patch)
    dialect = target.dialect or "snowflake"
    name = node.text("name", required=True)
    if name is None:
        return None
    parts = model_parts(node)
    examples = parts.pop("examples")
    if examples:
        message = f"{len(examples)} example questions of {name} are left out: they have no SQL"
        node.leave_out("ai_context", message, "write them as verified_queries, with their SQL")
    builder = ModelBuilder(node, name, target, dialect, data=parts)
    for dataset in node.nodes("datasets"):
        _table(builder, dataset)
    for item in node.nodes("relationships"):
        _relationship(builder, item)
    for item in node.nodes("metrics"):
        _metric(builder, item)
    report_extensions(node)
    return builder.build()


def model_parts(node: Node) -> dict[str, Any]:
    """What a semantic model says besides its lists, in native keys, and its example questions."""
    value = node.raw("ai_context")
    context = node.node("ai_context") if isinstance(value, dict) else None
    if context is not None:
        text = context.text("instructions")
        synonyms, examples = context.texts("synonyms"), context.texts("examples")
    else:
        text, synonyms, examples = (value if isinstance(value, str) else None), [], []
    if synonyms:
        node.leave_out("ai_context", f"synonyms of the model {node.raw('name')} are left out")
    parts = {"description": node.text("description"), "custom_instructions": text}
    return {**{key: said for key, said in parts.items() if said}, "examples": examples}


def _table(builder: ModelBuilder, node: Node) -> None:
    name, source = node.text("name", required=True), node.text("source", required=True)
    if name is None or source is None:
        return
    base = base_table(source, node, "source", builder.target, builder.dialect)
    if base is None:
        message = f"{name} is left out: its source is no table, but a query"
        node.leave_out("source", message, "make it a view in the warehouse and name that")
        node.ignore("fields")
        return
    table = builder.table(node, name, base, builder.dialect)
    if table is None:
        return
    table.data = table_document(node)
    for item in node.nodes("fields"):
        _field(table, item)
    for key in (table.data.get("primary_key"), *table.data.get("unique_keys", ())):
        if key:
            table.support(key["columns"], node, "a key")
    report_extensions(node)


def _field(table: TableBuilder, node: Node) -> None:
    name = node.text("name", required=True)
    if name is None:
        return
    try:
        expression = pick_expression(node, table.source, table.dialect)
    except Untranslatable as reason:
        node.leave_out(
            "expression", f"{name} of {table.name} is left out: {reason}", "write it in SQL"
        )
        return
    data = field_document(node, expression)
    table.add(field_kind(node), node, data.pop("name"), data.pop("expr"), **data)
    report_extensions(node)


def _relationship(builder: ModelBuilder, node: Node) -> None:
    data = relationship_document(node)
    if data is None:
        return
    tables = (data["left_table"], data["right_table"])
    missing = [name for name in tables if name.casefold() not in builder.tables]
    if missing:
        message = f"{data['name']} is left out: there is no table {missing[0]}"
        node.leave_out(None, message, "import that table, too")
        return
    pairs = [(item["left_column"], item["right_column"]) for item in data["relationship_columns"]]
    builder.relate(node, data["name"], *tables, pairs, relationship_type="many_to_one")
    report_extensions(node)


def relationship_document(node: Node) -> dict[str, Any] | None:
    """A relationship in native keys."""
    ends = [node.text(key, required=True) for key in ("name", "from", "to")]
    mine, theirs = node.texts("from_columns"), node.texts("to_columns")
    if None in ends:
        return None
    if not mine or len(mine) != len(theirs):
        message = "from_columns and to_columns are not of one length"
        node.fault("from_columns", message, "write as many columns on either side")
        return None
    if "ai_context" in node:
        node.ignore("ai_context")
        node.leave_out("ai_context", f"ai_context of {ends[0]} is left out")
    return {
        "name": ends[0],
        "left_table": ends[1],
        "right_table": ends[2],
        "relationship_columns": [
            {"left_column": left, "right_column": right}
            for left, right in zip(mine, theirs, strict=True)
        ],
        "relationship_type": "many_to_one",
    }


def metric_document(
    node: Node, spoken: str, dialect: str, tables: set[str]
) -> tuple[str | None, dict[str, Any]]:
    """(its table where it names one alone, the metric in native keys).

    Raises:
        Untranslatable: its expression cannot be said in the dialect.
    """
    expression = pick_expression(node, spoken, dialect)
    named = qualifiers(expression, dialect)
    table: str | None = None
    if len(named) == 1 and "" not in named:
        table = next(
            (name for name in tables if name.casefold() == next(iter(named)).casefold()), None
        )
    elif named <= {""} and len(tables) == 1:
        table = next(iter(tables))
    if table is not None and named != {""}:
        expression = requalify(expression, dialect, lambda _: "")
    context = node.node("ai_context") if isinstance(node.data.get("ai_context"), dict) else None
    data: dict[str, Any] = {
        "name": node.text("name", required=True),
        "expr": expression,
        "description": node.text("description"),
        "synonyms": context.texts("synonyms") if context is not None else [],
    }
    if "datatype" in node:
        data["data_type"] = data_type_of(node)
    return table, {key: value for key, value in data.items() if value not in (None, [])}


def _metric(builder: ModelBuilder, node: Node) -> None:
    name = node.text("name", required=True)
    tables = {table.name for table in builder.tables.values()}
    try:
        home, data = metric_document(node, builder.dialect, builder.dialect, tables)
    except Untranslatable as reason:
        node.leave_out("expression", f"the metric {name} is left out: {reason}", "write it in SQL")
        return
    report_extensions(node)
    if name is None:
        return
    if home is None:
        builder.metrics.append(data)
        return
    table = builder.tables[home.casefold()]
    table.add_named("metrics", node, data.pop("name"), data.pop("expr"), **data)


def _ours(node: Node, target: Target, patch: dict[str, Any]) -> SemanticModel | None:
    """A model that SAAF exported: our extensions say what Ossie's keys cannot."""
    own = patch.get("model", {})
    spoken = str(patch.get("dialect") or "snowflake")
    dialect = target.dialect or spoken
    parts = model_parts(node)
    parts.pop("examples")
    document = apply_patch({"name": node.text("name"), **parts}, own)
    tables: dict[str, dict[str, Any]] = {}
    for dataset in node.nodes("datasets"):
        made = _our_table(dataset, target, spoken, dialect)
        if made is not None:
            tables[made.pop("$key")] = made
    metrics: list[dict[str, Any]] = []
    for item in node.nodes("metrics"):
        _our_metric(item, spoken, dialect, tables, metrics)
    related = [(item, relationship_document(item)) for item in node.nodes("relationships")]
    lists = {
        "tables": list(tables.values()),
        "relationships": [
            apply_patch(data, patch_of(item).get("keys", {})) for item, data in related if data
        ],
        "metrics": metrics,
    }
    document |= {
        key: value for key, value in lists.items() if value or key in patch.get("empty", ())
    }
    if target.warehouse or target.dialect:
        given = {"warehouse": target.warehouse, "dialect": target.dialect}
        saaf = {**(document.get("saaf") or {}), **{k: v for k, v in given.items() if v}}
        document["saaf"] = saaf
    for part in list(node.walk()):
        if "custom_extensions" in part:
            report_extensions(part)
    # Empty keys were written on purpose here, so they are kept.
    return native(SemanticModel, document, node, whole=True)


def _our_table(node: Node, target: Target, spoken: str, dialect: str) -> dict[str, Any] | None:
    source = node.text("source", required=True)
    base = base_table(source, node, "source", target, dialect) if source else None
    patch = patch_of(node)
    back = table_document(node)
    if base is not None:
        back["base_table"] = base.model_dump(by_alias=True, exclude_unset=True)
    table = apply_patch(back, patch.get("keys", {}))
    if "base_table" not in table:
        node.fault("source", "the source names no table", "write database.schema.table")
        return None
    for item in node.nodes("fields"):
        own = patch_of(item)
        kind = own.get("kind") or field_kind(item)
        field_kind(item)
        try:
            expression = pick_expression(item, spoken, dialect)
        except Untranslatable as reason:
            message = f"{item.raw('name')} is left out: {reason}"
            item.leave_out("expression", message, "write it in SQL")
            continue
        data = apply_patch(field_document(item, expression), own.get("keys", {}))
        table.setdefault(kind if kind in _KINDS else "dimensions", []).append(data)
    for key in patch.get("empty", ()):
        table.setdefault(key, [])
    table["$key"] = str(node.text("name", required=True))
    return table


def _our_metric(
    node: Node,
    spoken: str,
    dialect: str,
    tables: dict[str, dict[str, Any]],
    metrics: list[dict[str, Any]],
) -> None:
    patch = patch_of(node)
    try:
        home, data = metric_document(node, spoken, dialect, set(tables))
    except Untranslatable as reason:
        message = f"the metric {node.raw('name')} is left out: {reason}"
        node.leave_out("expression", message, "write it in SQL")
        return
    home = patch.get("table", home)
    made = apply_patch(data, patch.get("keys", {}))
    if home in tables:
        tables[home].setdefault("metrics", []).append(made)
    else:
        metrics.append(made)
