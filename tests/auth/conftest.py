from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.auth.host import Host, serving


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Shared by the tests of a module, which leave its clients as they are."""
    with serving(tmp_path_factory.mktemp("host")) as running:
        yield running
