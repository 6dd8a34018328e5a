"""JSON Schemas of actions, placed among the OpenAPI document's components."""

from __future__ import annotations

from typing import Any

__all__ = ["hoist"]


def hoist(schema: dict[str, Any], prefix: str, components: dict[str, Any]) -> dict[str, Any]:
    """Move a schema's ``$defs`` to ``components``, named ``PREFIX.NAME``, and mend its refs."""
    for name, definition in schema.get("$defs", {}).items():
        components[f"{prefix}.{name}"] = _mend(definition, prefix)
    body = {key: value for key, value in schema.items() if key != "$defs"}
    mended: dict[str, Any] = _mend(body, prefix)
    return mended


def _mend(node: Any, prefix: str) -> Any:
    if isinstance(node, dict):
        return {
            key: f"#/components/schemas/{prefix}.{value.removeprefix('#/$defs/')}"
            if key == "$ref" and isinstance(value, str)
            else _mend(value, prefix)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_mend(item, prefix) for item in node]
    return node
