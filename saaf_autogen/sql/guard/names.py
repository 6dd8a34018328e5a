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
    """Collects values that go to the engine beside the SQL and never within it."""

    def __init__(self, names: FreshNames) -> None:
        self._names = names
        self._by_value: dict[tuple[type, Scalar], str] = {}
        self.values: dict[str, Scalar] = {}

    def bind(self, value: Scalar) -> exp.Placeholder:
        """A placeholder for ``value``; equal values of a type share one."""
        key = (type(value), value)
        name = self._by_value.get(key)
        if name is None:
            name = self._by_value[key] = self._names.make("p")
            self.values[name] = value
        return exp.Placeholder(this=name)
