"""All actions of a host, by name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import ModuleType

from saaf_autogen.actions.declaration import declaration_of
from saaf_autogen.actions.definition import ActionDefinition
from saaf_autogen.errors import ConfigurationError, NotFound

__all__ = ["ActionRegistry"]

_NAME = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*\.[a-z][a-z0-9]*(_[a-z0-9]+)*$")


class ActionRegistry:
    """Actions by name. Two of one name, or of one tool name, are an error."""

    def __init__(self) -> None:
        self._actions: dict[str, ActionDefinition] = {}
        self._tools: dict[str, str] = {}

    def add(self, definition: ActionDefinition) -> None:
        """Register an action."""
        name, tool = definition.spec.name, definition.spec.tool_name
        if not _NAME.match(name):
            raise ConfigurationError(
                f"{name!r} is no name for an action.", remedy="Use pack.verb_noun, in lower case."
            )
        if name in self._actions:
            raise ConfigurationError(
                f"Two actions are named {name}.", remedy="Rename one with @action(name=…)."
            )
        if tool in self._tools:
            raise ConfigurationError(
                f"{name} and {self._tools[tool]} would both be the tool {tool}.",
                remedy="Rename one with @action(name=…).",
            )
        self._actions[name] = definition
        self._tools[tool] = name

    def add_module(self, module: ModuleType, *, pack: str) -> None:
        """Register every action that a module defines itself (imported ones are not taken)."""
        for value in vars(module).values():
            declaration = declaration_of(value)
            if declaration and inspect.getmodule(value) is module:
                self.add(ActionDefinition.of(value, declaration, pack=pack))

    def get(self, name: str) -> ActionDefinition:
        """The action, or ``NotFound``."""
        try:
            return self._actions[name]
        except KeyError:
            raise NotFound(
                f"There is no action {name!r}.", remedy="GET /v1/actions lists them."
            ) from None

    def __iter__(self) -> Iterator[ActionDefinition]:
        return iter(sorted(self._actions.values(), key=lambda each: each.spec.name))
