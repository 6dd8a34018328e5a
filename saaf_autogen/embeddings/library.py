"""Vectors of many texts, each embedded once: from the cache, else from the model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from saaf_autogen.embeddings.cache import VectorCache, vector_key
from saaf_autogen.embeddings.embedder import Embedder
from saaf_autogen.errors import Upstream

if TYPE_CHECKING:
    from saaf_autogen.embeddings.embedder import Vectors

__all__ = ["VectorLibrary"]

# Written to disk this often, so that a stop loses little.
_BATCHES_KEPT_AT_ONCE = 8


class VectorLibrary:
    """An embedder with a memory on disk.

    Args:
        embedder: makes the vectors.
        cache: where they are kept; None keeps nothing.
    """

    def __init__(self, embedder: Embedder, cache: VectorCache | None = None) -> None:
        self.embedder = embedder
        self._cache = cache

    async def documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts, (texts, dimension); only those that are nowhere kept are embedded.

        Raises:
            Upstream, TimedOut, ConfigurationError: as the embedder.
        """
        import numpy as np

        keys = [vector_key(self.embedder.model, text) for text in texts]
        known = await asyncio.to_thread(self._cache.get, keys) if self._cache else {}
        wanted = dict(zip(keys, texts, strict=True))
        for _ in range(2):
            size = self.embedder.dimension
            known = {key: vector for key, vector in known.items() if size in (0, len(vector))}
            missing = {key: text for key, text in wanted.items() if key not in known}
            known |= await self._embed(missing)
            # An endpoint that now serves a model of another dimension makes the kept ones void.
            if len({len(vector) for vector in known.values()}) <= 1:
                break
        else:
            raise Upstream(
                "The embeddings endpoint changes the dimension of its vectors.",
                remedy="Set `embeddings.dimensions` in saaf.yaml.",
            )
        if not keys:
            return np.zeros((0, self.embedder.dimension), np.float32)
        return np.stack([known[key] for key in keys])

    async def _embed(self, missing: Mapping[bytes, str]) -> dict[bytes, Vectors]:
        items = list(missing.items())
        step = self.embedder.batch * _BATCHES_KEPT_AT_ONCE
        made: dict[bytes, Vectors] = {}
        for start in range(0, len(items), step):
            chosen = items[start : start + step]
            rows = await self.embedder.embed([text for _, text in chosen], kind="document")
            fresh = {key: rows[index] for index, (key, _) in enumerate(chosen)}
            made |= fresh
            if self._cache:
                await asyncio.to_thread(self._cache.put, fresh)
        return made

    async def query(self, text: str) -> Vectors:
        """The vector of a question, (dimension,). Questions are not kept."""
        vectors = await self.embedder.embed([text], kind="query")
        vector: Vectors = vectors[0]
        return vector

    async def close(self) -> None:
        """Close the embedder's connections of this event loop."""
        await self.embedder.close()
