"""Edits of a semantic file that a person may have written: they add, and touch nothing else.

The text is never parsed and dumped again. New items go in between its lines, in the style that is
there; the result is read again and must hold the old data and the new, or there is no edit.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saaf_autogen.project.scaffolding.text import SAMPLED, flow, samples_mark, scalar
from saaf_autogen.project.scaffolding.tree import Node, Place, Tree
from saaf_autogen.semantic.model import SemanticModel, Table
from saaf_autogen.settings import parse_document

__all__ = ["CannotEdit", "Item", "TextEdit"]

_ORDER: dict[str, list[str]] = {
    "": list(SemanticModel.model_fields),
    "tables": list(Table.model_fields),
}
_MARKED = re.compile(r"[ \t]*" + SAMPLED.replace(" ", "[ ]") + r"([0-9a-f]{8})[ \t]*(?=\r?\n|$)")


class CannotEdit(ValueError):
    """The file is written in a way that leaves no safe place for the addition."""

    file: Path | None = None


@dataclass(frozen=True)
class Item:
    """An item to be appended to a list; ``data`` None is a comment, which JSON cannot hold."""

    lines: Sequence[str]
    data: Mapping[str, Any] | None


@dataclass(frozen=True)
class _Splice:
    start: int
    end: int
    text: str
    depth: float


class TextEdit:
    """Additions to one file.

    Args:
        text: the file as it is, with its own line ends.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._tree = Tree(text)
        self._data = parse_document(text, Path()).data
        self._expected = copy.deepcopy(self._data)
        self._items: dict[Place, list[Item]] = {}
        self._splices: list[_Splice] = []

    def append(self, place: Place, item: Item) -> None:
        """Append to the list at ``place``, which is made where it is missing."""
        self._items.setdefault(place, []).append(item)

    def is_sampled(self, place: Place) -> bool:
        """Whether the sample values of the field at ``place`` are the machine's own still."""
        node, data = self._tree.at(place), self._at(self._data, place)
        values = node.get("sample_values") if node else None
        if node is None or node.flow or values is None or values.kind != "sequence":
            return False
        mark = _MARKED.match(self.text, values.end)
        return mark is not None and samples_mark(data) == f"{SAMPLED}{mark.group(1)}"

    def resample(self, place: Place, data: Mapping[str, Any]) -> bool:
        """Put new machine-made samples in the place of old ones; False where they are equal.

        Args:
            place: of a field for which ``is_sampled`` holds.
            data: a field's plain data: its ``sample_values``, and ``is_enum`` where that is so.
        """
        old = self._at(self._expected, place)
        node = self._tree.at(place)
        new = {"is_enum": bool(data.get("is_enum")), "sample_values": list(data["sample_values"])}
        if node is None or samples_mark(new) == samples_mark(old):
            return False
        values = node.get("sample_values")
        mark = _MARKED.match(self.text, values.end) if values else None
        if values is None or mark is None:
            return False
        enum = node.get("is_enum")
        if enum is not None:
            self._splices.append(_Splice(enum.start, enum.end, scalar(new["is_enum"]), len(place)))
            old["is_enum"] = new["is_enum"]
        elif new["is_enum"]:
            key = next(name for name, _ in node.pairs if name.value == "sample_values")
            indent = " " * self._tree.column(key.start)
            line = f"is_enum: true{self._newline}{indent}"
            self._splices.append(_Splice(key.start, key.start, line, len(place)))
            old["is_enum"] = True
        text = f"{flow(new['sample_values'])}  {samples_mark(new)}"
        self._splices.append(_Splice(values.start, mark.end(), text, len(place)))
        old["sample_values"] = new["sample_values"]
        return True

    def result(self) -> str:
        """The new text.

        Raises:
            CannotEdit: an addition has no safe place; the file must be edited by hand.
        """
        splices = list(self._splices)
        for place, items in self._items.items():
            splices += self._append(place, items)
        # At one spot, what belongs to an inner list goes before what belongs to an outer one.
        splices.sort(key=lambda splice: (splice.start, -splice.depth))
        parts, done = [], 0
        for splice in splices:
            if splice.start < done:
                raise CannotEdit("two additions meet in one place")
            parts += [self.text[done : splice.start], splice.text]
            done = splice.end
        text = "".join([*parts, self.text[done:]])
        document = parse_document(text, Path())
        if document.findings or document.data != self._expected:
            raise CannotEdit("its anchors or its layout leave no safe place for additions")
        return text

    def _append(self, place: Place, items: Sequence[Item]) -> list[_Splice]:
        node = self._tree.at(place)
        if node is None:
            return self._new_list(place, items)
        if node.kind != "sequence":
            raise CannotEdit(f"{place[-1]} is an alias")
        self._expect(place, items)
        if node.flow:
            return self._flow_items(node, items, len(place))
        column = self._tree.dash_column(node.items[-1])
        lines = [line for item in items for line in item.lines]
        return [self._lines(node.end, lines, column, len(place))]

    def _new_list(self, place: Place, items: Sequence[Item]) -> list[_Splice]:
        """The list, as a new key of the mapping that shall hold it."""
        key = str(place[-1])
        parent = self._tree.at(place[:-1])
        if parent is None or parent.kind != "mapping" or not parent.pairs:
            raise CannotEdit(f"there is no place for {key}")
        order = _ORDER["tables" if len(place) > 1 else ""]
        before = [
            (order.index(name.value), value)
            for name, value in parent.pairs
            if name.value in order and order.index(name.value) < order.index(key)
        ]
        after = max(before, key=lambda each: each[0])[1] if before else parent.pairs[-1][1]
        plain = [item for item in items if item.data is not None]
        if plain:
            self._expect(place, items)
        if parent.flow:
            text = json.dumps([item.data for item in plain], ensure_ascii=False)
            return (
                [_Splice(after.end, after.end, f', "{key}": {text}', len(place))] if plain else []
            )
        column = self._tree.column(parent.pairs[0][0].start)
        lines = [line for item in items for line in item.lines]
        if plain:
            lines = ["", f"{key}:", *lines] if len(place) == 1 else [f"{key}:", *lines]
        return [self._lines(after.end, lines, column, len(place) - 0.5)]

    def _flow_items(self, node: Node, items: Sequence[Item], depth: int) -> list[_Splice]:
        texts = [json.dumps(item.data, ensure_ascii=False) for item in items if item.data]
        if not texts:
            return []
        if not node.items:
            start = self.text.index("[", node.start) + 1
            return [_Splice(start, start, ", ".join(texts), depth)]
        last = node.items[-1]
        separator = ", "
        if "\n" in self.text[node.start : last.start]:
            separator = "," + self._newline + " " * self._tree.column(last.start)
        text = "".join(f"{separator}{each}" for each in texts)
        return [_Splice(last.end, last.end, text, depth)]

    def _lines(self, end: int, lines: Sequence[str], column: int, depth: float) -> _Splice:
        """Lines below the value that ends at ``end``, and below comments that belong to it."""
        start = self._below(end, column)
        indent, newline = " " * column, self._newline
        text = "".join(f"{indent}{line}".rstrip(" ") + newline for line in lines)
        if start and self.text[start - 1] != "\n":
            text = newline + text
        return _Splice(start, start, text, depth)

    def _below(self, end: int, column: int) -> int:
        if not end or self.text[end - 1] != "\n":
            end = self.text.find("\n", end) + 1 or len(self.text)
        place = end
        while place < len(self.text):
            stop = self.text.find("\n", place) + 1 or len(self.text)
            line = self.text[place:stop]
            if line.strip() and not re.match(rf" {{{column + 1},}}#", line):
                break
            place = stop
            if line.strip():
                end = stop
        return end

    def _expect(self, place: Place, items: Sequence[Item]) -> None:
        parent = self._at(self._expected, place[:-1])
        parent.setdefault(place[-1], []).extend(
            copy.deepcopy(item.data) for item in items if item.data is not None
        )

    @staticmethod
    def _at(data: Any, place: Place) -> Any:
        for part in place:
            data = data[part]
        return data
