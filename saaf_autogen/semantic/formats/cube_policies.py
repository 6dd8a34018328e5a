"""Cube's access policies as grants: member_level to columns, row_level to row filters.

https://cube.dev/docs/product/data-modeling/reference/data-access-policies. What Cube says in a way
that grants cannot becomes a finding, and no grant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from saaf_autogen.semantic.formats.builder import HIDDEN
from saaf_autogen.semantic.formats.cube import CubeTable, CubeWorld, is_hidden
from saaf_autogen.semantic.formats.expressions import Untranslatable
from saaf_autogen.semantic.formats.grants import GrantDraft, GrantWriter
from saaf_autogen.semantic.formats.source import Node

__all__ = ["import_policies"]

Test = tuple[str, str, Any]
_ORDERED = {"gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"}
_CONTEXT = re.compile(
    r"\{?\s*(?:securityContext|security_context|userAttributes|user_attributes)((?:\??\.\w+)+)\s*\}?"
)
_WRAPPERS = ("cubeCloud", "cube_cloud", "auth", "userAttributes", "user_attributes")
_BRANCHES = 32
_POLICY = ("role", "roles", "group", "groups", "conditions", "member_level", "member_masking",
           "row_level")  # fmt: skip
_PART = ("join_path", "includes", "excludes", "prefix", "alias", "split")


def import_policies(world: CubeWorld, root: Node) -> GrantWriter | None:
    """Grants for every access policy that can be said exactly; None where there is no policy."""
    writer = GrantWriter(root, world.builder.target)
    ruled = False
    for cube in world.cubes.values():
        policies = cube.node.nodes("access_policy")
        if "access_policy" not in cube.node:
            message = f"the cube {cube.name} has no access_policy: in Cube everyone may read it"
            cube.node.note(None, message, "nobody sees it here until you write a grant")
            continue
        ruled = True
        if not _is_public(cube.node):
            message = f"the policies of {cube.name} became no grant: the cube is not public"
            cube.node.deny("access_policy", message, "write grants for its table by hand")
            _spend(policies)
            continue
        shown = {name: name for name in cube.dimensions}
        for index, policy in enumerate(policies):
            _policy(writer, cube, policy, f"cube-{cube.name}", index, shown)
    for view in world.views:
        ruled = _view(writer, world, view) or ruled
    return writer if ruled else None


def _view(writer: GrantWriter, world: CubeWorld, view: Node) -> bool:
    name = str(view.raw("name"))
    policies = view.nodes("access_policy")
    if not policies:
        return False
    parts = view.nodes("cubes")
    path = parts[0].text("join_path") if len(parts) == 1 else None
    cube = world.cubes.get(path or "")
    if "extends" in view or cube is None or not _is_public(view):
        view.ignore("extends")
        message = f"the policies of the view {name} became no grant: it is no view of one cube"
        if not _is_public(view):
            message = f"the policies of the view {name} became no grant: it is not public"
        view.deny("access_policy", message, "write grants for its tables by hand")
        _spend(policies)
        return True
    if "access_policy" in cube.node:
        message = f"the policies of the view {name} became no grant: those of {cube.name} hold, too"
        remedy = f"the grants of {cube.name} are made; narrow them by hand if the view must"
        view.deny("access_policy", message, remedy)
        _spend(policies)
        return True
    shown = _included(parts[0], cube)
    for index, policy in enumerate(policies):
        _policy(writer, cube, policy, f"cube-view-{name}", index, shown)
    return True


def _is_public(node: Node) -> bool:
    return node.raw("public") in (None, True) and node.raw("shown") in (None, True)


def _spend(policies: list[Node]) -> None:
    for policy in policies:
        policy.ignore(*policy.data)


def _included(part: Node, cube: CubeTable) -> dict[str, str]:
    """The cube's dimensions that a view shows, by their names there."""
    prefix = f"{part.text('alias') or cube.name}_" if part.flag("prefix") else ""
    listed = part.raw("includes")
    excluded = set(part.texts("excludes"))
    if excluded - {*cube.dimensions, *cube.measures} or part.unknown(*_PART):
        return {}
    shown: dict[str, str] = {}
    if listed == "*":
        shown = {f"{prefix}{name}": name for name in cube.dimensions}
    for item in listed if isinstance(listed, list) else []:
        own = item.get("name") if isinstance(item, dict) else item
        alias = item.get("alias", own) if isinstance(item, dict) else item
        if own in cube.dimensions:
            shown[f"{prefix}{alias}"] = str(own)
    return {alias: own for alias, own in shown.items() if own not in excluded}


def _policy(
    writer: GrantWriter,
    cube: CubeTable,
    node: Node,
    title: str,
    index: int,
    shown: Mapping[str, str],
) -> None:
    groups = [
        *node.texts("role"),
        *node.texts("group"),
        *node.texts("groups"),
        *node.texts("roles"),
    ]
    everyone = "*" in groups
    name = f"{title}-{'all' if everyone else '-'.join(groups)}"
    if "conditions" in node:
        node.ignore(*node.data)
        message = f"policy {index + 1} of {title} became no grant: its conditions cannot be said"
        node.deny("conditions", message, "make those who meet them a group, and grant to that")
        return
    if not groups:
        node.ignore(*node.data)
        message = f"policy {index + 1} of {title} became no grant: it names no group"
        node.deny(None, message, "name a group")
        return
    try:
        _only(node, *_POLICY)
        columns = _columns(node, cube, shown)
        branches = _rows(node, cube, shown)
    except Untranslatable as reason:
        for below in list(node.walk()):
            below.ignore(*below.data)
        message = f"policy {index + 1} of {title} became no grant: {reason}"
        node.deny("row_level", message, "write it as rows: of a grant by hand")
        return
    if not branches:
        message = f"policy {index + 1} of {title} became no grant: it allows no rows"
        node.note("row_level", message, "no grant means no rows")
        return
    for tests in branches:
        draft = GrantDraft(node, name, cube.table, () if everyone else tuple(groups), dict(columns))
        if all(draft.test(*test) for test in tests):
            if not writer.add(draft):
                return
            continue
        message = f"a branch of policy {index + 1} of {title} became no grant"
        node.deny("row_level", message, "it tests a column twice alike: write it by hand")


def _members(node: Node | None, shown: Mapping[str, str], cube: CubeTable) -> set[str] | None:
    """Names of the members of a list of includes or excludes; None where there is no list."""
    if node is None:
        return None
    _only(node, "includes", "excludes")
    every = {*shown, *cube.measures}
    included, excluded = node.raw("includes"), node.raw("excludes")
    if (included is None) == (excluded is None):
        raise Untranslatable("a list of members has neither includes nor excludes, or both")
    if included is not None:
        return every if included == "*" else {_plain(x, cube) for x in node.texts("includes")}
    if excluded == "*":
        return set()
    names = {_plain(item, cube) for item in node.texts("excludes")}
    strange = sorted(names - every - set(cube.dimensions))
    if strange:
        # A name that excludes nothing may be meant for one that is to be hidden.
        raise Untranslatable(f"there is no member {strange[0]} to exclude")
    return every - names


def _columns(node: Node, cube: CubeTable, shown: Mapping[str, str]) -> dict[str, str | None]:
    for key in ("member_level", "member_masking"):
        if node.states(key) and key not in node:
            raise Untranslatable(f"its {key} says nothing")
    full = _members(node.node("member_level"), shown, cube)
    full = {*shown, *cube.measures} if full is None else full
    masked = _members(node.node("member_masking"), shown, cube) or set()
    columns: dict[str, str | None] = {}
    lost = sorted(full & set(cube.measures))
    for member, name in sorted(shown.items()):
        dimension = cube.dimensions[name]
        if is_hidden(dimension) or member not in full | masked:
            continue
        column = cube.table.column_of(name)
        if column is None:
            lost.append(member)
        elif member in full and HIDDEN not in cube.table.tags_of(column.casefold()):
            columns[column] = None
        elif member in masked and HIDDEN not in cube.table.tags_of(column.casefold()):
            columns.setdefault(column, "null")
            if dimension.raw("mask") is not None:
                message = f"the mask of {cube.name}.{name} became NULL"
                dimension.deny("mask", message, "choose redact, hash, last4 or year in the grant")
    if lost:
        message = (
            f"{', '.join(lost)} of {cube.name} are no columns, so the grant does not name them"
        )
        node.note("member_level", message, "callers compute them from the columns that they see")
    return columns


def _plain(name: str, cube: CubeTable) -> str:
    found = re.fullmatch(r"\$?\{?\s*(?:CUBE\}?\.)?(.+?)\}?", name.strip())
    return (found[1] if found else name).removeprefix(f"{cube.name}.")


def _rows(node: Node, cube: CubeTable, shown: Mapping[str, str]) -> list[list[Test]]:
    """Row filters as alternatives of conditions; no alternative means no rows at all."""
    level = node.node("row_level")
    if level is None and not node.states("row_level"):
        return [[]]
    if level is None:
        raise Untranslatable("its row_level says nothing")
    _only(level, "filters", "allow_all")
    if level.raw("allow_all") is True:
        if "filters" in level:
            raise Untranslatable("it allows all rows, and filters them")
        return [[]]
    filters = level.nodes("filters")
    if not filters:
        return []
    return _all([_filter(item, cube, shown) for item in _whole(level, "filters")])


def _whole(node: Node, key: str) -> list[Node]:
    """The entries of a list that has entries, and no empty one."""
    found, written = node.nodes(key), node.raw(key)
    if not found or len(found) != len(written):
        raise Untranslatable(f"its {key} has an empty entry, or none")
    return found


def _only(node: Node, *known: str) -> None:
    """Refuse keys that are not understood: they may well restrict."""
    strange = node.unknown(*known)
    if strange:
        raise Untranslatable(f"the key {strange[0]} is not understood")


def _all(parts: list[list[list[Test]]]) -> list[list[Test]]:
    branches: list[list[Test]] = [[]]
    for part in parts:
        branches = [[*first, *second] for first in branches for second in part]
        if len(branches) > _BRANCHES:
            raise Untranslatable("its row filter has too many alternatives")
    return branches


def _filter(node: Node, cube: CubeTable, shown: Mapping[str, str]) -> list[list[Test]]:
    if node.states("and"):
        _only(node, "and")
        return _all([_filter(item, cube, shown) for item in _whole(node, "and")])
    if node.states("or"):
        _only(node, "or")
        parts = _whole(node, "or")
        return [branch for item in parts for branch in _filter(item, cube, shown)]
    _only(node, "member", "operator", "values")
    member = _plain(node.text("member", required=True) or "", cube)
    operator = node.text("operator", required=True) or ""
    raw = node.raw("values")
    values = raw if isinstance(raw, list) else [] if raw is None else [raw]
    # A filter may name any dimension of the cube, shown by the view or not.
    name = shown.get(member, member)
    dimension, column = cube.dimensions.get(name), cube.table.column_of(name)
    if dimension is None or column is None:
        raise Untranslatable(f"its filter on {member} is on no column of {cube.name}")
    kind = (dimension.text("type") or "string").lower()
    if not values:
        raise Untranslatable(f"grants have no operator {operator} without values")
    operands = [_value(value, kind) for value in values]
    dynamic = any(isinstance(item, str) and item.startswith("$user.") for item in operands)
    if operator == "equals":
        one = len(operands) == 1 and not (dynamic and not isinstance(raw, list))
        return [[(column, "eq", operands[0]) if one else (column, "in", operands)]]
    if operator == "notEquals" and len(operands) == 1 and not dynamic:
        message = f"rows without a {member} are not in the grant, as they are in Cube"
        node.deny("operator", message, "a grant compares values, and NULL is none")
        return [[(column, "ne", operands[0])]]
    if operator in _ORDERED and len(operands) == 1 and kind == "number":
        return [[(column, _ORDERED[operator], operands[0])]]
    raise Untranslatable(f"grants have no such {operator} on {member}")


def _value(value: Any, kind: str) -> str | int | float | bool:
    if isinstance(value, str):
        found = _CONTEXT.fullmatch(value.strip())
        if found:
            path = [part for part in re.split(r"\??\.", found[1]) if part]
            while len(path) > 1 and path[0] in _WRAPPERS:
                path.pop(0)
            if len(path) != 1:
                raise Untranslatable(f"the attribute {'.'.join(path)} is nested")
            return f"$user.{path[0]}"
        if "{" in value:
            raise Untranslatable(f"the value {value} is computed")
    if kind == "number":
        return _number(value)
    if kind == "boolean" and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if kind == "string" and isinstance(value, str):
        return f"${value}" if value.startswith("$") else value
    raise Untranslatable(f"{value!r} is no {kind} that a grant can compare")


def _number(value: Any) -> int | float:
    text = str(value).strip()
    if re.fullmatch(r"-?\d{1,30}", text):
        return int(text)
    if re.fullmatch(r"-?\d{1,15}\.\d{1,15}", text):
        return float(text)
    raise Untranslatable(f"{value!r} is no number")
