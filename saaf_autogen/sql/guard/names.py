"""Names that the guard makes: none of them occurs anywhere in the caller's text."""

from __future__ import annotations

from sqlglot import exp

from saaf_autogen.sql.guard.plan import Scalar

__all__ = ["Binder", "FreshNames"]


class FreshNames:
    """A source of names under a prefix that the caller's text does not contain."""

    def __init__(self, sql: str) -> None:
        text, number = sql.lower(), 0
        while (prefix := f"saaf{number or ''}_") in text:
            number += 1
        self._prefix = prefix
        self._count = 0

    def make(self, kind: str) -> str:
        """A new name."""
        self._count += 1
        return f"{self._prefix}{kind}{self._count}"


class Binder:
    """Collects values that go to the engine beside the SQL and never within it.

    Attributes:
        values: by the names that they have in the SQL.
        callers: which of those are the caller's parameters, and what the caller calls them.
    """

    def __init__(self, names: FreshNames) -> None:
        self._names = names
        self._known: dict[tuple[type, Scalar], str] = {}
        self.values: dict[str, Scalar] = {}
        self.callers: dict[str, str] = {}

    def bind(self, value: Scalar) -> exp.Placeholder:
        """A placeholder for a value of ours; equal values of a type share one."""
        key = (type(value), value)
        name = self._known.get(key)
        if name is None:
            name = self._known[key] = self._names.make("p")
            self.values[name] = value
        return exp.Placeholder(this=name)

    def bind_caller(self, parameter: str, value: Scalar) -> exp.Placeholder:
        """A placeholder for a parameter of the caller's."""
        name = next((name for name, of in self.callers.items() if of == parameter), None)
        if name is None:
            name = self._names.make("p")
            self.values[name] = value
            self.callers[name] = parameter
        return exp.Placeholder(this=name)
