"""Fixtures that every room's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saaf_autogen.db import Base, Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    store = Database(f"sqlite:///{tmp_path / 'saaf.sqlite'}")
    Base.metadata.create_all(store.engine)
    yield store
    store.close()
