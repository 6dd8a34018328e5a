"""Where the parts of a YAML text are, to the character: for edits that leave all else alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

__all__ = ["Node", "Tree"]

Place = tuple[str | int, ...]


@dataclass
class Node:
    """A value of the text: characters from ``start`` to before ``end``.

    ``end`` of a block of YAML is the end of the last value in it: what follows (comments, blank
    lines) is not counted in.
    """

    kind: Literal["scalar", "alias", "mapping", "sequence"]
    start: int
    end: int
    flow: bool = True
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    value: str = ""

    def get(self, key: str) -> Node | None:
        """The value of a key; None where there is none."""
        return next((value for name, value in self.pairs if name.value == key), None)


class Tree:
    """The places of one text, which must be valid YAML (or JSON).

    Args:
        text: one document, as ``parse_document`` reads it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._dashes = [
            _index(token.start_mark)
            for token in yaml.scan(text, Loader=yaml.SafeLoader)
            if isinstance(token, yaml.BlockEntryToken)
        ]
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        event = next(self._events)
        while not isinstance(event, yaml.NodeEvent):
            event = next(self._events)
        self.root = self._node(event)

    def at(self, place: Place) -> Node | None:
        """The node at a path of keys and indexes; None where there is none."""
        node: Node | None = self.root
        for part in place:
            if node is None:
                return None
            if isinstance(part, int):
                node = node.items[part] if part < len(node.items) else None
            else:
                node = node.get(part)
        return node

    def column(self, index: int) -> int:
        """The column of a character, from 0."""
        return index - (self.text.rfind("\n", 0, index) + 1)

    def dash_column(self, item: Node) -> int:
        """The column of the dash before an item of a block sequence."""
        return self.column(self._dashes[bisect_left(self._dashes, item.start) - 1])

    def _node(self, event: yaml.Event) -> Node:
        start, end = _index(event.start_mark), _index(event.end_mark)
        if isinstance(event, yaml.AliasEvent):
            return Node("alias", start, end)
        if isinstance(event, yaml.ScalarEvent):
            return Node("scalar", start, end, value=event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            node = Node("sequence", start, end, bool(event.flow_style))
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                node.items.append(self._node(inner))
            last = node.items[-1] if node.items else None
        else:
            node = Node("mapping", start, end, bool(getattr(event, "flow_style", True)))
            while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
                node.pairs.append((self._node(inner), self._node(next(self._events))))
            last = node.pairs[-1][1] if node.pairs else None
        node.end = _index(inner.end_mark) if node.flow or last is None else last.end
        return node


def _index(mark: Any) -> int:
    """The stubs say that an event may have no mark; those of a parser all have one."""
    return int(mark.index)
