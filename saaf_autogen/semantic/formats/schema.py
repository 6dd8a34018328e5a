"""The JSON Schema of the native format, so that editors complete and explain its keys."""

from __future__ import annotations

import ast
import inspect
import json
import os
from pathlib import Path
from typing import Any

from saaf_autogen.semantic import model
from saaf_autogen.semantic.model import SemanticModel

__all__ = ["SCHEMA_FILE", "language_server_line", "schema", "schema_text"]

SCHEMA_FILE = Path(__file__).parent.parent / "schema.json"
"""The schema as it is published with the package."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a semantic file, made from the models that read it."""
    made = SemanticModel.model_json_schema(by_alias=True)
    body = _lean(made)
    told = _descriptions()
    for name, part in [("SemanticModel", body), *body["$defs"].items()]:
        for key, said in told.get(name, {}).items():
            part["properties"][key]["description"] = said
    return {
        "$schema": _DIALECT,
        "title": "SAAF semantic file",
        **{key: value for key, value in body.items() if key not in ("title", "$defs")},
        "$defs": body["$defs"],
    }


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def language_server_line(file: Path, *, published: Path = SCHEMA_FILE) -> str:
    """The comment that tells an editor which schema a YAML file follows.

    Args:
        file: the YAML file, which need not exist yet.
        published: the schema's file; the line names it relative to ``file``'s folder.
    """
    away = os.path.relpath(published.resolve(), file.resolve().parent)
    return f"# yaml-language-server: $schema={Path(away).as_posix()}"


def _descriptions() -> dict[str, dict[str, str]]:
    """What the text below each key of the models says, by class and key.

    Read from the source here alone: Pydantic would do it at every import.
    """
    tree = ast.parse(inspect.getsource(model))
    told: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        fields = getattr(getattr(model, node.name), "model_fields", {})
        found: dict[str, str] = {}
        for base in node.bases:
            found |= told.get(getattr(base, "id", ""), {})
        for item, below in zip(node.body, node.body[1:], strict=False):
            text = below.value if isinstance(below, ast.Expr) else None
            target = item.target if isinstance(item, ast.AnnAssign) else None
            name = target.id if isinstance(target, ast.Name) else ""
            if name and isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[fields[name].alias or name] = text.value
        told[node.name] = found
    return told


def _lean(value: Any, *, names: bool = False) -> Any:
    """Without the titles that only repeat names; a key called ``title`` stays."""
    if isinstance(value, list):
        return [_lean(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _lean(item, names=key in ("properties", "$defs"))
        for key, item in value.items()
        if names or key != "title" or not isinstance(item, str)
    }
