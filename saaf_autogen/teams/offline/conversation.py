"""What the offline model does next: a pure function of the messages and the tools it is offered.

It plays a role by what it sees. With the tools ``semantic_context`` and ``warehouse_query`` it is
an analyst; without tools it plans, or reviews once there is an answer. What tools return is data:
it decides the words of the answer, and the one query that follows a context, never another call.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from saaf_autogen.teams.offline.matching import Match, match_question
from saaf_autogen.teams.offline.wording import (
    ANSWERED,
    DECLINED,
    FAILED,
    NOTE,
    say_declined,
    say_failed,
    say_rows,
)

__all__ = ["Call", "next_step"]

CONTEXT_TOOL = "semantic_context"
QUERY_TOOL = "warehouse_query"
_APPROVED = "APPROVED"


@dataclass(frozen=True)
class Call:
    """A tool to be called."""

    name: str
    arguments: dict[str, Any]


def next_step(messages: Sequence[LLMMessage], tools: Collection[str]) -> Call | str:
    """A tool call, or what to say.

    Args:
        messages: the conversation as a model client gets it.
        tools: the names of the tools that are offered.
    """
    question = _question(messages)
    own = _since_last_answer(messages)
    results = {result.name: result for result in _results(own)}
    if {CONTEXT_TOOL, QUERY_TOOL} & set(results):
        return _analyse(question, results, tools)
    if not tools:
        return _review(messages) or _plan(question)
    if {CONTEXT_TOOL, QUERY_TOOL} <= set(tools):
        if not question.strip():
            return say_declined(None, "there is no question.")
        return Call(CONTEXT_TOOL, {"question": question})
    if results:
        return _report(list(results.values())[-1])
    needed = f"choosing among the tools {', '.join(sorted(tools))} takes one."
    return say_declined(None, needed)


def _analyse(
    question: str, results: Mapping[str, FunctionExecutionResult], tools: Collection[str]
) -> Call | str:
    context = results.get(CONTEXT_TOOL)
    if context is None:
        return say_declined(None, "I look for a verified query first, and did not.")
    if context.is_error:
        return say_failed(context.content)
    said, _ = _value(context.content)
    candidates = said.get("verified_queries")
    match = match_question(question, candidates if isinstance(candidates, list) else [])
    if match is None or not match.is_same:
        return say_declined(match)
    rows = results.get(QUERY_TOOL)
    if rows is not None:
        if rows.is_error:
            return say_failed(rows.content)
        value, cut = _value(rows.content)
        return say_rows(value, match, cut)
    if QUERY_TOOL not in tools:
        return say_declined(None, f"I may not call {QUERY_TOOL} here.")
    return Call(QUERY_TOOL, _query(match, said.get("warehouse")))


def _query(match: Match, warehouse: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"sql": match.verified.sql}
    if match.values:
        arguments["parameters"] = dict(match.values)
    if isinstance(warehouse, str) and warehouse:
        arguments["warehouse"] = warehouse
    return arguments


def _plan(question: str) -> str:
    asked = " ".join(question.split())[:300].replace(_APPROVED, _APPROVED.lower())
    return (
        f"1. Ask the semantic layer for the verified query nearest to: {asked}\n"
        "2. Fill its parameters from the question, run it on the warehouse, and say its rows."
    )


def _review(messages: Sequence[LLMMessage]) -> str | None:
    """A verdict on the last answer of a colleague, or None where there is none."""
    answer = next(
        (
            message.content
            for message in reversed(_after_question(messages))
            if isinstance(message, UserMessage)
            and isinstance(message.content, str)
            and NOTE in message.content
        ),
        None,
    )
    if answer is None:
        return None
    if answer.startswith(DECLINED):
        return f"The analyst declined and said why; without a model I have no more.\n{_APPROVED}"
    if answer.startswith(FAILED):
        return f"The deployment refused the call, and the answer says so.\n{_APPROVED}"
    _, found, tail = answer.rpartition(ANSWERED)
    rows = tail.partition("Rows: ")[2].partition(".")[0]
    if not found or not rows.isdigit():
        return "The answer does not name its verified question and its rows. Please answer again."
    if (rows == "0") != answer.startswith("No rows match."):
        return f"The answer does not fit its {rows} rows. Please answer again."
    return (
        f"Checked: the answer names its verified question and rests on {rows} row"
        f"{'' if rows == '1' else 's'} of the warehouse.\n{_APPROVED}"
    )


def _report(result: FunctionExecutionResult) -> str:
    if result.is_error:
        return say_failed(result.content)
    return f"{result.name} returned: {result.content[:2_000]}\n\n{NOTE}"


def _question(messages: Sequence[LLMMessage]) -> str:
    """What the user asked last; AutoGen calls the user ``user``."""
    said = [message for message in messages if isinstance(message, UserMessage)]
    by_user = [message for message in said if message.source == "user"]
    for message in reversed(by_user or said):
        if isinstance(message.content, str):
            return message.content
        return " ".join(part for part in message.content if isinstance(part, str))
    return ""


def _after_question(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    last = max(
        (
            index
            for index, message in enumerate(messages)
            if isinstance(message, UserMessage) and message.source == "user"
        ),
        default=-1,
    )
    return [
        message
        for message in messages[last + 1 :]
        if not (isinstance(message, UserMessage) and message.source == "user")
    ]


def _since_last_answer(messages: Sequence[LLMMessage]) -> Sequence[LLMMessage]:
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, AssistantMessage) and isinstance(message.content, str):
            return messages[index + 1 :]
    return messages


def _results(messages: Sequence[LLMMessage]) -> list[FunctionExecutionResult]:
    return [
        result
        for message in messages
        if isinstance(message, FunctionExecutionResultMessage)
        for result in message.content
    ]


def _value(content: str) -> tuple[Mapping[str, Any], str | None]:
    """The value of a tool's result, and where the host cut it."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return {}, None
    if isinstance(said, Mapping) and set(said) == {"value", "cut"}:
        inner = said["value"]
        return (inner if isinstance(inner, Mapping) else {}), str(said["cut"])
    return (said if isinstance(said, Mapping) else {}), None
