"""Whether the installed AutoGen is the one whose private parts SAAF relies on.

It runs when AutoGen is first used, so that another version is told from the start and not by a run
that goes wrong. Nothing private is imported before the versions are known.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from saaf_autogen.errors import ConfigurationError

__all__ = ["AUTOGEN_VERSION", "check_autogen"]

AUTOGEN_VERSION = "0.7.5"
_PACKAGES = ("autogen-core", "autogen-agentchat", "autogen-ext")
_CHAT = "autogen_agentchat"
_TEAMS = "autogen_agentchat.teams._group_chat"
_RUNTIME = "autogen_core._single_threaded_agent_runtime"
# Methods, with the names of their parameters.
_METHODS = (
    (
        f"{_CHAT}.agents.AssistantAgent._execute_tool_call",
        "tool_call workbench handoff_tools agent_name cancellation_token stream",
    ),
    (f"{_CHAT}.agents.UserProxyAgent.on_messages_stream", "self messages cancellation_token"),
    (f"{_CHAT}.conditions.TextMentionTermination._from_config", "config"),
    (f"{_CHAT}.conditions.TextMentionTermination._to_config", "self"),
    (f"{_CHAT}.messages.MessageFactory.is_registered", "self message_type"),
    (f"{_CHAT}.messages.MessageFactory.register", "self message_type"),
    (f"{_CHAT}.teams.BaseGroupChat._init", "self runtime"),
    (
        f"{_CHAT}.teams.BaseGroupChat.run_stream",
        "self task cancellation_token output_task_messages",
    ),
    (f"{_CHAT}.tools._task_runner_tool.TaskRunnerTool.run", "self args cancellation_token"),
    (f"{_CHAT}.tools._task_runner_tool.TaskRunnerTool.run_stream", "self args cancellation_token"),
    (
        f"{_TEAMS}._base_group_chat_manager.BaseGroupChatManager.update_message_thread",
        "self messages",
    ),
    (
        f"{_TEAMS}._magentic_one._magentic_one_orchestrator.MagenticOneOrchestrator.handle_start",
        "self message ctx",
    ),
    (
        f"{_TEAMS}._magentic_one._magentic_one_orchestrator"
        ".MagenticOneOrchestrator._orchestrate_step",
        "self cancellation_token",
    ),
    ("autogen_core.ComponentLoader.load_component", "model expected"),
    ("autogen_core.RoutedAgent._discover_handlers", ""),
    (
        "autogen_core.SingleThreadedAgentRuntime.try_get_underlying_agent_instance",
        "self id type",
    ),
    (f"{_RUNTIME}.RunContext._run", "self"),
    (
        "autogen_core.tools.StaticStreamWorkbench.call_tool_stream",
        "self name arguments cancellation_token call_id",
    ),
)
# What objects of a class hold, as __init__ sets it.
_ATTRIBUTES = (
    (f"{_CHAT}.agents.AssistantAgent", "_workbench"),
    (f"{_CHAT}.agents.MessageFilterAgent", "_wrapped_agent"),
    (f"{_CHAT}.agents.SocietyOfMindAgent", "_model_context _team"),
    (f"{_CHAT}.agents.UserProxyAgent", "_is_async input_func"),
    (f"{_CHAT}.base.AndTerminationCondition", "_stop_messages"),
    (f"{_CHAT}.conditions.TextMentionTermination", "_sources _termination_text"),
    (f"{_CHAT}.conditions.TimeoutTermination", "_start_time"),
    (f"{_CHAT}.messages.StructuredMessageFactory", "ContentModel StructuredMessage"),
    (
        f"{_CHAT}.teams.BaseGroupChat",
        "_group_chat_manager_topic_type _initialized _max_turns _message_factory "
        "_participant_names _participants _runtime _team_id _termination_condition",
    ),
    (f"{_CHAT}.tools._task_runner_tool.TaskRunnerTool", "_task_runner"),
    (
        f"{_TEAMS}._base_group_chat_manager.BaseGroupChatManager",
        "_active_speakers _group_topic_type _output_message_queue",
    ),
    (
        f"{_TEAMS}._graph._digraph_group_chat.GraphFlowManager",
        "_triggered_activation_groups",
    ),
    (
        f"{_TEAMS}._magentic_one._magentic_one_orchestrator.MagenticOneOrchestrator",
        "_n_rounds _plan",
    ),
    (f"{_TEAMS}._selector_group_chat.SelectorGroupChatManager", "_model_context"),
    ("autogen_core.SingleThreadedAgentRuntime", "_background_tasks _run_context"),
    ("autogen_core._telemetry.TraceHelper", "tracer_provider"),
    (f"{_RUNTIME}.RunContext", "_run_task"),
    ("autogen_core.model_context.ChatCompletionContext", "_initial_messages _messages"),
    ("autogen_core.tools.StaticWorkbench", "_tools"),
)


def check_autogen() -> None:
    """Refuse any AutoGen but the one whose private parts we know.

    Raises:
        ConfigurationError: another version is installed, or a private part is gone or has changed.
    """
    for package in _PACKAGES:
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "none"
        if found != AUTOGEN_VERSION:
            raise ConfigurationError(
                f"SAAF needs {package} {AUTOGEN_VERSION} exactly, and {found} is installed.",
                remedy=f"Run: pip install '{package}=={AUTOGEN_VERSION}'",
            )
    for fault in _faults():
        raise ConfigurationError(
            f"AutoGen's {fault}, which SAAF relies on.",
            remedy="Reinstall the AutoGen packages; they seem to be altered.",
        )


def _faults() -> Iterator[str]:
    for place, expected in _METHODS:
        owner_place, _, name = place.rpartition(".")
        owner = _class(owner_place)
        method = getattr(owner, name, None)
        if owner is None or method is None:
            yield f"{owner_place} lacks {name}"
            continue
        parameters = " ".join(inspect.signature(method).parameters)
        if parameters != expected:
            yield f"{place} takes ({parameters}) and not ({expected})"
    for place, names in _ATTRIBUTES:
        owner = _class(place)
        known = set() if owner is None else _set_by_init(owner)
        for name in names.split():
            if name not in known:
                yield f"{place} lacks {name}"


def _class(place: str) -> type[Any] | None:
    module, _, name = place.rpartition(".")
    try:
        found: type[Any] | None = getattr(import_module(module), name, None)
    except ImportError:
        return None
    return found


def _set_by_init(owner: type[Any]) -> set[str]:
    """Every name that the class's own and inherited ``__init__`` use."""
    names: set[str] = set()
    for base in owner.__mro__:
        code = getattr(vars(base).get("__init__"), "__code__", None)
        if code is not None:
            names.update(code.co_names)
    return names
