from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.auth.host import Host, serving


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Shared by the tests of a module, which leave its clock, keys and clients alone."""
    with serving(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture
def own_host(tmp_path: Path) -> Iterator[Host]:
    """A host that a test may change."""
    with serving(tmp_path) as running:
        yield running
