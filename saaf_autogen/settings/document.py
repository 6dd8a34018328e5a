"""YAML and JSON documents that remember the line of every value, for errors that point."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from saaf_autogen.errors import Finding

__all__ = ["Document", "parse_document", "read_document"]

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
_MAX_BYTES = 4_000_000
_MAX_VALUES = 200_000
_TYPES = {
    "bool": "true or false",
    "dict": "KEY: VALUE below it",
    "float": "a number",
    "int": "a whole number",
    "list": "a list, such as [a, b]",
    "model": "KEY: VALUE below it",
    "string": "text, in quotes if need be",
}
_TAG = re.compile(r"'([^']*)'")
_SYNTAX = "look at indentation, brackets, colons and quotes there and just above"


@dataclass
class Document:
    """A parsed file: its plain data, and the line (from 1) of each value by its path."""

    file: Path
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def line(self, place: Iterable[str | int]) -> int:
        """The line of a value, or of its nearest parent that the file holds."""
        path = tuple(place)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def finding(self, place: Iterable[str | int], message: str, remedy: str) -> Finding:
        """A fault at a value of this document."""
        return Finding(self.file, self.line(place), message, remedy)

    def validate(self, model: type[Model], data: Any = None) -> Model | None:
        """The data as ``model``; what does not fit is added to ``findings`` and None returned."""
        try:
            return model.model_validate(self.data if data is None else data)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                self.findings.append(self._explain(model, fault["loc"], fault))
            return None

    def _without_tags(self, place: Place) -> Place:
        """A place as the file has it: pydantic puts the tag of a union among the keys."""
        node, kept = self.data, list[str | int]()
        for part in place:
            if isinstance(node, dict) and part not in node and node.get("engine") == part:
                continue
            kept.append(part)
            node = node.get(part) if isinstance(node, dict) else None
        return tuple(kept)

    def _explain(self, model: type[BaseModel], place: Place, fault: Any) -> Finding:
        place = self._without_tags(place)
        where = ".".join(str(part) for part in place) or "the document"
        if fault["type"] == "extra_forbidden":
            known = ", ".join(sorted(model.model_fields)) if len(place) == 1 else ""
            remedy = f"known keys: {known}" if known else "remove it or check its spelling"
            return self.finding(place, f"{where}: unknown key", remedy)
        if fault["type"] == "missing":
            return self.finding(place[:-1], f"{where} is required", "add it")
        message = str(fault["msg"]).removeprefix("Value error, ")
        if fault["type"] == "union_tag_invalid":
            key = fault["ctx"]["discriminator"].strip("'")
            message = f"there is no {key} {fault['ctx']['tag']!r}"
        return self.finding(place, f"{where}: {message}", _remedy(fault))


def _remedy(fault: Any) -> str:
    kind, context = str(fault["type"]), fault.get("ctx", {})
    if kind in ("literal_error", "enum"):
        return f"write one of {context['expected']}"
    if kind == "union_tag_invalid":
        near = get_close_matches(str(context["tag"]), _TAG.findall(context["expected_tags"]), n=1)
        return f"did you mean {near[0]}?" if near else f"write one of {context['expected_tags']}"
    if kind == "string_pattern_mismatch":
        return f"write what fits {context['pattern']}"
    if kind.endswith(("_type", "_parsing")):
        return f"write {_TYPES.get(kind.rsplit('_', 1)[0], 'a value of that type')}"
    if kind == "timezone_aware":
        return "say in which zone: 2026-03-01T00:00:00Z"
    return "write another value"


def read_document(file: Path) -> Document:
    """Read a YAML or JSON file (JSON of the same shape is YAML too)."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            return Document(file, findings=[Finding(file, 0, "the file is over 4 MB", "split it")])
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        message, remedy = f"the file cannot be read: {reason}", "save it as UTF-8, readable to you"
        return Document(file, findings=[Finding(file, 0, message, remedy)])
    return parse_document(text, file)


def parse_document(text: str, file: Path) -> Document:
    """Parse YAML or JSON text that came from ``file``."""
    document = Document(file)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        message = f"not valid {_format(file)}: {error.problem}"
        document.findings.append(Finding(file, line, message, _SYNTAX))
        return document
    except yaml.YAMLError as error:
        message = f"not valid {_format(file)}: {error}"
        document.findings.append(Finding(file, 0, message, _SYNTAX))
        return document
    except RecursionError:
        message = "the values are nested too deep"
        document.findings.append(Finding(file, 0, message, "write fewer levels"))
        return document
    if node is not None:
        try:
            document.data = _Builder(document).build(node, ())
        except RecursionError:
            document.findings.append(
                Finding(file, 0, "the values are nested without end", "remove the alias to itself")
            )
    return document


def _format(file: Path) -> str:
    return "JSON" if file.suffix == ".json" else "YAML"


class _Builder:
    """Turns YAML nodes into plain data; refuses duplicate keys and alias bombs."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._constructor = yaml.SafeLoader("")
        self._values = 0

    def build(self, node: yaml.Node, place: Place) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES:
            if self._values == _MAX_VALUES + 1:
                self._fault(node, "the document holds too many values", "split it")
            return None
        self._document.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._fault(node, f"a value cannot be read: {error}", "write it as plain text")
            return None

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            # Keys are names here, so `on`, `1` and `null` are read as they are written.
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, "a key must be a plain name", "write NAME: VALUE")
                continue
            key = key_node.value
            if key in result:
                self._fault(key_node, f"the key {key!r} appears twice", "remove one")
                continue
            self._document.lines[(*place, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*place, key))
        return result

    def _fault(self, node: yaml.Node, message: str, remedy: str) -> None:
        finding = Finding(self._document.file, node.start_mark.line + 1, message, remedy)
        self._document.findings.append(finding)
