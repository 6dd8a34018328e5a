"""Vectors of texts: a model that runs offline in the process, or an endpoint that speaks OpenAI.

An ``Embedder`` makes them, a ``VectorCache`` keeps them on disk by the hash of model and text, a
``VectorLibrary`` is both; ``open_library`` makes it of ``embeddings`` in ``saaf.yaml``.
"""

from saaf_autogen.embeddings.cache import VectorCache
from saaf_autogen.embeddings.embedder import Embedder, Kind
from saaf_autogen.embeddings.endpoint import EndpointEmbedder
from saaf_autogen.embeddings.library import VectorLibrary
from saaf_autogen.embeddings.local import LocalEmbedder
from saaf_autogen.embeddings.opening import open_library

__all__ = [
    "Embedder",
    "EndpointEmbedder",
    "Kind",
    "LocalEmbedder",
    "VectorCache",
    "VectorLibrary",
    "open_library",
]
