"""Component paths: where each part of an agent stands, by names that hold when it is loaded again.

``team/analyst`` is an agent of the root team, ``team/inner/clerk`` one of a team within it,
``team/analyst/tool:writer/writer`` the agent behind a tool. A team's own model client stands at
``team/selector`` or ``team/orchestrator``; any other at the path of its agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saaf_autogen.teams.providers import MODEL_CLIENT, TOOLS, WORKBENCH

__all__ = ["Paths"]

_OWN_MODELS = {
    "autogen_agentchat.teams.SelectorGroupChat": "selector",
    "autogen_agentchat.teams.MagenticOneGroupChat": "orchestrator",
}


class Paths:
    """Follows a loader into components and out of them."""

    def __init__(self) -> None:
        self._steps: list[str] = []
        self._entered: list[tuple[str, Mapping[str, Any]]] = []

    def enter(self, provider: str, config: Mapping[str, Any]) -> str:
        """The path of a component that is about to be loaded."""
        step = self._step(provider, config)
        self._entered.append((provider, config))
        self._steps.append(step)
        return "/".join(part for part in self._steps if part)

    def leave(self) -> None:
        """The component is loaded."""
        self._entered.pop()
        self._steps.pop()

    def _step(self, provider: str, config: Mapping[str, Any]) -> str:
        """What a component adds to the path; nothing for one that its owner stands for."""
        kind, name = provider.split(".")[-2:]  # the loader takes no name without a dot
        if provider == MODEL_CLIENT:
            return self._model(*self._entered[-1]) if self._entered else ""
        if kind == "teams":
            return str(config.get("name") or name) if self._entered else "team"
        if provider in TOOLS:
            return f"tool:{config.get('name') or _name(config.get('agent')) or name}"
        if provider == WORKBENCH or (kind != "agents" and "name" not in config):
            return ""
        return str(config.get("name") or name)

    @staticmethod
    def _model(provider: str, config: Mapping[str, Any]) -> str:
        role = _OWN_MODELS.get(provider, "")
        members = {_name(member) for member in config.get("participants", ())}
        return f"{role}:model" if role in members else role


def _name(component: Any) -> str | None:
    config = component.get("config") if isinstance(component, Mapping) else None
    name = config.get("name") if isinstance(config, Mapping) else None
    return str(name) if name else None
