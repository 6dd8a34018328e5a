"""Runs questions through a way of finding tables, and counts."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.linking.datasets import Dataset, Question
from saaf_autogen.embeddings import VectorLibrary
from saaf_autogen.semantic.bm25 import Bm25
from saaf_autogen.semantic.context import ContextBuilder
from saaf_autogen.semantic.rendering import estimate_tokens
from saaf_autogen.semantic.retrieval import RetrievalIndex
from saaf_autogen.semantic.vectors import ViewVectors
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.semantic.words import content_stems

__all__ = ["Row", "Times", "measure_dataset", "measure_time"]

_KEPT = 10
_VERIFIED = 0.2
Find = Callable[[str, "np.ndarray[tuple[int], np.dtype[np.float32]]"], Sequence[str]]


@dataclass(frozen=True)
class Row:
    """A line of the table: recall and all-gold at 10, and tokens where a text is rendered."""

    method: str
    recall: float
    complete: float
    shown: float | None = None
    tokens: float | None = None


async def measure_dataset(dataset: Dataset, library: VectorLibrary, seed: int) -> list[Row]:
    """All methods over the same questions."""
    view = dataset.view()
    index = RetrievalIndex(view)
    vectors = await ViewVectors.of(view, library)
    questions = list(dataset.questions)
    asked = await library.documents([question.text for question in questions])
    names = [table.name for table in view.tables]
    plain = Bm25([_plain(view, place) for place in range(len(names))])

    def by_bm25(text: str, _: object) -> Sequence[str]:
        scores = plain.scores(content_stems(text))
        return [names[place] for place in np.argsort(-scores, kind="stable")[:_KEPT]]

    def by_vectors(_: str, vector: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Sequence[str]:
        scores = vectors.near(vector).tables[0]
        return [names[place] for place in np.argsort(-scores, kind="stable")[:_KEPT]]

    def by_text(text: str, _: object) -> Sequence[str]:
        return [table.name for table in index.search(text).tables]

    rows = [
        _count("BM25, names and columns", by_bm25, questions, asked),
        _count("a vector a table", by_vectors, questions, asked),
        _count("SAAF, full text alone", by_text, questions, asked),
    ]
    rows.append(await _rendered("SAAF", view, library, questions, 1_500))
    rows.append(await _rendered("SAAF, budget of 600", view, library, questions, 600))
    order = random.Random(seed).sample(range(len(questions)), len(questions))  # noqa: S311 - a split
    split = int(len(order) * _VERIFIED)
    verified, rest = (
        [questions[place] for place in part] for part in (order[:split], order[split:])
    )
    with_queries = dataset.view(verified)
    title = f"SAAF, {len(with_queries.queries)} verified queries"
    rows.append(await _rendered(title, with_queries, library, rest, 1_500))
    rows.append(await _rendered(f"{title}, budget of 600", with_queries, library, rest, 600))
    return rows


@dataclass(frozen=True)
class Times:
    """Seconds of a context, on the clock and of the processor, as (median, 95th percentile).

    ``built`` is what the full-text index took.
    """

    clock: tuple[float, float]
    processor: tuple[float, float]
    built: float


async def measure_time(dataset: Dataset, library: VectorLibrary, questions: int) -> Times:
    """Whole contexts, one after the other: the question's embedding, search and rendering."""
    view = dataset.view()
    _ = view.fingerprint
    builder = ContextBuilder(library, patience_s=3_600)
    started = time.perf_counter()
    builder.index(view)
    built = time.perf_counter() - started
    await builder.context("once, to make the vectors", view)
    clock: list[float] = []
    processor: list[float] = []
    for question in dataset.questions[:questions]:
        started, worked = time.perf_counter(), time.process_time()
        await builder.context(question.text, view)
        clock.append(time.perf_counter() - started)
        processor.append(time.process_time() - worked)
    await builder.close()
    return Times(_middle_and_slow(clock), _middle_and_slow(processor), built)


def _middle_and_slow(times: Sequence[float]) -> tuple[float, float]:
    return statistics.median(times), float(np.percentile(times, 95))


def _plain(view: SemanticView, place: int) -> list[tuple[float, str]]:
    table = view.tables[place]
    words = [table.base_table, *table.synonyms]
    for field in table.fields:
        words += [field.name, *field.synonyms]
    return [(1.0, " ".join(words))]


def _count(
    method: str,
    find: Find,
    questions: Sequence[Question],
    asked: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> Row:
    found = [find(item.text, vector) for item, vector in zip(questions, asked, strict=True)]
    return Row(method, *_recall(found, questions))


async def _rendered(
    method: str,
    view: SemanticView,
    library: VectorLibrary,
    questions: Sequence[Question],
    budget: int,
) -> Row:
    builder = ContextBuilder(library, patience_s=3_600)
    names = {table.sql_name: table.name for table in view.tables}
    found: list[list[str]] = []
    shown: list[bool] = []
    tokens: list[int] = []
    for question in questions:
        value = await builder.context(question.text, view, token_budget=budget)
        found.append([names[name] for name in value["tables"]])
        heads = {line.split("(")[0] for line in value["text"].splitlines() if "(" in line}
        shown.append(question.tables <= {names[head] for head in heads if head in names})
        tokens.append(estimate_tokens(value["text"]))
    await builder.close()
    return Row(
        method,
        *_recall(found, questions),
        shown=sum(shown) / len(shown),
        tokens=statistics.median(tokens),
    )


def _recall(found: Sequence[Sequence[str]], questions: Sequence[Question]) -> tuple[float, float]:
    """Mean recall, and the share of questions all of whose tables are among the first ten."""
    shares = [
        len(question.tables & set(names[:_KEPT])) / len(question.tables)
        for names, question in zip(found, questions, strict=True)
    ]
    return sum(shares) / len(shares), sum(share == 1 for share in shares) / len(shares)
