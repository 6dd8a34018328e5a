"""The offline model behind AutoGen's protocol for models."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal

from autogen_core import CancellationToken, Component, FunctionCall
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from saaf_autogen.errors import ModelFailed
from saaf_autogen.teams.offline.conversation import Call, next_step

__all__ = ["OFFLINE_INFO", "OfflineModel", "OfflineModelConfig"]

OFFLINE_INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=False,
    family="unknown",
    structured_output=False,
    multiple_system_messages=True,
)
_NOTHING = RequestUsage(prompt_tokens=0, completion_tokens=0)


class OfflineModelConfig(BaseModel):
    """Nothing to set."""

    model_config = {"extra": "forbid"}


class OfflineModel(ChatCompletionClient, Component[OfflineModelConfig]):
    """No language model: a deterministic planner, so that a deployment runs without any key.

    The same messages and tools give the same answer. It answers what a verified query of the
    semantic layer answers, says which, and declines everything else.
    """

    component_type = "model"
    component_config_schema = OfflineModelConfig
    component_provider_override = "saaf_autogen.OfflineModel"

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """The next tool call, or what to say.

        Raises:
            ModelFailed: JSON was asked for, which it does not write.
        """
        if json_output:
            raise ModelFailed(
                "The offline model does not write JSON.",
                remedy="Name a language model in saaf.yaml for this agent.",
                extra={"kind": "unsupported"},
            )
        offered = [] if tool_choice == "none" else [_name(tool) for tool in tools]
        step = next_step(messages, offered)
        if isinstance(step, Call):
            call = FunctionCall(
                id=f"offline-{_calls(messages) + 1}",
                name=step.name,
                arguments=json.dumps(step.arguments, ensure_ascii=False),
            )
            return CreateResult(
                finish_reason="function_calls", content=[call], usage=_NOTHING, cached=False
            )
        return CreateResult(finish_reason="stop", content=step, usage=_NOTHING, cached=False)

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """The same, with its words one by one before."""
        result = await self.create(
            messages, tools=tools, tool_choice=tool_choice, json_output=json_output
        )
        if isinstance(result.content, str):
            for piece in re.findall(r"\S+\s*|\s+", result.content):
                yield piece
        yield result

    async def close(self) -> None:
        """Nothing to close."""

    def actual_usage(self) -> RequestUsage:
        """No tokens."""
        return _NOTHING

    def total_usage(self) -> RequestUsage:
        """No tokens."""
        return _NOTHING

    def count_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()
    ) -> int:
        """About four characters a token."""
        return sum(len(message.model_dump_json()) for message in messages) // 4

    def remaining_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()
    ) -> int:
        """It reads as much as there is."""
        return 1_000_000

    @property
    def model_info(self) -> ModelInfo:
        """Tools, and nothing else."""
        return OFFLINE_INFO

    @property
    def capabilities(self) -> ModelInfo:
        """The same as ``model_info``."""
        return OFFLINE_INFO

    def _to_config(self) -> OfflineModelConfig:
        return OfflineModelConfig()

    @classmethod
    def _from_config(cls, config: OfflineModelConfig) -> OfflineModel:  # noqa: ARG003  # AutoGen's
        return cls()


def _name(tool: Tool | ToolSchema) -> str:
    return tool.name if isinstance(tool, Tool) else tool["name"]


def _calls(messages: Sequence[LLMMessage]) -> int:
    return sum(
        len(message.content)
        for message in messages
        if isinstance(message, AssistantMessage) and isinstance(message.content, list)
    )
