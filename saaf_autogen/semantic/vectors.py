"""The vectors of one view: tables, columns and verified queries, as matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saaf_autogen.embeddings import VectorLibrary
from saaf_autogen.semantic.texts import field_text, table_texts
from saaf_autogen.semantic.view import SemanticView

__all__ = ["Nearness", "ViewVectors"]

Scores = npt.NDArray[np.float32]
_COLUMNS_COUNTED = 3


@dataclass(frozen=True)
class Nearness:
    """How near a question is, as cosines (-1 to 1).

    Attributes:
        tables: by table, of its text and of its text within its schema, (2, tables).
        columns: by column, in the order of the tables, (columns,).
        best_columns: by table, the mean of its nearest columns, (tables,).
        wordings: by wording of the verified queries, (wordings,).
    """

    tables: Scores
    columns: Scores
    best_columns: Scores
    wordings: Scores


class ViewVectors:
    """Made by ``of``, in the order of the view's tables, fields and queries."""

    def __init__(self, view: SemanticView, vectors: Scores, rows: npt.NDArray[np.intp]) -> None:
        self._vectors = vectors
        self._rows = rows
        self._size = len(view.tables)
        counts = np.array([len(table.fields) for table in view.tables], np.intp)
        self._counts = counts
        self._columns = int(counts.sum())
        # Columns as a rectangle, tables by their places; what is short is padded with -1.
        width = int(counts.max(initial=0))
        places = np.arange(width)[None, :] < counts[:, None]
        self._places = places

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._vectors.shape[1])

    @property
    def nbytes(self) -> int:
        """Memory of the matrix."""
        return int(self._vectors.nbytes)

    @classmethod
    async def of(cls, view: SemanticView, library: VectorLibrary) -> ViewVectors:
        """The vectors of what a view shows; each text is embedded once.

        Raises:
            Upstream, TimedOut, ConfigurationError: as the library.
        """
        texts = _texts(view)
        places = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = await library.documents(list(places))
        return cls(view, vectors, np.array([places[text] for text in texts], np.intp))

    def near(self, question: Scores) -> Nearness:
        """How near a question's vector is to all of it."""
        # Row by row: BLAS would spread `@` over threads that wait for one another.
        found = np.vecdot(self._vectors, question)[self._rows]
        tables, columns, wordings = np.split(
            found, [2 * self._size, 2 * self._size + self._columns]
        )
        square = np.full(self._places.shape, -1, np.float32)
        square[self._places] = columns
        kept = np.sort(square, axis=1)[:, ::-1][:, :_COLUMNS_COUNTED]
        counted = np.minimum(self._counts, _COLUMNS_COUNTED)
        best = np.where(np.arange(kept.shape[1])[None, :] < counted[:, None], kept, 0).sum(axis=1)
        return Nearness(
            tables.reshape(2, self._size),
            columns,
            (best / np.maximum(counted, 1)).astype(np.float32),
            wordings,
        )


def _texts(view: SemanticView) -> list[str]:
    pairs = [table_texts(table) for table in view.tables]
    texts = [own for own, _ in pairs] + [within for _, within in pairs]
    texts += [field_text(table, field) for table in view.tables for field in table.fields]
    texts += [text for query in view.queries for text in (query.question, *query.questions)]
    return texts
