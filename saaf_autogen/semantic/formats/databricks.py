"""Databricks metric views (YAML 0.1 to 1.1) to native models.

https://docs.databricks.com/aws/en/metric-views/yaml-ref: a source table, tables joined to it, and
measures at the source's grain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from saaf_autogen.semantic.formats.builder import (
    UNKNOWN_TYPE,
    ModelBuilder,
    TableBuilder,
    Target,
    base_table,
    sql_name,
)
from saaf_autogen.semantic.formats.expressions import (
    Untranslatable,
    check,
    equalities,
    filtered,
    select_source,
    translate,
)
from saaf_autogen.semantic.formats.source import Node
from saaf_autogen.semantic.model import SemanticModel

__all__ = ["import_databricks"]

_SPOKEN = "databricks"
_DEEPEST = 8


@dataclass
class _View:
    """A metric view on its way: its tables by the path that expressions name them by."""

    node: Node
    builder: ModelBuilder
    paths: dict[str, TableBuilder] = field(default_factory=dict)
    measures: dict[str, Node] = field(default_factory=dict)
    dimensions: dict[str, str] = field(default_factory=dict)
    condition: str | None = None

    @property
    def fact(self) -> TableBuilder:
        """The table of the view's source."""
        return self.paths["source"]


def import_databricks(root: Node, target: Target, name: str) -> list[SemanticModel]:
    """The model of one metric view, which has its name outside of its YAML."""
    root.ignore("version")
    dialect = target.dialect or _SPOKEN
    builder = ModelBuilder(root, name, target, dialect)
    builder.data["description"] = root.text("comment")
    view = _View(root, builder)
    table = _table(view, root, "source", None)
    if table is None:
        root.fault("source", "the source is no table", "make the query a view, and name that")
        return []
    view.paths["source"] = view.paths[table.name] = table
    _joins(view, root, "", 0)
    condition = root.text("filter")
    if condition is not None:
        _filter(view, condition)
    key = "fields" if "fields" in root else "dimensions"
    for item in root.nodes(key):
        _dimension(view, item)
    for item in root.nodes("measures"):
        title = item.text("name", required=True)
        if title is not None:
            view.measures.setdefault(title, item)
    for measure in view.measures.values():
        _measure(view, measure)
    model = builder.build()
    return [] if model is None else [model]


def _table(view: _View, node: Node, key: str, alias: str | None) -> TableBuilder | None:
    source = node.text(key, required=True)
    if source is None:
        return None
    named = select_source(source, _SPOKEN) if " " in source.strip() else source
    base = base_table(named or source, node, key, view.builder.target, view.builder.dialect)
    if base is None:
        return None
    name = sql_name(alias or base.table)
    while name.casefold() in view.builder.tables:
        name += "_2"
    return view.builder.table(node, name, base, _SPOKEN)


def _joins(view: _View, node: Node, path: str, depth: int) -> None:
    for item in node.nodes("joins"):
        name = item.text("name", required=True)
        if name is None:
            continue
        here = f"{path}.{name}" if path else name
        table = _table(view, item, "source", name) if depth < _DEEPEST else None
        if table is None:
            message = f"the join {here} is left out: its source is no table"
            item.leave_out("source", message, "make the query a view, and name that")
            continue
        view.paths[here] = table
        view.paths.setdefault(name, table)
        item.ignore("rely", "cardinality")
        _relationship(view, item, view.paths[path or "source"], table, name)
        _joins(view, item, here, depth + 1)


def _relationship(
    view: _View, node: Node, left: TableBuilder, right: TableBuilder, name: str
) -> None:
    # YAML 1.1 reads a bare `on` as true; documents keep keys as they are written.
    condition, using = node.text("on"), node.texts("using")
    pairs = [(column, column) for column in using]
    if condition is not None:
        parent = {key: "left" for key, table in view.paths.items() if table is left}
        sides = {**parent, "source": "left", name: "right"}
        if left is not view.fact:
            sides.pop("source")
        try:
            first, _, pairs = equalities(condition, _SPOKEN, sides)
        except Untranslatable as reason:
            message = f"the relationship to {right.name} is left out: {reason}"
            node.leave_out("on", message, "write it under relationships, by columns")
            return
        if first == "right":
            pairs = [(theirs, mine) for mine, theirs in pairs]
    if not pairs:
        message = f"the join {name} says not how it joins"
        node.leave_out(None, message, "write it under relationships, by columns")
        return
    many = str(node.raw("cardinality") or "many_to_one").lower()
    known = many if many in ("one_to_one", "many_to_one", "one_to_many") else "many_to_one"
    view.builder.relate(
        node,
        f"{left.name}_{right.name}",
        left.name,
        right.name,
        pairs,
        join_type="left_outer",
        relationship_type=known,
    )


def _filter(view: _View, condition: str) -> None:
    home = _home(view, condition)
    if home is not view.fact:
        message = "the filter of the view names joined tables, so its measures are left out"
        view.node.leave_out("filter", message, "write the metrics by hand, with their condition")
        view.condition = ""
        return
    plain = _bare(condition)
    said = home.say(plain, view.node, "filter", "the filter of the view")
    view.condition = said or ""
    if said is None:
        return
    home.add_named("filters", view.node, f"{view.builder.name}_rows", said)
    home.data["saaf"] = {"hints": [f"the metrics count only rows where {said}"]}
    message = "the view shows rows by its filter alone; the table's other rows are there, too"
    remedy = "its metrics carry the filter; to hide the rows, write it as rows: of a grant"
    view.node.note("filter", message, remedy)


def _dimension(view: _View, node: Node) -> None:
    name, expr = node.text("name", required=True), node.text("expr", required=True)
    if name is None or expr is None:
        return
    node.ignore("format")
    expr = _with_dimensions(expr, view)
    home = _home(view, expr)
    display = node.text("display_name")
    data = {
        "description": node.text("comment"),
        "synonyms": list(dict.fromkeys([*([display] if display else []), *node.texts("synonyms")])),
        "data_type": node.text("data_type") or UNKNOWN_TYPE,
    }
    if home is None:
        message = f"{name} is left out: it mixes columns of several tables"
        node.leave_out("expr", message, "write it as a verified query")
        return
    plain = _bare(expr)
    try:
        check(plain, _SPOKEN)
    except Untranslatable as reason:
        node.leave_out("expr", f"{name} is left out: {reason}", "write one expression")
        return
    if not home.add("dimensions", node, name, plain, **data):
        return
    view.dimensions[name] = expr


def _measure(view: _View, node: Node) -> None:
    name = node.text("name", required=True)
    node.ignore("format")
    display = node.text("display_name")
    synonyms = [*([display] if display else []), *node.texts("synonyms")]
    comment = node.text("comment")
    if name is None:
        return
    if "window" in node:
        node.ignore("window", "expr")
        message = f"the measure {name} is left out: windows are asked for in a query"
        node.leave_out("window", message, "write it as a verified query")
        return
    try:
        said = _metric_text(view, name, ())
    except Untranslatable as reason:
        node.leave_out("expr", f"the measure {name} is left out: {reason}", "write it by hand")
        return
    home = _home(view, said)
    data = {"description": comment, "synonyms": list(dict.fromkeys(synonyms))}
    if home is view.fact:
        plain = _bare(said)
        said = home.say(plain, node, "expr", f"the measure {name}") or ""
        if said:
            home.add_named("metrics", node, name, said, **data)
        return
    try:
        whole = translate(_named_tables(view, said), _SPOKEN, view.builder.dialect)
    except Untranslatable as reason:
        node.leave_out("expr", f"the measure {name} is left out: {reason}", "write it by hand")
        return
    view.builder.metrics.append(
        {"name": sql_name(name), "expr": whole, **{key: item for key, item in data.items() if item}}
    )


def _metric_text(view: _View, name: str, above: tuple[str, ...]) -> str:
    """The measure in Databricks' SQL, with other measures put in place and the view's filter."""
    if name in above or len(above) > _DEEPEST * 2:
        raise Untranslatable(f"{name} is defined by itself")
    node = view.measures.get(name)
    text = node.text("expr", required=True) if node is not None else None
    if text is None or node is None or "window" in node:
        raise Untranslatable(f"there is no plain measure {name}")
    text = _with_dimensions(text, view)

    def other(match: re.Match[str]) -> str:
        return f"({_metric_text(view, match[1].strip().strip('`'), (*above, name))})"

    composed = re.sub(r"(?i)\bmeasure\s*\(([^()]+)\)", other, text)
    if view.condition == "":
        raise Untranslatable("the filter of the view could not be taken")
    condition = view.node.text("filter")
    if condition is None or composed != text:
        return composed
    if _home(view, composed) is view.fact:
        return filtered(_bare(composed), _bare(condition), _SPOKEN)
    return filtered(composed, condition, _SPOKEN)


def _with_dimensions(text: str, view: _View) -> str:
    """The text with references to earlier dimensions of the view put in place."""
    if not view.dimensions:
        return text
    tree = _parse(text)
    if tree is None:
        return text
    physical = view.fact.physical
    changed = False
    for column in list(tree.find_all(exp.Column)):
        known = view.dimensions.get(column.name) if not column.table else None
        inner = _parse(known) if known and column.name.casefold() not in physical else None
        if inner is not None:
            column.replace(exp.paren(inner.copy()))
            changed = True
    return tree.sql(dialect=_SPOKEN) if changed else text


def _home(view: _View, expr: str) -> TableBuilder | None:
    """The only table whose columns an expression names; None for several, or an unknown one."""
    tree = _parse(expr)
    if tree is None:
        return view.fact
    found = [view.paths.get(_path(column)) for column in tree.find_all(exp.Column)]
    first = found[0] if found else view.fact
    return first if all(table is first for table in found) else None


def _named_tables(view: _View, expr: str) -> str:
    """The text with every column qualified by its logical table."""
    tree = _parse(expr)
    if tree is None:
        raise Untranslatable("it cannot be read")
    for column in tree.find_all(exp.Column):
        table = view.paths.get(_path(column))
        if table is None:
            raise Untranslatable(f"there is no joined table {_path(column)}")
        column.replace(exp.column(column.name, table=table.name))
    return tree.sql(dialect=_SPOKEN)


def _bare(expr: str) -> str:
    """The text with its columns' qualifiers taken off; the very text where there are none."""
    tree = _parse(expr)
    found = list(tree.find_all(exp.Column)) if tree is not None else []
    if tree is None or not any(column.table for column in found):
        return expr
    holder = exp.Paren(this=tree)
    for column in found:
        column.replace(exp.column(column.this.copy()))
    return holder.this.sql(dialect=_SPOKEN)  # type: ignore[no-any-return]  # untyped args


def _path(column: exp.Column) -> str:
    parts = [part.name for part in column.parts[:-1]]
    return ".".join(parts) if parts else "source"


def _parse(text: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(text, read=_SPOKEN)
    except (SqlglotError, RecursionError, ValueError):
        return None
