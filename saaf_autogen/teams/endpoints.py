"""From a model of saaf.yaml to the AutoGen client that talks to it. Keys come from the environment.

A client of AutoGen that is given only a ``base_url`` sends OPENAI_API_KEY there, so every key and
address is handed over explicitly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import partialmethod
from typing import Any, cast

from autogen_core.models import ChatCompletionClient, ModelInfo
from pydantic import BaseModel

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.settings import ModelSettings
from saaf_autogen.teams.model_faults import ResponseTooLarge

__all__ = ["check_model", "connect", "key_variable", "model_info"]

MAX_RESPONSE_BYTES = 8_000_000
_OPENAI_URL = "https://api.openai.com/v1"
_NO_KEY = "no-key"
_RESERVED = frozenset(
    {"model", "messages", "stream", "n", "tools", "tool_choice", "functions", "function_call"}
)
_CLIENT_OPTIONS = frozenset({"add_name_prefixes", "include_name_in_message"})
_ANTHROPIC_OPTIONS = frozenset(
    {"max_tokens", "metadata", "stop_sequences", "temperature", "thinking", "top_k", "top_p"}
)
_UNKNOWN_MODEL = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    family="unknown",
    structured_output=False,
    multiple_system_messages=False,
)


def key_variable(settings: ModelSettings) -> str | None:
    """The environment variable that must hold the key, or None where no key is needed."""
    if settings.api_key_env:
        return settings.api_key_env
    if settings.provider == "azure":
        return "AZURE_OPENAI_API_KEY"
    if settings.provider == "anthropic":
        return None if settings.base_url else "ANTHROPIC_API_KEY"
    if settings.provider == "openai":
        return None if settings.base_url else "OPENAI_API_KEY"
    return None


def model_info(settings: ModelSettings) -> ModelInfo:
    """What a model can do: as AutoGen knows it, a modest default else, settings over both."""
    info: dict[str, Any] = dict(_UNKNOWN_MODEL)
    if settings.provider == "offline":
        from saaf_autogen.teams.offline import OFFLINE_INFO

        info = dict(OFFLINE_INFO)
    elif settings.provider in ("openai", "azure") and settings.model:
        from autogen_ext.models.openai._model_info import get_info

        with suppress(KeyError, ValueError):
            info = dict(get_info(settings.model))
    elif settings.provider == "anthropic":
        info |= {"vision": True, "family": "claude-3-5-sonnet"}
    known = set(ModelInfo.__annotations__)
    unknown = sorted(set(settings.model_info or {}) - known)
    if unknown:
        raise ConfigurationError(
            f"model_info of {settings.model!r} holds unknown keys: {', '.join(unknown)}.",
            remedy=f"Known keys: {', '.join(sorted(known))}.",
        )
    info.update(settings.model_info or {})
    return cast(ModelInfo, info)


def check_model(name: str, settings: ModelSettings) -> None:
    """Refuse settings that no connection could be made with; nothing is connected.

    Raises:
        ConfigurationError: ``options`` or ``model_info`` hold unknown keys.
    """
    model_info(settings)
    if settings.options:
        _check_options(name, settings)


def connect(name: str, settings: ModelSettings, environ: Mapping[str, str]) -> ChatCompletionClient:
    """The AutoGen client of a model.

    Raises:
        ConfigurationError: its key is missing, an option is unknown, or its extra is not installed.
    """
    if settings.provider == "offline":
        from saaf_autogen.teams.offline import OfflineModel

        return OfflineModel()
    key = _key(name, settings, environ)
    if settings.provider == "anthropic":
        return _anthropic(name, settings, key)
    return _openai(name, settings, key)


def _key(name: str, settings: ModelSettings, environ: Mapping[str, str]) -> str:
    variable = key_variable(settings)
    if variable is None:
        return _NO_KEY
    key = environ.get(variable, "").strip()
    if not key:
        raise ConfigurationError(
            f"The model {name!r} needs a key and the environment variable {variable} is not set.",
            remedy=f"Set {variable}, or name another model in saaf.yaml.",
        )
    return key


def _openai(name: str, settings: ModelSettings, key: str) -> ChatCompletionClient:
    from autogen_ext.models.openai import (
        AzureOpenAIChatCompletionClient,
        BaseOpenAIChatCompletionClient,
        OpenAIChatCompletionClient,
    )
    from openai import DefaultAsyncHttpxClient
    from openai.types.chat import ParsedChatCompletion

    # AutoGen dumps each structured answer, and pydantic would warn of it in the answer's own words.
    ParsedChatCompletion.model_dump = partialmethod(BaseModel.model_dump, warnings=False)  # type: ignore[assignment, method-assign]  # the cure itself

    _check_options(name, settings)
    common: dict[str, Any] = {
        **settings.options,
        "model": settings.model,
        "api_key": key,
        "timeout": settings.timeout_s,
        "max_retries": settings.max_retries,
        "model_info": model_info(settings),
        "http_client": DefaultAsyncHttpxClient(event_hooks={"response": [_limit]}),
    }
    client: BaseOpenAIChatCompletionClient
    if settings.provider == "azure":
        client = AzureOpenAIChatCompletionClient(
            **common,
            azure_endpoint=str(settings.base_url),
            azure_deployment=str(settings.azure_deployment),
            api_version=settings.api_version or "2024-10-21",
        )
    else:
        client = OpenAIChatCompletionClient(**common, base_url=settings.base_url or _OPENAI_URL)
    # Proxies and local servers answer under other names; AutoGen would warn at each call.
    client._resolved_model = None
    return client


def _anthropic(name: str, settings: ModelSettings, key: str) -> ChatCompletionClient:
    try:
        from autogen_ext.models.anthropic import AnthropicChatCompletionClient
    except ImportError as error:
        raise ConfigurationError(
            f"The model {name!r} needs the Anthropic SDK, which is not installed.",
            remedy="Run: pip install 'saaf-autogen[anthropic]'",
        ) from error
    _check_options(name, settings)
    arguments: dict[str, Any] = {
        **settings.options,
        "model": settings.model,
        "api_key": key,
        "timeout": settings.timeout_s,
        "max_retries": settings.max_retries,
        "model_info": model_info(settings),
        "base_url": settings.base_url or "https://api.anthropic.com",
    }
    return AnthropicChatCompletionClient(**arguments)


def _check_options(name: str, settings: ModelSettings) -> None:
    known: frozenset[str] = frozenset()
    if settings.provider == "anthropic":
        known = _ANTHROPIC_OPTIONS
    elif settings.provider != "offline":
        from autogen_ext.models.openai._openai_client import create_kwargs

        known = (frozenset(create_kwargs) - _RESERVED) | _CLIENT_OPTIONS
    unknown = sorted(set(settings.options) - known)
    if unknown:
        raise ConfigurationError(
            f"The model {name!r} has unknown options: {', '.join(unknown)}.",
            remedy=f"Known options: {', '.join(sorted(known)) or 'none'}.",
        )


async def _limit(response: Any) -> None:
    response.stream = _LimitedStream(response.stream)


class _LimitedStream:
    """A response's bytes, up to the limit; the HTTP client reads it like the stream it wraps."""

    def __new__(cls, stream: Any) -> Any:
        from httpx2 import AsyncByteStream

        class Limited(AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                total = 0
                async for chunk in stream:
                    total += len(chunk)
                    if total > MAX_RESPONSE_BYTES:
                        raise ResponseTooLarge
                    yield chunk

            async def aclose(self) -> None:
                await stream.aclose()

        return Limited()
