"""A definition becomes AutoGen objects, under guard; what must be bound is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import ComponentLoader, ComponentModel
from pydantic import ValidationError

from saaf_autogen.errors import ConfigurationError, SaafError
from saaf_autogen.teams import faults
from saaf_autogen.teams.models import ModelClient
from saaf_autogen.teams.paths import Paths
from saaf_autogen.teams.providers import (
    AGENTS,
    TEAMS,
    TOOL_WORKBENCH,
    TOOLS,
    allowed_providers,
    check_providers,
    remedy_for,
)
from saaf_autogen.teams.structured import name_answers, register_answers
from saaf_autogen.teams.workbench import ActionWorkbench

__all__ = ["LoadedAgent", "completed", "load_agent"]

_KINDS = {
    **dict.fromkeys(TEAMS, "team"),
    **dict.fromkeys(AGENTS, "agent"),
    **dict.fromkeys(TOOLS, "tool"),
    TOOL_WORKBENCH: "workbench",
}

faults.install()


@dataclass
class LoadedAgent:
    """A team or a single agent, not bound to anything yet.

    ``models`` and ``workbenches`` come with the component path of the agent that owns them, such
    as ``team/analyst`` (``teams.paths``). ``teams`` holds the root team and every nested one,
    inner ones first. ``parts`` holds every component, inner ones first.
    """

    root: Team | ChatAgent
    models: list[tuple[str, ModelClient]] = field(default_factory=list)
    workbenches: list[tuple[str, ActionWorkbench]] = field(default_factory=list)
    teams: list[BaseGroupChat] = field(default_factory=list)
    parts: list[tuple[str, Any]] = field(default_factory=list)


class _Session:
    """One loading: what it may load, where it stands, and what it has loaded."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self.allowed = allowed
        self.paths = Paths()
        self.parts: list[tuple[str, Any]] = []

    def enter(self, model: ComponentModel) -> str:
        """The path of a component; refuses what may not be loaded."""
        if model.provider not in self.allowed:
            raise ConfigurationError(
                f"The provider {model.provider!r} may not be loaded.",
                remedy=remedy_for(model.provider),
            )
        return self.paths.enter(model.provider, model.config)


_session: ContextVar[_Session | None] = ContextVar("saaf_loading", default=None)
_load_component = ComponentLoader.__dict__["load_component"].__func__


def _guarded(cls: Any, model: Any, expected: Any = None) -> Any:
    """AutoGen's loader; while SAAF loads, nested components pass the allow-list as well."""
    session = _session.get()
    if session is None:
        return _load_component(cls, model, expected)
    loaded = ComponentModel(**model) if isinstance(model, Mapping) else model
    path = session.enter(loaded)
    try:
        part = _load_component(cls, loaded, expected)
        session.parts.append((path, part))
    finally:
        session.paths.leave()
    return part


ComponentLoader.load_component = classmethod(_guarded)  # type: ignore[method-assign, assignment]  # the second guard


def load_agent(config: Mapping[str, Any], trusted: Iterable[str] = ()) -> LoadedAgent:
    """Build the AutoGen objects of a config, none of them bound.

    Args:
        config: an AutoGen component config of a team or an agent.
        trusted: further exact providers, from ``trusted_providers`` of ``saaf.yaml``.

    Raises:
        ConfigurationError: it names a provider that may not be loaded, before anything is
            imported; or AutoGen refuses it.
    """
    refusals = check_providers(config, trusted)
    if refusals:
        raise ConfigurationError(
            "; ".join(f"{_place(refusal.place)}: {refusal.message}" for refusal in refusals[:5]),
            remedy=refusals[0].remedy,
        )
    session = _Session(allowed_providers(trusted))
    token = _session.set(session)
    try:
        root: Any = ComponentLoader.load_component(completed(config), object)
    except SaafError:
        raise
    except Exception as error:  # the border to AutoGen: whatever it refuses is the config's fault
        raise ConfigurationError(
            f"AutoGen cannot load this agent: {_reason(error)}.", remedy="Mend the agent's file."
        ) from error
    finally:
        _session.reset(token)
    if not isinstance(root, Team | ChatAgent):
        raise ConfigurationError(
            f"{type(root).__name__} is neither a team nor an agent.",
            remedy="Let the file's outermost provider be a team or an agent.",
        )
    teams = [part for _, part in session.parts if isinstance(part, BaseGroupChat)]
    register_answers(session.parts, teams)
    return LoadedAgent(
        root=root,
        models=[(path, part) for path, part in session.parts if isinstance(part, ModelClient)],
        workbenches=[
            (path, part) for path, part in session.parts if isinstance(part, ActionWorkbench)
        ],
        teams=teams,
        parts=session.parts,
    )


def completed(value: Any) -> Any:
    """A copy with what AutoGen's loader fails without: members' types, handoffs as objects.

    Structured answers get the name of their agent where they have none: teams tell them by it.
    """
    if isinstance(value, list | tuple):
        return [completed(item) for item in value]
    if not isinstance(value, Mapping):
        return deepcopy(value)
    result = {key: completed(item) for key, item in value.items()}
    provider = result.get("provider")
    if provider in _KINDS and result.get("component_type") is None:
        result["component_type"] = _KINDS[provider]
    config = result.get("config")
    if provider not in AGENTS or not isinstance(config, dict):
        return result
    if isinstance(config.get("handoffs"), list):
        config["handoffs"] = [
            {"target": item} if isinstance(item, str) else item for item in config["handoffs"]
        ]
    name_answers(config)
    return result


def _place(place: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in place) or "the config"


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        faults_found = error.errors(include_url=False, include_input=False)
        return "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in faults_found[:5])
    return f"{type(error).__name__}: {error}"
