"""Cures for faults of AutoGen 0.7.5, applied once when this module is imported.

AutoGen is in maintenance mode, so its faults stay. Every cure has a regression test; all of them
rely on private parts, so the versions and those parts are checked first.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import TextMentionTermination
from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResult
from pydantic import BaseModel

from saaf_autogen.teams.content import clean, error_content
from saaf_autogen.teams.selfcheck import check_autogen

__all__ = ["install"]

_LOGGERS = (
    "autogen_core",
    "autogen_core.events",
    "autogen_core.trace",
    "autogen_agentchat",
    "autogen_agentchat.events",
)


_execute_tool_call = AssistantAgent._execute_tool_call


async def _contained_tool_call(
    tool_call: FunctionCall,
    workbench: Sequence[Any],
    handoff_tools: list[Any],
    agent_name: str,
    cancellation_token: Any,
    stream: asyncio.Queue[Any],
) -> tuple[FunctionCall, FunctionExecutionResult]:
    """Whatever a tool raises becomes an error result; raised, it would hang the agent for ever."""
    try:
        call, result = await _execute_tool_call(
            tool_call=tool_call,
            workbench=workbench,
            handoff_tools=handoff_tools,
            agent_name=agent_name,
            cancellation_token=cancellation_token,
            stream=stream,
        )
        return call, result.model_copy(update={"content": clean(result.content)})
    except asyncio.CancelledError:
        content = '{"error": "cancelled", "detail": "The call was cancelled."}'
    except Exception as error:  # the border to foreign tools: nothing may pass it raised
        content = error_content(error)
    return tool_call, FunctionExecutionResult(
        content=content, call_id=tool_call.id, is_error=True, name=tool_call.name
    )


class _TextMentionConfig(BaseModel):
    text: str
    sources: list[str] | None = None


def _text_mention_from_config(
    cls: type[TextMentionTermination], config: _TextMentionConfig
) -> TextMentionTermination:
    return cls(text=config.text, sources=config.sources)


def _text_mention_to_config(self: TextMentionTermination) -> _TextMentionConfig:
    sources = None if self._sources is None else list(self._sources)
    return _TextMentionConfig(text=self._termination_text, sources=sources)


class _Discreet(logging.Filter):
    """Keeps what messages, arguments, results and exceptions say out of AutoGen's logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str):
            said = f"{record.module}.{record.funcName}, line {record.lineno}"
        else:
            said = type(record.msg).__name__
        if record.exc_info and record.exc_info[0]:
            said = f"{said} ({record.exc_info[0].__name__})"
        record.msg, record.args = said, None
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def install() -> None:
    """Apply every cure; doing it again changes nothing."""
    check_autogen()
    # Only now: another AutoGen may lack the private modules that these import.
    from saaf_autogen.teams import economies, inner_agents, magentic

    # The runtime's spans carry whole messages.
    os.environ["AUTOGEN_DISABLE_RUNTIME_TRACING"] = "true"
    AssistantAgent._execute_tool_call = staticmethod(_contained_tool_call)  # type: ignore[method-assign]  # the cure itself
    # Stock, `sources` is dropped on loading, so that anybody's mention ends the run.
    TextMentionTermination.component_config_schema = _TextMentionConfig  # type: ignore[assignment]  # the cure itself
    TextMentionTermination._from_config = classmethod(_text_mention_from_config)  # type: ignore[method-assign, assignment]  # the cure itself
    TextMentionTermination._to_config = _text_mention_to_config  # type: ignore[method-assign, assignment]  # the cure itself
    inner_agents.install()
    magentic.install()
    economies.install()
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Discreet) for known in logger.filters):
            logger.addFilter(_Discreet())


install()
