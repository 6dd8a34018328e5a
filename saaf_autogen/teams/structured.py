"""Structured answers (``StructuredMessage[T]``) in teams, by the content model that a config names.

Stock, a team knows none of these messages but those of its ``custom_message_types``, which no
config can give: it fails as soon as an agent answers, and again when a state is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autogen_agentchat.messages import SelectorEvent, StructuredMessageFactory
from autogen_agentchat.teams import BaseGroupChat

from saaf_autogen.errors import ConfigurationError

__all__ = ["name_answers", "register_answers"]


def name_answers(config: dict[str, Any]) -> None:
    """Name the content model of an agent's answers after the agent, where it has no name."""
    factory = config.get("structured_message_factory")
    inner = factory.get("config") if isinstance(factory, dict) else None
    if isinstance(inner, dict) and not inner.get("content_model_name"):
        inner["content_model_name"] = f"{config.get('name')}_answer"


def register_answers(parts: Iterable[tuple[str, Any]], teams: Iterable[BaseGroupChat]) -> None:
    """Let every team take the structured messages of every agent within it or around it.

    Raises:
        ConfigurationError: two different content models have one name.
    """
    known: dict[str, tuple[type[Any], Any]] = {SelectorEvent.__name__: (SelectorEvent, None)}
    for path, part in parts:
        if not isinstance(part, StructuredMessageFactory):
            continue
        message = part.StructuredMessage
        schema = part.ContentModel.model_json_schema()
        _, other = known.setdefault(message.__name__, (message, schema))
        if other != schema:
            raise ConfigurationError(
                f"The answers of {path} have the name {part.ContentModel.__name__}, which other "
                "answers of another shape have too.",
                remedy="Give each structured_message_factory a content_model_name of its own.",
            )
    for team in teams:
        for message, _ in known.values():
            if not team._message_factory.is_registered(message):
                team._message_factory.register(message)
