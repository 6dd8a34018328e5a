from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from saaf_autogen.embeddings import Kind, VectorCache, VectorLibrary
from saaf_autogen.embeddings.cache import vector_key


class Counting:
    """An embedder of ours whose work is counted: a hash of the text for a vector."""

    batch = 4

    def __init__(self, model: str = "m1", dimension: int = 16) -> None:
        self.model = model
        self.dimension = dimension
        self.texts: list[str] = []

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> npt.NDArray[np.float32]:
        self.texts += texts
        rows = [
            np.random.default_rng(list(f"{self.model}{text}".encode())).normal(size=self.dimension)
            for text in texts
        ]
        made = np.array(rows, np.float32)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made

    async def close(self) -> None:
        """Nothing is open."""


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def read(path: Path) -> bytes:
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors" / "default.sqlite"


async def test_a_text_is_embedded_once_and_then_read_from_disk(path: Path) -> None:
    first, second = Counting(), Counting()

    made = await VectorLibrary(first, VectorCache(path)).documents(["a", "b", "a", "c"])
    again = await VectorLibrary(second, VectorCache(path)).documents(["c", "a", "b", "a"])

    assert first.texts == ["a", "b", "c"]
    assert second.texts == []
    assert np.array_equal(made[[3, 0, 1, 2]], again)


async def test_only_new_texts_are_embedded_when_some_change(path: Path) -> None:
    await VectorLibrary(Counting(), VectorCache(path)).documents(["a", "b", "c"])
    later = Counting()

    await VectorLibrary(later, VectorCache(path)).documents(["a", "b2", "c"])

    assert later.texts == ["b2"]


async def test_models_do_not_share_vectors(path: Path) -> None:
    one = await VectorLibrary(Counting("m1"), VectorCache(path)).documents(["a"])
    other = Counting("m2")

    two = await VectorLibrary(other, VectorCache(path)).documents(["a"])

    assert other.texts == ["a"]
    assert not np.allclose(one, two)


@pytest.mark.parametrize(
    "content",
    [b"not a database", b"", b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["text", "empty", "zeros", "damaged"],
)
async def test_a_damaged_file_is_made_anew(path: Path, content: bytes) -> None:
    write(path, content)

    for _ in range(3):
        embedder = Counting()
        made = await VectorLibrary(embedder, VectorCache(path)).documents(["a", "b"])
        assert made.shape == (2, 16)

    assert embedder.texts == []


async def test_a_file_cut_short_is_made_anew(path: Path) -> None:
    texts = [f"text {index}" for index in range(400)]
    whole = await VectorLibrary(Counting(), VectorCache(path)).documents(texts)
    write(path, read(path)[: len(read(path)) // 2])

    for _ in range(3):
        embedder = Counting()
        assert np.array_equal(
            await VectorLibrary(embedder, VectorCache(path)).documents(texts), whole
        )

    assert embedder.texts == []


async def test_a_file_of_another_shape_is_made_anew(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE vectors (other TEXT)")
    connection.close()

    for _ in range(3):
        embedder = Counting()
        await VectorLibrary(embedder, VectorCache(path)).documents(["a"])

    assert embedder.texts == []


async def test_a_vector_with_a_flipped_bit_is_made_again(path: Path) -> None:
    await VectorLibrary(Counting(), VectorCache(path)).documents(["a", "b"])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(64) WHERE id = 1")
    connection.close()
    later = Counting()

    await VectorLibrary(later, VectorCache(path)).documents(["a", "b"])

    assert later.texts == ["a"]


async def test_a_locked_or_unwritable_file_costs_time_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saaf_autogen.embeddings.cache._BUSY_S", 0.05)
    await VectorLibrary(Counting(), VectorCache(path)).documents(["a"])
    with sqlite3.connect(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        embedder = Counting()
        made = await VectorLibrary(embedder, VectorCache(path)).documents(["a", "b"])
        other.rollback()
    other.close()

    assert made.shape == (2, 16)
    assert embedder.texts == ["a", "b"]
    assert VectorCache(path).get([vector_key("m1", "a")])
    folder = path.parent / "folder"
    folder.mkdir()
    assert (await VectorLibrary(Counting(), VectorCache(folder)).documents(["a"])).shape == (1, 16)


async def test_vectors_of_another_dimension_under_the_same_name_are_void(path: Path) -> None:
    await VectorLibrary(Counting(dimension=16), VectorCache(path)).documents(["a", "b"])
    wider = Counting(dimension=32)

    made = await VectorLibrary(wider, VectorCache(path)).documents(["a", "c"])

    assert made.shape == (2, 32)


def test_the_oldest_vectors_go_first(path: Path) -> None:
    cache = VectorCache(path, most=10)
    keys = [vector_key("m", str(index)) for index in range(25)]
    for key in keys:
        cache.put({key: np.ones(4, np.float32)})

    assert set(cache.get(keys)) == set(keys[-10:])


def _put(path: Path, start: int) -> None:
    cache = VectorCache(path)
    for index in range(start, start + 40):
        cache.put({vector_key("m", str(index)): np.full(8, index, np.float32)})


def test_processes_may_write_at_the_same_time(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put, args=(path, start)) for start in (0, 20, 40)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    keys = [vector_key("m", str(index)) for index in range(80)]
    found = VectorCache(path).get(keys)
    assert [float(found[key][0]) for key in keys] == [float(index) for index in range(80)]
