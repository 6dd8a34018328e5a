"""Which tables, columns and verified queries a question needs: BM25 and nearness, fused by ranks.

No vectors: filter by grants first (the view), then field-weighted BM25 (BM25F, Robertson and
Zaragoza 2009) over tables and over columns, and the tables of the nearest verified queries, under
reciprocal rank fusion (Cormack, Clarke and Büttcher 2009), then foreign-key neighbours.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from saaf_autogen.semantic.questions import (
    Question,
    QuestionReader,
    similarity,
    word_weights,
)
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.semantic.visible import VisibleField, VisibleQuery, VisibleTable
from saaf_autogen.semantic.words import STOP_WORDS, tokens

__all__ = ["Bm25", "Retrieval", "RetrievalIndex", "ScoredQuery"]

_K1 = 1.2
_B = 0.4
_RRF = 60
_NEAR = 0.35
_TABLES = 5
_LONGEST_QUESTION = 2_000
TableKey = tuple[str, str]
ColumnKey = tuple[str, str, str]


@dataclass(frozen=True)
class ScoredQuery:
    """A verified query, how near it is (0 to 1), and its wording that is nearest."""

    query: VisibleQuery
    score: float
    wording: Question


@dataclass(frozen=True)
class Retrieval:
    """What a question needs, best first.

    ``columns`` are the scores of (warehouse, table, column); absent means 0.
    """

    question: Question
    tables: tuple[VisibleTable, ...]
    columns: Mapping[ColumnKey, float]
    queries: tuple[ScoredQuery, ...]


class Bm25:
    """Field-weighted BM25 over documents of (weight, text) fields."""

    def __init__(self, documents: Sequence[Iterable[tuple[float, str]]]) -> None:
        self._terms: list[dict[str, float]] = []
        for document in documents:
            terms: defaultdict[str, float] = defaultdict(float)
            for weight, text in document:
                for word in _terms(text):
                    terms[word] += weight
            self._terms.append(dict(terms))
        self._lengths = [sum(terms.values()) for terms in self._terms]
        self._mean = (sum(self._lengths) / len(self._lengths) if self._lengths else 0.0) or 1.0
        self._counts = Counter(word for terms in self._terms for word in terms)

    def scores(self, words: Iterable[str]) -> list[float]:
        """The score of each document for the stems of a question."""
        size = len(self._terms)
        result = [0.0] * size
        for word in set(words):
            count = self._counts.get(word, 0)
            if not count:
                continue
            weight = math.log(1 + (size - count + 0.5) / (count + 0.5))
            for index, terms in enumerate(self._terms):
                frequency = terms.get(word, 0.0)
                if frequency:
                    norm = _K1 * (1 - _B + _B * self._lengths[index] / self._mean)
                    result[index] += weight * frequency * (_K1 + 1) / (frequency + norm)
        return result


class RetrievalIndex:
    """The search index of one view. Building it for a few hundred tables takes milliseconds."""

    def __init__(self, view: SemanticView) -> None:
        self.view = view
        self._reader = QuestionReader(view)
        self._queries = [(query, self._reader.read_query(query)) for query in view.queries]
        self._weights = word_weights(item for _, items in self._queries for item in items)
        self._tables = Bm25([list(_table_text(table)) for table in view.tables])
        self._fields = [(table, field) for table in view.tables for field in table.fields]
        self._columns = Bm25([list(_field_text(field)) for _, field in self._fields])

    def search(self, question: str, warehouse: str | None = None) -> Retrieval:
        """Rank tables, columns and verified queries for a question.

        Args:
            question: the user's words; the first 2,000 characters count.
            warehouse: only this warehouse; None ranks over all and keeps to the best table's.
        """
        question = question[:_LONGEST_QUESTION]
        asked = self._reader.read(question)
        terms = list(_terms(question))
        columns = self._column_scores(asked, terms)
        queries = self._near(asked, warehouse)
        ranked = self._rank(terms, columns, queries, warehouse)
        if warehouse is None and ranked:
            warehouse = ranked[0].warehouse
            ranked = [table for table in ranked if table.warehouse == warehouse]
            queries = [item for item in queries if item.query.warehouse == warehouse]
        return Retrieval(asked, tuple(self._neighbours(ranked[:_TABLES])), columns, tuple(queries))

    def _near(self, asked: Question, warehouse: str | None) -> list[ScoredQuery]:
        found: list[ScoredQuery] = []
        for query, known in self._queries:
            if warehouse in (None, query.warehouse):
                scores = [similarity(asked, wording, self._weights) for wording in known]
                best = max(range(len(known)), key=scores.__getitem__)
                found.append(ScoredQuery(query, scores[best], known[best]))
        return sorted(found, key=lambda item: -item.score)

    def _column_scores(self, asked: Question, terms: list[str]) -> dict[ColumnKey, float]:
        named = Counter(kind.removeprefix("column:") for slot in asked.slots for kind in slot.kinds)
        scores: dict[ColumnKey, float] = {}
        for (table, field), score in zip(self._fields, self._columns.scores(terms), strict=True):
            # A value of the column in the question says more than its name.
            total = score + 5.0 * named[f"{table.name}.{field.name}"]
            if total > 0:
                scores[table.warehouse, table.name, field.name] = total
        return scores

    def _rank(
        self,
        terms: list[str],
        columns: Mapping[ColumnKey, float],
        queries: Sequence[ScoredQuery],
        warehouse: str | None,
    ) -> list[VisibleTable]:
        whole = dict(zip(map(_key, self.view.tables), self._tables.scores(terms), strict=True))
        best: dict[TableKey, float] = {}
        for (where, table, _), score in columns.items():
            best[where, table] = max(best.get((where, table), 0.0), score)
        near: dict[TableKey, float] = {}
        for item in queries[:5]:
            for name in item.query.tables if item.score >= _NEAR else ():
                key = (item.query.warehouse, name)
                near[key] = max(near.get(key, 0.0), item.score)
        fused: defaultdict[TableKey, float] = defaultdict(float)
        for scores in (whole, best, near):
            ordered = sorted((key for key in scores if scores[key] > 0), key=lambda k: -scores[k])
            for rank, key in enumerate(ordered, 1):
                fused[key] += 1 / (_RRF + rank)
        tables = [table for table in self.view.tables if warehouse in (None, table.warehouse)]
        found = [table for table in tables if fused[_key(table)] > 0]
        return sorted(found, key=lambda table: -fused[_key(table)]) or tables[:_TABLES]

    def _neighbours(self, tables: list[VisibleTable]) -> list[VisibleTable]:
        names: dict[TableKey, None] = dict.fromkeys(map(_key, tables))
        for item in self.view.relationships:
            ends = [(item.warehouse, item.left), (item.warehouse, item.right)]
            # Only towards the referenced side: facts that point here are no part of the question.
            if ends[0] in names:
                names.setdefault(ends[1])
        by_key = {_key(table): table for table in self.view.tables}
        return [by_key[key] for key in names if key in by_key]


def _key(table: VisibleTable) -> TableKey:
    return table.warehouse, table.name


def _terms(text: str) -> Iterable[str]:
    for token in tokens(text):
        if token.text.casefold() not in STOP_WORDS:
            yield token.stem


def _field_text(field: VisibleField) -> Iterable[tuple[float, str]]:
    yield 4.0, field.name
    if field.label != field.name:
        yield 4.0, field.label
    for synonym in field.synonyms:
        yield 3.0, synonym
    for value, words in field.values.items():
        yield 1.0, " ".join((value, *words))
    for value in field.sample_values:
        yield 1.0, str(value)
    yield 0.4, field.description or ""


def _table_text(table: VisibleTable) -> Iterable[tuple[float, str]]:
    yield 4.0, table.name
    if table.base_table != table.name:
        yield 4.0, table.base_table
    for synonym in table.synonyms:
        yield 3.0, synonym
    yield 0.4, table.description or ""
    for field in table.fields:
        for weight, text in _field_text(field):
            yield weight / 2, text
    for named in (*table.filters, *table.metrics):
        yield 1.5, named.name
        for synonym in named.synonyms:
            yield 1.0, synonym
        yield 0.2, named.description or ""
