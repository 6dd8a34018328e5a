"""Which AutoGen components a configuration may name. A config is code: it is checked before import.

AutoGen imports the module of any ``provider`` and builds its object before it looks at the type,
and some components (``FunctionTool``) execute source code that the config holds. So providers are
allowed by their exact names, at every depth, and nothing is imported for the check.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AGENTS",
    "ALLOWED_PROVIDERS",
    "MODEL_CLIENT",
    "TEAMS",
    "TOOLS",
    "TOOL_WORKBENCH",
    "WORKBENCH",
    "Place",
    "Refusal",
    "allowed_providers",
    "check_providers",
    "remedy_for",
]

MODEL_CLIENT = "saaf_autogen.ModelClient"
WORKBENCH = "saaf_autogen.ActionWorkbench"
# Holds agents and teams as tools beside actions; what it holds is checked like everything else.
TOOL_WORKBENCH = "autogen_core.tools.StaticStreamWorkbench"
Place = tuple[str | int, ...]


def _names(module: str, *names: str) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for name in names)


TEAMS = _names(
    "autogen_agentchat.teams",
    "GraphFlow",
    "MagenticOneGroupChat",
    "RoundRobinGroupChat",
    "SelectorGroupChat",
    "Swarm",
)
AGENTS = _names(
    "autogen_agentchat.agents",
    "AssistantAgent",
    "MessageFilterAgent",
    "SocietyOfMindAgent",
    "UserProxyAgent",
)
TOOLS = _names("autogen_agentchat.tools", "AgentTool", "TeamTool")
_ANSWERS = _names("autogen_agentchat.messages", "StructuredMessageFactory")
_CONDITIONS = _names(
    "autogen_agentchat.conditions",
    "ExternalTermination",
    "FunctionCallTermination",
    "HandoffTermination",
    "MaxMessageTermination",
    "SourceMatchTermination",
    "StopMessageTermination",
    "TextMentionTermination",
    "TextMessageTermination",
    "TimeoutTermination",
    "TokenUsageTermination",
) | _names("autogen_agentchat.base", "AndTerminationCondition", "OrTerminationCondition")
_CONTEXTS = _names(
    "autogen_core.model_context",
    "BufferedChatCompletionContext",
    "HeadAndTailChatCompletionContext",
    "TokenLimitedChatCompletionContext",
    "UnboundedChatCompletionContext",
)
ALLOWED_PROVIDERS = (
    TEAMS
    | AGENTS
    | TOOLS
    | _ANSWERS
    | _CONDITIONS
    | _CONTEXTS
    | {MODEL_CLIENT, WORKBENCH, TOOL_WORKBENCH}
)

# Keys of AutoGen's configs under which only components stand: never bare values.
_COMPONENT_LISTS = frozenset({"tools", "workbench", "memory", "participants", "conditions"})
_COMPONENTS = frozenset(
    {
        "agent",
        "client",
        "code_executor",
        "executor",
        "model_client",
        "model_context",
        "store",
        "structured_message_factory",
        "team",
        "termination_condition",
        "wrapped_agent",
    }
)
# Texts that AutoGen gives to str.format, with the names that it fills in; none: a message's fields.
_FORMATS: Mapping[str, tuple[str, ...]] = {
    "format_string": (),
    "selector_prompt": ("roles", "participants", "history"),
    "tool_call_summary_format": ("tool_name", "arguments", "result", "is_error"),
}
_USE_ACTION = f"Write it as an @action in tools/ and offer it through {WORKBENCH}."
_USE_MODEL = (
    f"Name a model of saaf.yaml: {{provider: {MODEL_CLIENT}, config: {{name: default}}}}; "
    "its key stays in the environment."
)
_NO_CODE = "Code execution is not offered to agents yet; write the step as an @action in tools/."
_NO_MEMORY = "Agents' memory is not offered yet; put fixed facts into the system message."
_BY_PART = (
    ("ChatCompletionC", _USE_MODEL),
    ("chat_completion_client", _USE_MODEL),
    ("OfflineModel", _USE_MODEL),
    (".models.", _USE_MODEL),
    ("FunctionTool", f"It executes source code out of the config. {_USE_ACTION}"),
    ("CodeExecut", _NO_CODE),
    ("code_execut", _NO_CODE),
    ("mcp", f"It starts programs or carries credentials. {_USE_ACTION}"),
    ("tools.http", f"Its headers are static and it takes errors for results. {_USE_ACTION}"),
    ("HttpTool", f"Its headers are static and it takes errors for results. {_USE_ACTION}"),
    ("cache", "Remove the cache; SAAF records model calls itself."),
    ("emory", _NO_MEMORY),
    ("Workbench", f"Use {WORKBENCH} with `actions: [...]`."),
    (".tools.", _USE_ACTION),
)


@dataclass(frozen=True)
class Refusal:
    """A place of a config that may not be loaded.

    ``place`` is the path of keys and indexes to the offending value.
    """

    place: Place
    message: str
    remedy: str


def allowed_providers(trusted: Iterable[str] = ()) -> frozenset[str]:
    """The exact names that may be loaded, with those that the deployment trusts besides."""
    return ALLOWED_PROVIDERS | frozenset(trusted)


def remedy_for(provider: str) -> str:
    """What to write instead of a provider that is refused."""
    for part, remedy in _BY_PART:
        if part in provider:
            return remedy
    return "Use an AutoGen component that SAAF allows, or list the exact name in trusted_providers."


def check_providers(config: Any, trusted: Iterable[str] = ()) -> list[Refusal]:
    """Every reason not to load a config, found without importing anything.

    Args:
        config: plain data, as YAML or JSON gives it.
        trusted: further exact providers, from ``trusted_providers`` of ``saaf.yaml``.
    """
    if not isinstance(config, Mapping) or "provider" not in config:
        return [
            Refusal((), "an AutoGen component with `provider` and `config` is expected", "add them")
        ]
    return list(_walk(config, (), allowed_providers(trusted)))


def _walk(value: Any, place: Place, allowed: frozenset[str]) -> Iterator[Refusal]:
    if isinstance(value, Mapping):
        if "provider" in value:
            yield from _provider(value["provider"], (*place, "provider"), allowed)
            config = value.get("config")
            for key, item in config.items() if isinstance(config, Mapping) else ():
                yield from _shape(str(key), item, (*place, "config", key))
        for key, item in value.items():
            yield from _walk(item, (*place, key), allowed)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, (*place, index), allowed)


def _provider(provider: Any, place: Place, allowed: frozenset[str]) -> Iterator[Refusal]:
    if not isinstance(provider, str):
        yield Refusal(place, "provider must be a name", "write the component's full name")
    elif provider not in allowed:
        yield Refusal(place, f"the provider {provider!r} may not be loaded", remedy_for(provider))


def _shape(key: str, value: Any, place: Place) -> Iterator[Refusal]:
    if value is None:
        return
    if key in _COMPONENTS and not _is_component(value):
        yield Refusal(place, f"{key} must be a component with a `provider`", "write it as one")
    elif key in _COMPONENT_LISTS:
        items = value if isinstance(value, list | tuple) else [value]
        for index, item in enumerate(items):
            if not _is_component(item):
                message = f"{key} may hold only components with a `provider`"
                yield Refusal((*place, index), message, _USE_ACTION)
    elif key in _FORMATS and not _is_plain_format(value, _FORMATS[key]):
        names = ", ".join(f"{{{name}}}" for name in _FORMATS[key]) or "names of fields in braces"
        yield Refusal(place, f"{key} may hold only {names}", "write them without . and :")
    elif key == "tool_overrides" and value:
        message = "AutoGen calls a tool that is renamed here by its new name and finds none"
        yield Refusal(place, message, "name the agent or the TeamTool itself as the tool is to be")


def _is_component(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("provider"), str)


def _is_plain_format(value: Any, names: Sequence[str]) -> bool:
    # str.format reaches attributes and pads to any width.
    try:
        parts = list(string.Formatter().parse(value))
    except (TypeError, ValueError):
        return False
    return all(
        name is None or (not spec and _is_plain_name(name, names)) for _, name, spec, _ in parts
    )


def _is_plain_name(name: str, names: Sequence[str]) -> bool:
    return name in names if names else name.isidentifier()
