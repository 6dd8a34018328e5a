"""Action schemas as models take them (OpenAI's strict mode), and arguments as actions take them.

Strict mode wants every property required and no open maps. So an optional argument becomes
nullable, and an open map becomes a list of ``{name, value}``; ``arguments_for`` turns both back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["arguments_for", "strict_schema"]

_DROPPED = frozenset({"title", "default", "examples", "$defs"})
_REFUSED = frozenset({"patternProperties", "prefixItems", "not", "if", "allOf"})
_SCALAR: dict[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]
}


class _NotStrict(Exception):
    """A schema that strict mode cannot say."""


def strict_schema(schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema for a model, and whether it is strict.

    Args:
        schema: JSON Schema of an action's arguments, an object.
    """
    try:
        return _strict(schema, schema, 0), True
    except _NotStrict:
        return {"type": "object", "properties": {}, **schema}, False


def arguments_for(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A model's arguments as the action takes them: no nulls for what is optional, maps as maps.

    Args:
        schema: JSON Schema of the action's arguments, as the action declares it.
        arguments: what the model sent.
    """
    result = _restore(schema, schema, dict(arguments))
    return result if isinstance(result, dict) else {}


def _strict(node: Any, root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if not isinstance(node, Mapping) or depth > 20 or _REFUSED & set(node):
        raise _NotStrict
    node = _resolved(node, root)
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    for union in ("anyOf", "oneOf"):
        if union in result:
            options = result.pop(union)
            result["anyOf"] = [_strict(option, root, depth + 1) for option in options]
            return result
    if node.get("type") == "object" or "properties" in node:
        return _strict_object(node, result, root, depth)
    if node.get("type") == "array":
        result["items"] = _strict(node.get("items"), root, depth + 1)
        return result
    if not {"type", "enum", "const"} & set(node):
        raise _NotStrict
    return result


def _strict_object(
    node: Mapping[str, Any], result: dict[str, Any], root: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    properties = node.get("properties", {})
    if not properties and depth:
        return _pairs(node, result, root, depth)
    if isinstance(node.get("additionalProperties"), Mapping):
        raise _NotStrict
    required = set(node.get("required", ()))
    strict = {}
    for name, child in properties.items():
        strict[name] = _strict(child, root, depth + 1)
        if name not in required and not _takes_null(strict[name]):
            strict[name] = _nullable(strict[name])
    return {
        **result,
        "type": "object",
        "properties": strict,
        "required": list(properties),
        "additionalProperties": False,
    }


def _pairs(
    node: Mapping[str, Any], result: dict[str, Any], root: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    values = node.get("additionalProperties")
    value = _strict(values, root, depth + 1) if isinstance(values, Mapping) and values else _SCALAR
    pair = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "value": value},
        "required": ["name", "value"],
        "additionalProperties": False,
    }
    kept = {"description": result["description"]} if "description" in result else {}
    return {**kept, "type": "array", "items": pair}


def _nullable(node: dict[str, Any]) -> dict[str, Any]:
    said = {"description": node.pop("description")} if "description" in node else {}
    options = node["anyOf"] if set(node) == {"anyOf"} else [node]
    return {**said, "anyOf": [*options, {"type": "null"}]}


def _takes_null(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    return (
        kind == "null"
        or (isinstance(kind, list) and "null" in kind)
        or any(_takes_null(option) for option in node.get("anyOf", ()))
    )


def _resolved(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if reference is None:
        return node
    target: Any = root
    for part in str(reference).removeprefix("#/").split("/"):
        target = target.get(part) if isinstance(target, Mapping) else None
    if not isinstance(target, Mapping) or "$ref" in target:
        raise _NotStrict
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _restore(node: Mapping[str, Any], root: Mapping[str, Any], value: Any) -> Any:
    if not isinstance(value, dict | list):
        return value
    try:
        node = _resolved(node, root)
    except _NotStrict:
        return value
    options = node.get("anyOf") or node.get("oneOf")
    if options:
        for option in options:
            restored = _restore(option, root, value)
            if restored is not value and restored != value:
                return restored
        return value
    if node.get("type") == "array" and isinstance(value, list):
        items = node.get("items")
        return [_restore(items, root, item) for item in value] if items else value
    if node.get("type") != "object" and "properties" not in node:
        return value
    if isinstance(value, list) and not node.get("properties") and all(map(_is_pair, value)):
        return {str(pair["name"]): pair["value"] for pair in value}
    if not isinstance(value, dict):
        return value
    properties, required = node.get("properties", {}), set(node.get("required", ()))
    return {
        name: _restore(properties.get(name, {}), root, item)
        for name, item in value.items()
        if item is not None or name in required or name not in properties
    }


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"name", "value"}
