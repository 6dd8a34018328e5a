"""A team's state as JSON, with what AutoGen's own state leaves out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from autogen_agentchat.agents import MessageFilterAgent, SocietyOfMindAgent
from autogen_agentchat.teams import GraphFlow
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager
from autogen_core import AgentId, SingleThreadedAgentRuntime

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.teams.content import clean_value
from saaf_autogen.teams.loading import LoadedAgent

__all__ = ["load_state", "save_state", "thread_of"]

_VERSION = 1


async def save_state(agent: LoadedAgent, **host: Any) -> dict[str, Any]:
    """The state after a turn, JSON-able; ``host`` is what the host keeps beside it."""
    inner = {key: await _save_part(part) for key, part in _forgotten(agent)}
    state = {
        "version": _VERSION,
        "agent": await agent.root.save_state(),
        "inner": {key: value for key, value in inner.items() if value},
        "host": host,
    }
    # Through JSON once, so that what is loaded later is what was tested here.
    plain: dict[str, Any] = clean_value(json.loads(json.dumps(state, default=str)))
    return plain


async def load_state(agent: LoadedAgent, state: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a fresh agent to a stored state; returns what the host kept.

    Raises:
        ConfigurationError: the state does not fit the agent.
    """
    if state.get("version") != _VERSION:
        raise ConfigurationError(
            "The stored state of the run has another format.", remedy="Start a new run."
        )
    try:
        await agent.root.load_state(state["agent"])
        for key, part in _forgotten(agent):
            if key in state["inner"]:
                await _load_part(part, state["inner"][key])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            "The stored state of the run does not fit its agent.", remedy="Start a new run."
        ) from error
    return dict(state["host"])


def thread_of(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a team so far, as its root manager holds them; empty for a single agent."""
    for member in state["agent"].get("agent_states", {}).values():
        if "message_thread" in member:
            thread: list[dict[str, Any]] = member["message_thread"]
            return thread
    return []


def _forgotten(agent: LoadedAgent) -> list[tuple[str, Any]]:
    kinds = (MessageFilterAgent, SocietyOfMindAgent, GraphFlow)
    return [
        (f"{index}:{path}", part)
        for index, (path, part) in enumerate(agent.parts)
        if isinstance(part, kinds)
    ]


async def _save_part(part: Any) -> Any:
    if isinstance(part, MessageFilterAgent):
        return await part._wrapped_agent.save_state()
    if isinstance(part, SocietyOfMindAgent):
        return await part.model_context.save_state()
    groups = (await _graph_manager(part))._triggered_activation_groups
    return {node: sorted(names) for node, names in groups.items() if names}


async def _load_part(part: Any, state: Any) -> None:
    if isinstance(part, MessageFilterAgent):
        await part._wrapped_agent.load_state(state)
    elif isinstance(part, SocietyOfMindAgent):
        await part.model_context.load_state(state)
    else:
        manager = await _graph_manager(part)
        manager._triggered_activation_groups = {node: set(names) for node, names in state.items()}


async def _graph_manager(team: GraphFlow) -> GraphFlowManager:
    runtime = team._runtime
    if not team._initialized or not isinstance(runtime, SingleThreadedAgentRuntime):
        await team._init(runtime)
    address = AgentId(type=team._group_chat_manager_topic_type, key=team._team_id)
    return await runtime.try_get_underlying_agent_instance(address, GraphFlowManager)
