"""Vectors from an endpoint that speaks OpenAI's /embeddings, as vLLM, Ollama and TEI do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from saaf_autogen.embeddings.embedder import Kind
from saaf_autogen.errors import ConfigurationError, SaafError, TimedOut, Upstream
from saaf_autogen.settings import EmbeddingSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from saaf_autogen.embeddings.embedder import Vectors

__all__ = ["EndpointEmbedder"]

_OPENAI_URL = "https://api.openai.com/v1"
_NO_KEY = "no-key"
_MOST_CHARS = 8_000
_MAX_RESPONSE_BYTES = 64_000_000
_LARGEST_DIMENSION = 16_384
_KEY = "Check the key in the variable that `embeddings.api_key_env` names."
_ADDRESS = "Check `embeddings.base_url` and `embeddings.model` in saaf.yaml."
_BY_STATUS = {
    401: ("did not accept the key", _KEY),
    403: ("does not allow this to the key", _KEY),
    404: ("was not found", _ADDRESS),
    429: ("is asked too often", "Try again later."),
}


class EndpointEmbedder:
    """An OpenAI-compatible embeddings endpoint.

    Connections belong to the event loop that made them: close it in each loop that used it.

    Args:
        settings: ``embeddings`` of saaf.yaml, with provider ``openai``.
        environ: where the key is.

    Attributes:
        model: the endpoint's address, model and asked dimensions.
        dimension: as asked, else as first answered; 0 until then.
        batch: texts of a request.

    Raises:
        ConfigurationError: the key is missing.
    """

    def __init__(self, settings: EmbeddingSettings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._url = settings.base_url or _OPENAI_URL
        self._key = _key(settings, environ)
        self.model = f"{self._url}|{settings.model}|{settings.dimensions or 'whole'}"
        self.dimension = settings.dimensions or 0
        self.batch = settings.batch
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = (
            WeakKeyDictionary()
        )

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Vectors:
        """Vectors of texts, (texts, dimension); the first 8,000 characters of each count.

        Raises:
            TimedOut: it took longer than ``timeout_s``.
            Upstream: it could not be asked, or answered with something else.
        """
        import numpy as np

        parts = [
            await self._request(texts[start : start + self.batch])
            for start in range(0, len(texts), self.batch)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    async def close(self) -> None:
        """Close the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    async def _request(self, texts: Sequence[str]) -> Vectors:
        from openai import OpenAIError

        # An empty text is refused by some endpoints; a space means as little.
        asked: dict[str, Any] = {"input": [text[:_MOST_CHARS] or " " for text in texts]}
        if self._settings.dimensions:
            asked["dimensions"] = self._settings.dimensions
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                answer = await self._client().embeddings.create(
                    model=str(self._settings.model), encoding_format="float", **asked
                )
            return self._read(answer, len(texts))
        except TimeoutError as error:
            raise _timed_out() from error
        except (OpenAIError, _TooLarge) as error:
            raise _typed(error) from error
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            # The SDK passes on whatever JSON came; any of these means it was no such answer.
            raise _failed("gave an answer that cannot be read", _ADDRESS) from error

    def _read(self, answer: Any, count: int) -> Vectors:
        import numpy as np

        rows = sorted(answer.data, key=lambda item: int(item.index))
        if [int(row.index) for row in rows] != list(range(count)):
            raise _failed(f"gave {len(rows)} vectors for {count} texts", _ADDRESS)
        lengths = {len(row.embedding) for row in rows}
        if len(lengths) != 1 or not lengths <= {self.dimension or next(iter(lengths))}:
            raise _failed("gave vectors of another dimension", "Check `embeddings.dimensions`.")
        (length,) = lengths
        if not 0 < length <= _LARGEST_DIMENSION:
            raise _failed("gave vectors of no usable dimension", _ADDRESS)
        vectors = np.asarray([row.embedding for row in rows], np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        # NaN and infinity would make every later comparison silently false.
        if vectors.shape != (count, length) or not np.isfinite(norms).all() or not norms.all():
            raise _failed("gave vectors that are no numbers", _ADDRESS)
        self.dimension = length
        result: Vectors = (vectors / norms).astype(np.float32)
        return result

    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = AsyncOpenAI(
                api_key=self._key,
                base_url=self._url,
                timeout=self._settings.timeout_s,
                max_retries=1,
                # Packed, a small answer may hold any number of bytes.
                default_headers={"Accept-Encoding": "identity"},
                # Texts of the semantic layer go to the address that was configured alone.
                http_client=DefaultAsyncHttpxClient(
                    event_hooks={"response": [_limit]}, follow_redirects=False
                ),
            )
        return client


def _key(settings: EmbeddingSettings, environ: Mapping[str, str]) -> str:
    variable = settings.api_key_env or (None if settings.base_url else "OPENAI_API_KEY")
    if variable is None:
        return _NO_KEY
    key = environ.get(variable, "").strip()
    if not key:
        raise ConfigurationError(
            f"The embeddings need a key and the environment variable {variable} is not set.",
            remedy=f"Set {variable}, or set `embeddings.provider` in saaf.yaml to local.",
        )
    return key


def _failed(what: str, remedy: str) -> Upstream:
    return Upstream(f"The embeddings endpoint {what}.", remedy=remedy)


def _timed_out() -> TimedOut:
    return TimedOut(
        "The embeddings endpoint took too long to answer.",
        remedy="Raise `embeddings.timeout_s` in saaf.yaml, or lower `embeddings.batch`.",
    )


def _typed(error: Exception) -> SaafError:
    """An error of the SDK without its words, which may hold keys and texts."""
    from openai import APITimeoutError

    link: BaseException | None = error
    for _ in range(10):
        if isinstance(link, _TooLarge):
            return _failed("answered with more than is read", "Lower `embeddings.batch`.")
        link = link.__cause__ or link.__context__ if link else None
    if isinstance(error, APITimeoutError):
        return _timed_out()
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        what, remedy = _BY_STATUS.get(status, (f"answered with status {status}", _ADDRESS))
        return _failed(what, remedy)
    return _failed("could not be reached or read", _ADDRESS)


class _TooLarge(Exception):
    """A response passed the limit on its bytes while it was read, or came packed."""


async def _limit(response: Any) -> None:
    from httpx2 import AsyncByteStream

    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _TooLarge
    stream = response.stream

    class Limited(AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            total = 0
            async for chunk in stream:
                total += len(chunk)
                if total > _MAX_RESPONSE_BYTES:
                    raise _TooLarge
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    response.stream = Limited()
