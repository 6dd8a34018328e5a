"""A team's state as JSON, with what AutoGen's own state leaves out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from autogen_agentchat.agents import MessageFilterAgent, SocietyOfMindAgent
from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.teams import GraphFlow, SelectorGroupChat
from autogen_agentchat.tools import AgentTool, TeamTool

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.teams.conditions import condition_state, restore_condition
from saaf_autogen.teams.content import clean, clean_value
from saaf_autogen.teams.inner_agents import manager_of
from saaf_autogen.teams.loading import LoadedAgent

__all__ = ["load_state", "save_state"]

_VERSION = 1
_FORGOTTEN = (
    AgentTool,
    GraphFlow,
    MessageFilterAgent,
    SelectorGroupChat,
    SocietyOfMindAgent,
    TeamTool,
    TerminationCondition,
)


async def save_state(agent: LoadedAgent, *, finished: bool, **host: Any) -> dict[str, Any]:
    """The state after a turn, JSON-able.

    Args:
        agent: the agent, at rest.
        finished: whether the run is done: the thread's next run counts from the start.
        host: what the host keeps beside it.
    """
    inner = {
        key: await _save_part(part)
        for key, part in _forgotten(agent)
        if not (finished and isinstance(part, TerminationCondition))
    }
    state = {
        "version": _VERSION,
        "agent": await agent.root.save_state(),
        "inner": {key: value for key, value in inner.items() if value},
        "host": host,
    }
    # Through JSON once, so that what is loaded later is what was tested here.
    text = json.dumps(state, ensure_ascii=False, default=str)
    plain: dict[str, Any] = json.loads(text)
    return clean_value(plain) if _may_be_unstorable(text) else plain


async def load_state(agent: LoadedAgent, state: Mapping[str, Any]) -> None:
    """Bring a fresh agent to a stored state.

    Raises:
        ConfigurationError: the state does not fit the agent.
    """
    if state.get("version") != _VERSION:
        raise ConfigurationError(
            "The stored state of the run has another format.", remedy="Start a new run."
        )
    try:
        await agent.root.load_state(state["agent"])
        # Outer parts first: their states hold those of the parts within.
        for key, part in reversed(_forgotten(agent)):
            if key in state["inner"]:
                await _load_part(part, state["inner"][key])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            "The stored state of the run does not fit its agent.", remedy="Start a new run."
        ) from error


def _may_be_unstorable(text: str) -> bool:
    return "\\u0000" in text or clean(text) is not text


def _forgotten(agent: LoadedAgent) -> list[tuple[str, Any]]:
    return [
        (f"{index}:{path}", part)
        for index, (path, part) in enumerate(agent.parts)
        if isinstance(part, _FORGOTTEN)
    ]


async def _save_part(part: Any) -> Any:
    if isinstance(part, TerminationCondition):
        return condition_state(part)
    if isinstance(part, AgentTool | TeamTool):
        return await part.save_state_json()
    if isinstance(part, MessageFilterAgent):
        return await part._wrapped_agent.save_state()
    if isinstance(part, SocietyOfMindAgent):
        return await part.model_context.save_state()
    manager: Any = await manager_of(part)
    if isinstance(part, GraphFlow):
        groups = manager._triggered_activation_groups
        return {node: sorted(names) for node, names in groups.items() if names}
    # Rebuilt from the thread, a context would begin again with its initial messages.
    context = manager._model_context
    return await context.save_state() if context._initial_messages else None


async def _load_part(part: Any, state: Any) -> None:
    if isinstance(part, TerminationCondition):
        restore_condition(part, state)
    elif isinstance(part, AgentTool | TeamTool):
        await part.load_state_json(state)
    elif isinstance(part, MessageFilterAgent):
        await part._wrapped_agent.load_state(state)
    elif isinstance(part, SocietyOfMindAgent):
        await part.model_context.load_state(state)
    elif isinstance(part, GraphFlow):
        manager: Any = await manager_of(part)
        manager._triggered_activation_groups = {node: set(names) for node, names in state.items()}
    else:
        await (await manager_of(part))._model_context.load_state(state)  # type: ignore[attr-defined]  # a selector's
