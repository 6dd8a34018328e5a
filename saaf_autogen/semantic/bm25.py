"""Field-weighted BM25 (BM25F; Robertson and Zaragoza 2009), its weights worked out beforehand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from saaf_autogen.semantic.words import content_stems

__all__ = ["Bm25"]

_K1 = 1.2
_B = 0.4


class Bm25:
    """Scores documents of (weight, text) fields.

    Args:
        documents: each as its fields; a word counts as often as it stands there, times the weight
            of its field.
    """

    def __init__(self, documents: Sequence[Iterable[tuple[float, str]]]) -> None:
        self._size = len(documents)
        places: defaultdict[str, list[int]] = defaultdict(list)
        counts: defaultdict[str, list[float]] = defaultdict(list)
        lengths = np.zeros(self._size, np.float32)
        for index, document in enumerate(documents):
            terms: defaultdict[str, float] = defaultdict(float)
            for weight, text in document:
                for word in content_stems(text):
                    terms[word] += weight
            for word, count in terms.items():
                places[word].append(index)
                counts[word].append(count)
            lengths[index] = sum(terms.values())
        norms = _K1 * (1 - _B + _B * lengths / (lengths.mean() if lengths.any() else 1.0))
        self._scores: dict[str, tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]] = {}
        for word, found in places.items():
            rows = np.array(found, np.intp)
            frequency = np.array(counts[word], np.float32)
            rarity = np.log(1 + (self._size - len(found) + 0.5) / (len(found) + 0.5))
            score = rarity * frequency * (_K1 + 1) / (frequency + norms[rows])
            self._scores[word] = rows, score.astype(np.float32)

    def scores(self, words: Iterable[str]) -> npt.NDArray[np.float32]:
        """The score of each document for the stems of a question, (documents,)."""
        result = np.zeros(self._size, np.float32)
        for word in set(words):
            known = self._scores.get(word)
            if known is not None:
                result[known[0]] += known[1]
        return result

    def best(self, words: Iterable[str]) -> float:
        """A bound of the scores for these stems: what a document could get that has them all."""
        known = (self._scores.get(word) for word in set(words))
        return float(sum(item[1].max() for item in known if item is not None))
