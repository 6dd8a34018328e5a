"""The real model, loaded once."""

from __future__ import annotations

import pytest

from saaf_autogen.embeddings import LocalEmbedder


@pytest.fixture(scope="session")
def model() -> LocalEmbedder:
    return LocalEmbedder()
