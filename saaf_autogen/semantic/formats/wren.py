"""Wren MDL (the JSON that Wren AI's engine reads) to native models, and its access rules.

https://github.com/Canner/WrenAI/blob/main/core/wren-mdl/mdl.schema.json.
"""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from saaf_autogen.semantic.formats.builder import (
    HIDDEN,
    ModelBuilder,
    TableBuilder,
    Target,
    base_table,
)
from saaf_autogen.semantic.formats.expressions import Untranslatable, equalities
from saaf_autogen.semantic.formats.grants import GrantDraft, GrantWriter
from saaf_autogen.semantic.formats.source import Node
from saaf_autogen.semantic.model import SemanticModel

__all__ = ["WREN_READERS", "import_wren"]

WREN_READERS = "wren-readers"
"""The group of the grants: Wren's rules name nobody, so nobody has them until someone joins."""

_SOURCES = {"postgres": "postgres", "snowflake": "snowflake", "duckdb": "duckdb",
            "bigquery": "bigquery", "databricks": "databricks"}  # fmt: skip
# A key that is not among these may be a rule that we do not know.
_MODEL_KEYS = ("name", "table_reference", "columns", "primary_key", "unique_keys", "cached",
               "refresh_time", "row_level_access_controls", "properties", "description",
               "dialect")  # fmt: skip
_COLUMN_KEYS = ("name", "type", "relationship", "is_calculated", "not_null", "expression",
                "is_hidden", "is_primary_key", "column_level_access_control", "properties",
                "description")  # fmt: skip
_RULE_KEYS = ("name", "required_properties", "condition")
_TIMES = ("date", "time", "timestamp", "datetime", "timestamptz")
_CARDINALITIES = ("ONE_TO_ONE", "ONE_TO_MANY", "MANY_TO_ONE", "MANY_TO_MANY")
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "eq",
    exp.NEQ: "ne",
    exp.LT: "lt",
    exp.LTE: "lte",
    exp.GT: "gt",
    exp.GTE: "gte",
}


def import_wren(
    root: Node, target: Target, name: str
) -> tuple[list[SemanticModel], GrantWriter | None]:
    """The model of one manifest, and grants where it has rules on rows or columns."""
    root.ignore("catalog", "schema", "$schema", "layout_version")
    source = (root.text("data_source") or "").lower()
    dialect = target.dialect or _SOURCES.get(source, "duckdb")
    builder = ModelBuilder(root, name, target, dialect)
    builder.data["description"] = root.text("description")
    models: list[tuple[Node, TableBuilder]] = []
    for node in root.nodes("models"):
        table = _table(builder, node)
        if table is not None:
            models.append((node, table))
    for node in root.nodes("relationships"):
        _relationship(builder, node)
    for node in root.nodes("cubes"):
        _cube(builder, node)
    for node in root.nodes("metrics"):
        _cube(builder, node)
    for node in root.nodes("views"):
        view = node.text("name")
        node.ignore("statement")
        node.leave_out(None, f"the view {view} is left out", "make it a view in the warehouse")
    grants = _grants(root, target, models)
    model = builder.build()
    return ([] if model is None else [model]), grants


def _properties(node: Node) -> str | None:
    """The description; other properties are told as left out."""
    own = node.text("description")
    properties = node.node("properties")
    if properties is None:
        return own
    told = properties.text("description")
    properties.ignore("display_name", "displayName")
    return own or told


def _table(builder: ModelBuilder, node: Node) -> TableBuilder | None:
    name = node.text("name", required=True)
    reference = node.node("table_reference")
    if name is None:
        return None
    if reference is None:
        node.ignore("ref_sql", "base_object", "columns", "primary_key", "cached", "properties",
                    "row_level_access_controls", "refresh_time", "dialect")  # fmt: skip
        message = f"the model {name} is left out: it is a query, not a table"
        node.leave_out("ref_sql", message, "make it a view in the warehouse and name that")
        return None
    table = reference.text("table", required=True)
    parts = [reference.text("catalog"), reference.text("schema"), table]
    if parts[0] and not parts[1]:
        parts[1] = builder.target.default_schema(builder.dialect)
    text = ".".join(f'"{part}"' for part in parts if part)
    base = base_table(text, reference, "table", builder.target, builder.dialect) if table else None
    if base is None:
        return None
    made = builder.table(node, name, base, builder.dialect)
    if made is None:
        return None
    made.data["description"] = _properties(node)
    for column in node.nodes("columns"):
        _column(made, column)
    keys = node.texts("primary_key")
    if keys:
        made.support(keys, node, "the primary key")
        made.data["primary_key"] = {"columns": keys}
    unique = [key if isinstance(key, list) else [key] for key in node.raw("unique_keys") or []]
    made.data["unique_keys"] = [{"columns": [str(item) for item in key]} for key in unique]
    node.ignore("cached", "refresh_time")
    return made


def _column(table: TableBuilder, node: Node) -> None:
    name, kind = node.text("name", required=True), node.text("type", required=True)
    if name is None or kind is None:
        return
    node.ignore("is_calculated", "not_null", "is_primary_key")
    description = _properties(node)
    if "relationship" in node:
        node.ignore("relationship")  # A handle on a join, which stands under relationships.
        return
    expression = node.text("expression") or f'"{name}"'
    if table.dialect in ("databricks", "bigquery") and expression == f'"{name}"':
        expression = f"`{name}`"
    elif name.isidentifier() and expression == f'"{name}"':
        expression = name
    tree = _parse(expression, table.dialect)
    crossing = tree is not None and (
        tree.find(exp.AggFunc) or any(column.table for column in tree.find_all(exp.Column))
    )
    if crossing:
        message = f"{name} of {table.name} is left out: it reaches over a relationship"
        node.leave_out("expression", message, "write it as a verified query")
        return
    shown = node.raw("is_hidden") in (None, False)
    hidden = not shown or node.states("column_level_access_control")
    data: dict[str, Any] = {"description": description, "data_type": kind.upper()}
    if hidden:
        data["saaf"] = {"tags": [HIDDEN]}
    base = kind.lower().split("(")[0].split(" ")[0]
    table.add("time_dimensions" if base in _TIMES else "dimensions", node, name, expression, **data)


def _relationship(builder: ModelBuilder, node: Node) -> None:
    name, models = node.text("name", required=True), node.texts("models")
    kind = (node.text("join_type") or "").upper()
    condition = node.text("condition", required=True)
    node.ignore("properties")
    if name is None or condition is None:
        return
    if len(models) != 2 or kind not in _CARDINALITIES:
        node.fault(
            None, f"{name} needs two models and a joinType", f"one of {', '.join(_CARDINALITIES)}"
        )
        return
    missing = [model for model in models if model.casefold() not in builder.tables]
    if missing:
        message = f"{name} is left out: the model {missing[0]} is not here"
        node.leave_out(None, message, "import it, too")
        return
    try:
        left, _, pairs = equalities(condition, builder.dialect, {model: model for model in models})
    except Untranslatable as reason:
        node.leave_out("condition", f"{name} is left out: {reason}", "write it by columns")
        return
    first, second = models
    if left != first:
        pairs = [(theirs, mine) for mine, theirs in pairs]
    if kind == "ONE_TO_MANY":
        first, second, kind = second, first, "MANY_TO_ONE"
        pairs = [(theirs, mine) for mine, theirs in pairs]
    builder.relate(node, name, first, second, pairs, relationship_type=kind.lower())


def _cube(builder: ModelBuilder, node: Node) -> None:
    """Measures become metrics of the model below; its dimensions are that model's columns."""
    name, below = node.text("name", required=True), node.text("base_object", required=True)
    node.ignore("cached", "refresh_time", "properties")
    table = builder.tables.get((below or "").casefold())
    if table is None:
        node.ignore(
            "measures", "measure", "dimensions", "dimension", "time_dimensions", "time_grain"
        )
        message = f"{name} is left out: {below} is no table of this model"
        node.leave_out("base_object", message, "write its metrics at a table")
        return
    for key in ("dimensions", "dimension", "time_dimensions"):
        for item in node.nodes(key):
            own, expression = item.text("name", required=True), item.text("expression")
            item.ignore("type", "properties", "relationship", "is_calculated", "not_null")
            if own and expression and not table.knows(own) and not table.knows(expression):
                kind = "time_dimensions" if key == "time_dimensions" else "dimensions"
                table.add(kind, item, own, expression, description=item.text("description"))
            else:
                item.ignore("description")
    for key in ("measures", "measure"):
        for item in node.nodes(key):
            own, expression = (
                item.text("name", required=True),
                item.text("expression", required=True),
            )
            item.ignore("type", "is_calculated", "not_null")
            data = {"description": _properties(item)}
            said = table.say(expression, item, "expression", str(own)) if expression else None
            if own and said:
                table.add_named("metrics", item, own, said, **data)


def _grants(
    root: Node, target: Target, models: list[tuple[Node, TableBuilder]]
) -> GrantWriter | None:
    ruled = [
        node
        for node, _ in models
        if node.states("row_level_access_controls")
        or any(column.states("column_level_access_control") for column in node.nodes("columns"))
    ]
    if not ruled:
        return None
    writer = GrantWriter(root, target)
    message = f"Wren's rules name nobody: the grants are for the group {WREN_READERS}"
    root.note(None, message, "put the right groups there, or give callers that group")
    for node, table in models:
        draft = GrantDraft(node, f"wren-{table.name}", table, groups=(WREN_READERS,))
        draft.columns = {
            column: None
            for key, column in table.physical.items()
            if HIDDEN not in table.tags_of(key)
        }
        refused = bool(node.unknown(*_MODEL_KEYS)) or any(
            column.unknown(*_COLUMN_KEYS) for column in node.nodes("columns")
        )
        for rule in node.nodes("row_level_access_controls"):
            refused = not _row_rule(rule, draft) or refused
        for column in node.nodes("columns"):
            control = column.node("column_level_access_control")
            if control is not None:
                control.ignore("name", "operator", "required_properties", "threshold")
                what = f"{table.name}.{column.raw('name')}"
                message = f"the rule on the column {what} became no grant: it is hidden"
                remedy = "grant the column to a group of those who may see it"
                control.deny(None, message, remedy)
        if refused:
            message = f"{table.name} got no grant: a rule on its rows cannot be said"
            node.deny(None, message, "write the grant by hand, with rows:")
            continue
        writer.add(draft)
    return writer


def _row_rule(node: Node, draft: GrantDraft) -> bool:
    """Add the conditions of a rule; False, reported, where one cannot be said."""
    name = node.text("name") or "a rule"
    condition = node.text("condition", required=True)
    if node.unknown(*_RULE_KEYS):
        node.deny(None, f"{name} has keys that are not understood", "write the grant by hand")
        return False
    for item in node.nodes("required_properties"):
        wanted = item.text("name")
        item.ignore("required")
        if "default_expr" in item or item.raw("required") is False:
            item.ignore("default_expr")
            message = f"{name}: without the attribute {wanted} a caller sees no rows"
            item.deny(None, message, "Wren shows them by a default, or all: give callers a value")
    tree = _parse(condition or "", "")
    if condition is None or tree is None:
        node.deny("condition", f"{name} cannot be read", "write it as rows: of a grant")
        return False
    for part in list(tree.flatten()) if isinstance(tree, exp.And) else [tree]:
        operator = _OPERATORS.get(type(part))
        column: Any = part.this if operator else None
        value = _operand(part.expression) if operator else None
        plain = isinstance(column, exp.Column) and not column.table
        field = draft.table.column_of(str(column.name)) if plain else None
        if (
            operator is None
            or value is None
            or field is None
            or not draft.test(field, operator, value)
        ):
            message = f"{name}: `{condition}` is no comparison of one column with a value"
            node.deny("condition", message, "write it as rows: of a grant, or as a view")
            return False
    return True


def _operand(tree: exp.Expr) -> str | int | float | None:
    if isinstance(tree, exp.Parameter):
        return f"$user.{tree.name}" if tree.name.isidentifier() else None
    if isinstance(tree, exp.Literal):
        if tree.is_string:
            return f"${tree.name}" if tree.name.startswith("$") else str(tree.name)
        return int(tree.name) if tree.name.isdigit() else float(tree.name)
    return None


def _parse(text: str, dialect: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(text, read=dialect)
    except (SqlglotError, RecursionError, ValueError):
        return None
