"""A real HTTP endpoint on the loopback interface, in good and bad moods."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from saaf_autogen.embeddings import EndpointEmbedder, endpoint
from saaf_autogen.errors import ConfigurationError, SaafError, TimedOut, Upstream
from saaf_autogen.settings import EmbeddingSettings
from saaf_autogen.testing.openai_server import (
    Broken,
    Dropped,
    Failure,
    OpenAIServer,
    Reply,
    Slow,
    Vectors,
)


def settings(url: str, **more: Any) -> EmbeddingSettings:
    return EmbeddingSettings.model_validate(
        {"provider": "openai", "model": "small", "base_url": url, **more}
    )


def by_length(body: dict[str, Any]) -> Reply:
    return Vectors([[3.0 * len(text), 4.0 * len(text)] for text in body["input"]])


async def asked(reply: Reply, texts: Sequence[str] = ("a", "b"), **more: Any) -> Any:
    with OpenAIServer(lambda _: reply) as server:
        embedder = EndpointEmbedder(settings(server.base_url, **more), {})
        try:
            return await embedder.embed(texts, kind="document")
        finally:
            await embedder.close()


async def test_vectors_come_in_batches_in_order_and_of_length_one() -> None:
    with OpenAIServer(by_length) as server:
        embedder = EndpointEmbedder(settings(server.base_url, batch=2), {})
        vectors = await embedder.embed(["a", "bb", "ccc", "dddd", "eeeee"], kind="document")
        await embedder.close()

    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [[0.6, 0.8]] * 5)
    assert [body["input"] for body in server.requests] == [["a", "bb"], ["ccc", "dddd"], ["eeeee"]]
    assert {body["model"] for body in server.requests} == {"small"}
    assert {body["encoding_format"] for body in server.requests} == {"float"}
    assert embedder.dimension == 2


async def test_rows_are_put_in_the_order_of_their_index() -> None:
    body = {
        "object": "list",
        "model": "small",
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
        "data": [
            {"object": "embedding", "index": 1, "embedding": [0.0, 1.0]},
            {"object": "embedding", "index": 0, "embedding": [1.0, 0.0]},
        ],
    }

    vectors = await asked(Broken(json.dumps(body).encode()))

    assert vectors.tolist() == [[1.0, 0.0], [0.0, 1.0]]


async def test_the_key_comes_from_the_named_variable_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-someone-elses")
    with OpenAIServer(by_length) as server:
        keyed = EndpointEmbedder(settings(server.base_url, api_key_env="OUR_KEY"), {"OUR_KEY": "k"})
        bare = EndpointEmbedder(settings(server.base_url), {})
        for embedder in (keyed, bare):
            await embedder.embed(["a"], kind="query")
            await embedder.close()

    assert server.authorizations == ["Bearer k", "Bearer no-key"]


def test_a_missing_key_is_told_when_the_host_starts() -> None:
    with pytest.raises(ConfigurationError, match="OUR_KEY is not set"):
        EndpointEmbedder(settings("http://127.0.0.1:9", api_key_env="OUR_KEY"), {})
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set"):
        EndpointEmbedder(EmbeddingSettings(provider="openai", model="small"), {})


async def test_dimensions_are_asked_for_and_held_to() -> None:
    with OpenAIServer(by_length) as server:
        embedder = EndpointEmbedder(settings(server.base_url, dimensions=8), {})
        with pytest.raises(Upstream, match="another dimension"):
            await embedder.embed(["a"], kind="query")
        await embedder.close()

    assert server.requests[0]["dimensions"] == 8


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Vectors([[1.0, 2.0]]), "1 vectors for 2 texts"),
        (Vectors([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]), "3 vectors for 2 texts"),
        (Vectors([[1.0, 2.0], [1.0]]), "another dimension"),
        (Vectors([[], []]), "no usable dimension"),
        (Vectors([[1.0, math.nan], [1.0, 2.0]]), "no numbers"),
        (Vectors([[1.0, math.inf], [1.0, 2.0]]), "no numbers"),
        (Vectors([[0.0, 0.0], [1.0, 2.0]]), "no numbers"),
        (Vectors([[1e300, 1.0], [1.0, 2.0]]), "no numbers|cannot be read"),
        (Broken(b"<html>not here</html>", "text/html"), "cannot be read"),
        (Broken(b'{"data": [{"index": 0, "embedding": "AAAA"}]}'), "endpoint"),
        (Broken(b'{"data": null}'), "endpoint"),
        (Broken(b'{"data": [{"index": 0'), "read"),
        (Broken(b"[]"), "read"),
        (Failure(401, message="sk-secret is wrong"), "did not accept the key"),
        (Failure(404), "was not found"),
        (Failure(400), "status 400"),
        (Dropped(), "could not be reached"),
    ],
)
async def test_whatever_is_wrong_is_one_error_without_the_endpoints_words(
    reply: Reply, words: str
) -> None:
    with pytest.raises(Upstream, match=words) as caught:
        await asked(reply)

    assert "secret" not in str(caught.value)
    assert "html" not in str(caught.value)
    assert caught.value.remedy


async def test_a_slow_endpoint_is_given_up_after_the_time_limit() -> None:
    with pytest.raises(TimedOut, match="took too long"):
        await asked(Slow(5, Vectors([[1.0], [1.0]])), timeout_s=0.2)


async def test_an_endpoint_that_is_down_is_an_error_of_ours() -> None:
    embedder = EndpointEmbedder(settings("http://127.0.0.1:9/v1"), {})

    with pytest.raises(SaafError, match="could not be reached"):
        await embedder.embed(["a"], kind="query")
    await embedder.close()


async def test_an_endless_answer_is_read_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_MAX_RESPONSE_BYTES", 10_000)

    with pytest.raises(Upstream, match="more than is read"):
        await asked(Vectors([[1.0] * 5_000, [1.0] * 5_000]))


async def test_a_packed_answer_is_not_unpacked() -> None:
    body = json.dumps({"data": [{"index": 0, "embedding": [1.0, 0.0]}], "pad": "0" * 1_000_000})

    with _answering(200, {"Content-Encoding": "gzip"}, gzip.compress(body.encode())) as (url, asks):
        embedder = EndpointEmbedder(settings(url), {})
        with pytest.raises(Upstream, match="more than is read"):
            await embedder.embed(["a"], kind="query")
        await embedder.close()

    assert {ask["accept-encoding"] for ask in asks} == {"identity"}


async def test_a_redirect_takes_neither_texts_nor_the_key_elsewhere() -> None:
    with OpenAIServer(by_length) as elsewhere:
        target = f"{elsewhere.base_url}/embeddings"
        with _answering(307, {"Location": target}, b"") as (url, _):
            embedder = EndpointEmbedder(settings(url, api_key_env="OUR_KEY"), {"OUR_KEY": "k"})
            with pytest.raises(Upstream, match="status 307"):
                await embedder.embed(["a"], kind="query")
            await embedder.close()

        assert elsewhere.requests == []


@contextmanager
def _answering(
    status: int, headers: dict[str, str], body: bytes
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An endpoint that always gives this answer, and the headers that it was asked with."""
    asks: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asks.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", asks
        finally:
            server.shutdown()
            thread.join()


def test_connections_belong_to_their_event_loop() -> None:
    with OpenAIServer(by_length) as server:
        embedder = EndpointEmbedder(settings(server.base_url), {})

        async def once() -> tuple[int, ...]:
            vectors = await embedder.embed(["a"], kind="query")
            await embedder.close()
            return tuple(vectors.shape)

        assert [asyncio.run(once()) for _ in range(2)] == [(1, 2), (1, 2)]
