"""Which tables, columns and verified queries a question needs.

Grants first: an index is made of one caller's view. Then field-weighted BM25, vectors of tables
and of columns, and the tables of the nearest verified queries are added up by how far each score
stands out (standard deviations over the tables), and a table is held up by the best of those that
it joins: what a question needs is connected. Measured in ``benchmarks/linking``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saaf_autogen.semantic.bm25 import Bm25
from saaf_autogen.semantic.questions import (
    Question,
    QuestionReader,
    similarity,
    word_weights,
)
from saaf_autogen.semantic.texts import field_fields, table_fields
from saaf_autogen.semantic.vectors import Nearness, ViewVectors
from saaf_autogen.semantic.view import SemanticView
from saaf_autogen.semantic.visible import VisibleQuery, VisibleRelationship, VisibleTable
from saaf_autogen.semantic.words import content_stems

__all__ = ["Retrieval", "RetrievalIndex", "ScoredQuery"]

TABLES = 10
_NEIGHBOUR = 0.4
_QUERY = 5.0
# Cosines of unrelated sentences reach this.
_NEAR = 0.3
_NEAR_COLUMN = 0.35
_COMPARED = 32
# Vectors alone never make a verified query look like the very question.
_MOST_BY_VECTOR = 0.55
_LONGEST_QUESTION = 2_000
ColumnKey = tuple[str, str, str]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ScoredQuery:
    """A verified query, how near it is (0 to 1), and its wording that is nearest."""

    query: VisibleQuery
    score: float
    wording: Question


@dataclass(frozen=True)
class Retrieval:
    """What a question needs, best first.

    Attributes:
        question: as it was read.
        tables: at most ten, of one warehouse.
        columns: scores of their columns by (warehouse, table, column); absent means 0.
        queries: the nearest verified queries.
        joins: relationships among the tables.
        vectors: whether vectors had a say.
    """

    question: Question
    tables: tuple[VisibleTable, ...]
    columns: Mapping[ColumnKey, float]
    queries: tuple[ScoredQuery, ...]
    joins: tuple[VisibleRelationship, ...] = ()
    vectors: bool = False


class RetrievalIndex:
    """The search index of one view: full text at once, vectors when they are given.

    Attributes:
        view: what it is of.
        vectors: of the same view, or None.
    """

    def __init__(self, view: SemanticView, vectors: ViewVectors | None = None) -> None:
        self.view = view
        self.vectors = vectors
        self._reader = QuestionReader(view)
        self._read_queries()
        self._tables = Bm25([list(table_fields(table)) for table in view.tables])
        fields = [field for table in view.tables for field in table.fields]
        self._columns = Bm25([list(field_fields(field)) for field in fields])
        counts = [len(table.fields) for table in view.tables]
        self._first_column = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        self._places = {
            (table.warehouse, table.name): place for place, table in enumerate(view.tables)
        }
        self._join_tables()

    def search(
        self, question: str, warehouse: str | None = None, vector: Scores | None = None
    ) -> Retrieval:
        """Rank tables, columns and verified queries for a question.

        Args:
            question: the user's words; the first 2,000 characters count.
            warehouse: only this warehouse; None ranks over all and keeps to the best table's.
            vector: of the question, (dimension,); counts where the index has vectors.
        """
        question = question[:_LONGEST_QUESTION]
        asked = self._reader.read(question)
        terms = list(content_stems(question))
        near = self.vectors.near(vector) if self.vectors and vector is not None else None
        by_text = self._columns.scores(terms)
        total = self._total(terms, by_text, near)
        order = [
            int(place)
            for place in np.argsort(-total, kind="stable")
            if warehouse in (None, self.view.tables[place].warehouse)
        ]
        if warehouse is None and order:
            warehouse = self.view.tables[order[0]].warehouse
            order = [place for place in order if self.view.tables[place].warehouse == warehouse]
        chosen = order[:TABLES]
        return Retrieval(
            asked,
            tuple(self.view.tables[place] for place in chosen),
            self._column_scores(asked, chosen, by_text, near),
            tuple(self._nearest(asked, terms, near, warehouse)),
            tuple(self._joins_among(chosen)),
            near is not None,
        )

    def _read_queries(self) -> None:
        self._wordings: list[tuple[int, Question]] = []
        texts: list[str] = []
        for index, query in enumerate(self.view.queries):
            texts += [query.question, *query.questions]
            self._wordings += [(index, read) for read in self._reader.read_query(query)]
        self._weights = word_weights(wording for _, wording in self._wordings)
        self._by_words = Bm25([[(1.0, text)] for text in texts])

    def _join_tables(self) -> None:
        """Pairs of wordings and tables that their queries read, and pairs of tables that join."""
        read = [
            (row, place)
            for row, (index, _) in enumerate(self._wordings)
            for name in self.view.queries[index].tables
            if (place := self._places.get((self.view.queries[index].warehouse, name))) is not None
        ]
        self._reads = np.array(read, np.intp).reshape(-1, 2)
        self._relationships: defaultdict[int, list[tuple[int, VisibleRelationship]]]
        self._relationships = defaultdict(list)
        pairs: set[tuple[int, int]] = set()
        for item in self.view.relationships:
            left = self._places.get((item.warehouse, item.left))
            right = self._places.get((item.warehouse, item.right))
            if left is not None and right is not None:
                self._relationships[left].append((right, item))
                if left != right:
                    pairs |= {(left, right), (right, left)}
        self._joined = np.array(sorted(pairs), np.intp).reshape(-1, 2)

    def _total(self, terms: Sequence[str], columns: Scores, near: Nearness | None) -> Scores:
        """The score of each table."""
        total = _standing_out(self._tables.scores(terms))
        if near is None:
            total = total + _standing_out(self._best_by_table(columns))
        else:
            own, within = near.tables
            total = total + _standing_out(near.best_columns)
            total = total + 0.5 * (_standing_out(own) + _standing_out(within))
        total = total + _QUERY * self._by_queries(terms, near)
        support = np.zeros_like(total)
        tables, others = self._joined.T
        np.maximum.at(support, tables, total[others])
        return total + _NEIGHBOUR * support

    def _best_by_table(self, columns: Scores) -> Scores:
        best = np.zeros(len(self.view.tables), np.float32)
        owners = np.repeat(np.arange(len(best)), np.diff(self._first_column))
        np.maximum.at(best, owners, columns)
        return best

    def _by_queries(self, terms: Sequence[str], near: Nearness | None) -> Scores:
        """By table, how near the nearest verified query is that reads it: words and meaning."""
        wordings, tables = self._reads.T
        result = np.zeros(len(self.view.tables), np.float32)
        for scores in self._wording_scores(terms, near):
            best = np.zeros_like(result)
            np.maximum.at(best, tables, scores[wordings])
            result += best
        return result

    def _wording_scores(self, terms: Sequence[str], near: Nearness | None) -> list[Scores]:
        """Shares of the question's words that each wording has, and nearness above chance."""
        scores = [self._by_words.scores(terms) / max(self._by_words.best(terms), 1e-9)]
        if near is not None:
            scores.append(np.maximum(near.wordings - _NEAR, 0) / (1 - _NEAR))
        return scores

    def _nearest(
        self,
        asked: Question,
        terms: Sequence[str],
        near: Nearness | None,
        warehouse: str | None,
    ) -> list[ScoredQuery]:
        """Verified queries of the warehouse; of many, those that words or vectors favour."""
        scores = self._wording_scores(terms, near)
        rows: Iterable[int] = range(len(self._wordings))
        if len(self._wordings) > 2 * _COMPARED:
            rows = np.argsort(-sum(scores, np.zeros_like(scores[0])), kind="stable")[:_COMPARED]
        best: dict[int, ScoredQuery] = {}
        for row in sorted(int(row) for row in rows):
            index, wording = self._wordings[row]
            query = self.view.queries[index]
            if warehouse in (None, query.warehouse):
                score = similarity(asked, wording, self._weights)
                if near is not None:
                    score = max(score, _MOST_BY_VECTOR * float(scores[1][row]))
                if index not in best or score > best[index].score:
                    best[index] = ScoredQuery(query, score, wording)
        return sorted(best.values(), key=lambda item: -item.score)

    def _column_scores(
        self, asked: Question, places: Sequence[int], by_text: Scores, near: Nearness | None
    ) -> dict[ColumnKey, float]:
        named = Counter(kind.removeprefix("column:") for slot in asked.slots for kind in slot.kinds)
        scores: dict[ColumnKey, float] = {}
        for place in places:
            table, first = self.view.tables[place], int(self._first_column[place])
            for offset, field in enumerate(table.fields):
                # A value of the column in the question says more than its name.
                score = float(by_text[first + offset]) + 5.0 * named[f"{table.name}.{field.name}"]
                if near is not None:
                    score += 10.0 * max(0.0, float(near.columns[first + offset]) - _NEAR_COLUMN)
                if score > 0:
                    scores[table.warehouse, table.name, field.name] = score
        return scores

    def _joins_among(self, places: Sequence[int]) -> Iterable[VisibleRelationship]:
        chosen = set(places)
        for place in places:
            for other, item in self._relationships.get(place, ()):
                if other in chosen:
                    yield item


def _standing_out(scores: Scores) -> Scores:
    """Standard deviations above the mean; nothing stands out where all are alike."""
    spread = float(scores.std()) if len(scores) else 0.0
    if spread < 1e-9:
        return np.zeros_like(scores)
    result: Scores = (scores - scores.mean()) / np.float32(spread)
    return result
