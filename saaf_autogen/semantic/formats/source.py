"""Reading a foreign file: typed access that remembers lines, and what nobody read of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from saaf_autogen.errors import Finding
from saaf_autogen.settings import Document

__all__ = ["Node", "Report"]

Place = tuple[str | int, ...]
_CAMEL = re.compile(r"_([a-z])")


@dataclass
class Report:
    """What an import has to tell.

    Attributes:
        faults: why the source cannot be read; any of them stops the import.
        left_out: what the source says and the result does not.
        policies: access rules that became no grant, or a narrower one.
        notes: what was decided for the reader, who may decide otherwise.
    """

    faults: list[Finding] = field(default_factory=list)
    left_out: list[Finding] = field(default_factory=list)
    policies: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)


class Node:
    """A mapping of a foreign file.

    Each ``get`` of whatever type marks its key as read; ``report_unread`` tells of all others. A
    value of the wrong type is a fault of the file at its line.
    """

    def __init__(self, document: Document, report: Report, value: Any, place: Place = ()) -> None:
        self.document = document
        self.report = report
        self.place = place
        self.data: dict[str, Any] = value if isinstance(value, dict) else {}
        self._read: set[str] = set()
        self._children: dict[Place, Node] = {}

    def __contains__(self, key: str) -> bool:
        return self.data.get(self._key(key)) is not None

    @property
    def line(self) -> int:
        """The line where the mapping starts."""
        return self.document.line(self.place)

    def raw(self, key: str) -> Any:
        """A value of any type, or None."""
        key = self._key(key)
        self._read.add(key)
        return self.data.get(key)

    def text(self, *keys: str, required: bool = False) -> str | None:
        """The first of the keys that holds text or a number, without blanks around it."""
        for key in keys:
            value = self.raw(key)
            if value is None:
                continue
            if isinstance(value, bool | int | float):
                return str(value).lower() if isinstance(value, bool) else str(value)
            if not isinstance(value, str):
                self.fault(key, f"{key} is no text", "write text, in quotes if need be")
                return None
            if value.strip():
                return value.strip()
        if required:
            self.fault(None, f"{keys[0]} is required", "add it")
        return None

    def flag(self, key: str) -> bool | None:
        """True or false, or None where the key is absent."""
        value = self.raw(key)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if value is not None and not isinstance(value, bool):
            self.fault(key, f"{key} is neither true nor false", "write true or false")
            return None
        return value

    def node(self, key: str) -> Node | None:
        """A mapping below this one."""
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.fault(key, f"{key} is no mapping", "write KEY: VALUE below it")
            return None
        return self._child((self._key(key),), value)

    def nodes(self, key: str) -> list[Node]:
        """The mappings of a list; an entry that is none is a fault."""
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(key, f"{key} is no list", "write a list: a line with `-` for each")
            return []
        found: list[Node] = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                found.append(self._child((self._key(key), index), item))
            elif item is not None:
                self.fault(key, f"an entry of {key} is no mapping", "write - KEY: VALUE", index)
        return found

    def texts(self, key: str) -> list[str]:
        """A list of texts; one text alone is a list of one."""
        value = self.raw(key)
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            self.fault(key, f"{key} is no list of names", "write [a, b]")
            return []
        return [str(item).strip() for item in items if str(item).strip()]

    def ignore(self, *keys: str) -> None:
        """Take keys as read that hold nothing which could get lost."""
        self._read.update(self._key(key) for key in keys)

    def fault(self, key: str | None, message: str, remedy: str, *below: str | int) -> None:
        """Tell that the file is wrong here."""
        self.report.faults.append(self._finding(key, message, remedy, below))

    def leave_out(self, key: str | None, message: str, remedy: str = "") -> None:
        """Tell that something is not in the result."""
        self.report.left_out.append(self._finding(key, message, remedy, ()))

    def deny(self, key: str | None, message: str, remedy: str) -> None:
        """Tell that an access rule is not, or only more narrowly, in the result."""
        self.report.policies.append(self._finding(key, message, remedy, ()))

    def note(self, key: str | None, message: str, remedy: str) -> None:
        """Tell what was decided."""
        self.report.notes.append(self._finding(key, message, remedy, ()))

    def states(self, key: str) -> bool:
        """Whether the key is written at all, be it with nothing behind it."""
        return self._key(key) in self.data

    def unknown(self, *known: str) -> list[str]:
        """The keys that are none of these, in snake or camel case."""
        folded = {self._key(key) for key in known}
        return [key for key in self.data if key not in folded]

    def report_unread(self, *, within: str = "") -> None:
        """Tell of every key, here and below, that nobody read."""
        name = str(self.data.get("name") or within)
        for key, value in self.data.items():
            if key not in self._read and value not in (None, "", [], {}):
                label = f"{key} of {name}" if name else key
                self.leave_out(key, f"{label} has no place in a semantic file")
        for child in self._children.values():
            child.report_unread(within=name)

    def _child(self, below: Iterable[str | int], value: Any) -> Node:
        place = (*self.place, *below)
        if place not in self._children:
            self._children[place] = Node(self.document, self.report, value, place)
        return self._children[place]

    def _finding(
        self, key: str | None, message: str, remedy: str, below: Iterable[str | int]
    ) -> Finding:
        place = self.place if key is None else (*self.place, self._key(key), *below)
        return self.document.finding(place, message, remedy)

    def _key(self, key: str) -> str:
        if key in self.data:
            return key
        camel = _CAMEL.sub(lambda match: match[1].upper(), key)
        return camel if camel in self.data else key

    def walk(self) -> Iterator[Node]:
        """This node and all that were read below it."""
        yield self
        for child in self._children.values():
            yield from child.walk()
