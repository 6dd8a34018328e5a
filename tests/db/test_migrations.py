from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from saaf_autogen.db import Base, Database
from saaf_autogen.errors import ConfigurationError

ROOT = Path(__file__).parent.parent.parent / "saaf_autogen"


@pytest.fixture(autouse=True)
def every_table_is_known() -> None:
    for file in ROOT.rglob("tables.py"):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        importlib.import_module(".".join(parts))


def test_the_migrations_make_exactly_the_declared_tables(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'saaf.sqlite'}")
    database.migrate()
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    database.close()
    assert differences == []


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'saaf.sqlite'}")
    database.migrate()
    before = inspect(database.engine).get_table_names()
    database.migrate()
    assert inspect(database.engine).get_table_names() == before
    database.close()


def test_every_table_has_its_tenant() -> None:
    assert Base.metadata.tables
    for table in Base.metadata.tables.values():
        assert "tenant" in table.columns, table.name
        assert not table.columns["tenant"].nullable, table.name


def test_another_database_is_refused_with_a_remedy() -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///FILE or postgresql://"):
        Database("mysql://localhost/saaf")
