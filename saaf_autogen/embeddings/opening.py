"""From ``embeddings`` of saaf.yaml to the library of vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from saaf_autogen.embeddings.cache import VectorCache
from saaf_autogen.embeddings.endpoint import EndpointEmbedder
from saaf_autogen.embeddings.library import VectorLibrary
from saaf_autogen.embeddings.local import LocalEmbedder
from saaf_autogen.settings import EmbeddingSettings

__all__ = ["open_library"]

_TENANT = "default"


def open_library(
    settings: EmbeddingSettings, state: Path, environ: Mapping[str, str]
) -> VectorLibrary | None:
    """The vectors of a deployment, kept in its state folder; None where it has none.

    Nothing is loaded or asked yet.

    Raises:
        ConfigurationError: the key of an endpoint is missing.
    """
    if settings.provider == "none":
        return None
    cache = VectorCache(state / "vectors" / f"{_TENANT}.sqlite")
    if settings.provider == "openai":
        return VectorLibrary(EndpointEmbedder(settings, environ), cache)
    return VectorLibrary(LocalEmbedder(settings.threads), cache)
