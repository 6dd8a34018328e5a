"""Contexts with vectors: the real model, an endpoint that is slow or down, callers with grants."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from saaf_autogen.auth.access import Comparison
from saaf_autogen.embeddings import (
    Embedder,
    EndpointEmbedder,
    Kind,
    LocalEmbedder,
    VectorCache,
    VectorLibrary,
    local,
)
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.context import ContextBuilder, context
from saaf_autogen.semantic.loader import load_semantic
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.settings import EmbeddingSettings
from saaf_autogen.testing.openai_server import Failure, OpenAIServer, Reply, Vectors
from tests.semantic.conftest import make_access

QUESTION = "How late did Delta depart on average?"
# No word of it is in the sample's semantic layer.
MEANT = "Was it stormy and chilly?"
Documents = npt.NDArray[np.float32]


class Recording(LocalEmbedder):
    """The real model; remembers the texts that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: list[str] = []

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Documents:
        if kind == "document":
            self.documents += texts
        return await super().embed(texts, kind=kind)


@pytest.fixture(scope="module")
def model() -> Recording:
    return Recording()


@pytest.fixture
async def build() -> AsyncIterator[Callable[..., ContextBuilder]]:
    built: list[ContextBuilder] = []

    def make(embedder: Embedder, cache: Path | None = None, **more: Any) -> ContextBuilder:
        library = VectorLibrary(embedder, VectorCache(cache) if cache else None)
        built.append(ContextBuilder(library, **{"patience_s": 60, **more}))
        return built[-1]

    yield make
    for builder in built:
        await builder.close()


async def test_a_table_is_found_by_its_meaning(
    everything: SemanticView, model: Recording, build: Callable[..., ContextBuilder]
) -> None:
    value = await build(model).context(MEANT, everything)

    assert value["retrieval"] == {"vectors": True, "note": None}
    assert value["tables"][0] == "weather"
    assert "temp DOUBLE" in value["text"]


async def test_the_verified_query_that_answers_stays_first(
    everything: SemanticView, model: Recording, build: Callable[..., ContextBuilder]
) -> None:
    fused = await build(model).context(QUESTION, everything)

    assert fused["verified_queries"][0] == context(QUESTION, everything)["verified_queries"][0]
    assert fused["tables"][0] == "flights"
    assert json.loads(json.dumps(fused)) == fused


async def test_a_foreign_question_is_near_to_no_verified_query(
    everything: SemanticView, model: Recording, build: Callable[..., ContextBuilder]
) -> None:
    value = await build(model).context("What did the bank lend to farmers?", everything)

    assert all(item["score"] < 0.6 for item in value["verified_queries"])


async def test_hidden_columns_tables_and_values_are_never_embedded(
    sample: SemanticCatalog, build: Callable[..., ContextBuilder]
) -> None:
    model = Recording()
    hide: dict[str, list[str] | None] = {
        "flights": ["tailnum"],
        "planes": ["tailnum", "manufacturer"],
        "weather": None,
    }
    rows = {"flights": Comparison("carrier", "eq", "B6")}
    view = SemanticView(sample, make_access(sample, hide=hide, rows=rows))

    value = await build(model).context("registration and maker of aircraft in the rain", view)

    assert value["retrieval"]["vectors"]
    said = "\n".join(model.documents).casefold()
    assert "flights" in said
    for hidden in ("tail", "registration", "manufacturer", "weather", "visib", "precip", "delta"):
        assert hidden not in said, hidden
    assert "weather" not in value["tables"]


async def test_what_another_caller_may_see_does_not_reach_this_one(
    sample: SemanticCatalog, everything: SemanticView, build: Callable[..., ContextBuilder]
) -> None:
    hide: dict[str, list[str] | None] = {"weather": None}
    narrow = SemanticView(sample, make_access(sample, hide=hide))
    model = Recording()
    builder = build(model)
    alone = await build(Recording()).context(MEANT, narrow)

    await builder.context(MEANT, everything)
    value = await builder.context(MEANT, narrow)

    assert value == alone
    assert "weather" not in json.dumps(value["tables"])


async def test_vectors_are_shared_by_callers_and_kept_over_a_restart(
    sample: SemanticCatalog,
    everything: SemanticView,
    tmp_path: Path,
    build: Callable[..., ContextBuilder],
) -> None:
    cache = tmp_path / "vectors.sqlite"
    first, second = Recording(), Recording()
    await build(first, cache).context(QUESTION, everything)
    hide: dict[str, list[str] | None] = {"weather": None}
    narrow = SemanticView(sample, make_access(sample, hide=hide))
    builder = build(second, cache)

    fresh = await builder.context(QUESTION, everything)
    await builder.context(QUESTION, narrow)

    assert len(first.documents) == len(set(first.documents)) > 50
    assert second.documents == []
    assert fresh["retrieval"]["vectors"]


SHOP = """
name: shop
saaf: {{warehouse: main, dialect: duckdb}}
tables:
- name: orders
  base_table: {{schema: sales, table: orders}}
  dimensions:
  - {{name: id, expr: id, data_type: NUMBER}}
  - {{name: buyer, expr: buyer, data_type: VARCHAR, description: {said}}}
- name: parcels
  base_table: {{schema: sales, table: parcels}}
  dimensions:
  - {{name: id, expr: id, data_type: NUMBER}}
"""


async def test_a_changed_file_has_its_new_texts_embedded_and_no_others(
    folder: Callable[..., Path], tmp_path: Path, build: Callable[..., ContextBuilder]
) -> None:
    cache = tmp_path / "cache" / "vectors.sqlite"
    seen: list[list[str]] = []
    for said in ("Who pays", "Who is billed"):
        catalog = load_semantic(folder(shop=SHOP.format(said=said)), {"main": "duckdb"})
        model = Recording()
        view = SemanticView(catalog, make_access(catalog))
        await build(model, cache).context("Who bought most?", view)
        seen.append(model.documents)

    assert len(seen[0]) == 7
    assert seen[1] == ["orders buyer. Who is billed"]


class Endpoint:
    """A script of an endpoint that can be told to wait or to fail."""

    def __init__(self) -> None:
        self.failing = False
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, body: dict[str, Any]) -> Reply:
        self.gate.wait(10)
        if self.failing:
            return Failure(500)
        rows = [
            np.frombuffer(text.encode().ljust(64, b"x")[:64], np.uint8) for text in body["input"]
        ]
        return Vectors([[float(value) for value in row] for row in rows])


def endpoint(url: str) -> EndpointEmbedder:
    settings = EmbeddingSettings(provider="openai", model="m", base_url=url, timeout_s=5)
    return EndpointEmbedder(settings, {})


async def test_full_text_answers_at_once_and_vectors_follow(
    everything: SemanticView, build: Callable[..., ContextBuilder]
) -> None:
    script = Endpoint()
    script.gate.clear()
    with OpenAIServer(script) as server:
        builder = build(endpoint(server.base_url), patience_s=0.05)
        first = await builder.context(QUESTION, everything)
        script.gate.set()
        for _ in range(200):
            later = await builder.context(QUESTION, everything)
            if later["retrieval"]["vectors"]:
                break
            await asyncio.sleep(0.02)
        await builder.close()

    expected = context(QUESTION, everything)
    note = "Found by full text alone: the vectors are still being made."
    assert first == expected | {"retrieval": {"vectors": False, "note": note}}
    assert later["retrieval"] == {"vectors": True, "note": None}


async def test_an_endpoint_that_is_down_is_said_and_full_text_answers(
    everything: SemanticView, build: Callable[..., ContextBuilder]
) -> None:
    script = Endpoint()
    script.failing = True
    with OpenAIServer(script) as server:
        builder = build(endpoint(server.base_url), retry_s=0.1)
        first = await builder.context(QUESTION, everything)
        asked = len(server.requests)
        again = await builder.context(QUESTION, everything)
        left_alone = len(server.requests) == asked
        script.failing = False
        await asyncio.sleep(0.15)
        healed = await builder.context(QUESTION, everything)
        script.failing = True
        failed = await builder.context(QUESTION, everything)
        await builder.close()

    note = "Found by full text alone: The embeddings endpoint answered with status 500."
    assert first["retrieval"] == failed["retrieval"] == {"vectors": False, "note": note}
    assert first == again == context(QUESTION, everything) | {"retrieval": first["retrieval"]}
    assert left_alone
    assert healed["retrieval"] == {"vectors": True, "note": None}


async def test_an_endpoint_that_hangs_does_not_hold_a_question_up(
    everything: SemanticView, build: Callable[..., ContextBuilder]
) -> None:
    script = Endpoint()
    with OpenAIServer(script) as server:
        builder = build(endpoint(server.base_url), question_s=0.2)
        await builder.context(QUESTION, everything)
        script.gate.clear()
        started = asyncio.get_running_loop().time()
        value = await builder.context(QUESTION, everything)
        took = asyncio.get_running_loop().time() - started
        script.gate.set()
        await builder.close()

    assert took < 2
    assert value["tables"][0] == "flights"
    assert "took too long" in value["retrieval"]["note"]


async def test_a_model_that_cannot_be_loaded_leaves_full_text(
    everything: SemanticView,
    build: Callable[..., ContextBuilder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = dataclasses.replace(local._MODEL, package="no_such_package")
    monkeypatch.setattr(local, "_MODEL", gone)

    value = await build(LocalEmbedder()).context(QUESTION, everything)

    assert value["tables"][0] == "flights"
    assert "the package no_such_package is not installed" in value["retrieval"]["note"]


async def test_many_first_questions_make_the_vectors_once(
    everything: SemanticView, build: Callable[..., ContextBuilder]
) -> None:
    model = Recording()
    builder = build(model)

    values = await asyncio.gather(*(builder.context(QUESTION, everything) for _ in range(8)))

    assert all(value == values[0] for value in values)
    assert len(model.documents) == len(set(model.documents))
