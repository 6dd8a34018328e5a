"""Where a project keeps what it writes, and the warehouses that it reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import ArgumentError, DBAPIError

from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database, is_away
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.warehouses import guarded_warehouse
from saaf_autogen.settings import DuckDBSettings
from saaf_autogen.sql import GuardedWarehouse, build_nycflights13

__all__ = [
    "SampleProgress",
    "build_missing_samples",
    "open_database",
    "open_warehouses",
]

SampleProgress = Callable[[str, int, int], None]
_SAMPLES = {"nycflights13": build_nycflights13}


def open_database(deployment: Deployment, state: Path) -> Database:
    """SAAF's store, at its newest revision."""
    try:
        database = Database(_database_url(deployment) or _private_file(state / "saaf.sqlite"))
    except ArgumentError:
        variable = deployment.settings.database.url_env
        raise ConfigurationError(
            "The address of SAAF's store is no database URL.",
            remedy=f"Mend {variable}, such as postgresql://USER:PASSWORD@HOST/NAME.",
        ) from None
    try:
        database.migrate()
    except DBAPIError as error:
        database.close()
        # The first line of what an operator can mend; drivers put no password there.
        why = str(error.orig).splitlines()[0] if is_away(error) else type(error.orig).__name__
        raise ConfigurationError(
            f"SAAF's store {database.url.render_as_string()} cannot be used: {why}.",
            remedy="Is it there, whole and writable, and is there room on its disk?",
        ) from error
    return database


def _private_file(path: Path) -> str:
    """The URL of a SQLite file that only its owner can read, whoever made its folder.

    SQLite gives its journals the file's own mode.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    return f"sqlite:///{path}"


def open_warehouses(
    deployment: Deployment, sealer: Sealer, progress: SampleProgress | None
) -> dict[str, GuardedWarehouse]:
    """All warehouses by name; a sample that is missing is built first."""
    build_missing_samples(deployment, progress)
    return {
        name: guarded_warehouse(deployment, name, sealer) for name in deployment.settings.warehouses
    }


def build_missing_samples(deployment: Deployment, progress: SampleProgress | None) -> None:
    """Build the sample warehouses that are not there yet."""
    for settings in deployment.settings.warehouses.values():
        if not isinstance(settings, DuckDBSettings) or not settings.sample:
            continue
        path = deployment.folder / settings.path
        if not path.exists():
            _SAMPLES[settings.sample](path, progress=progress)


def _database_url(deployment: Deployment) -> str | None:
    settings = deployment.settings.database
    return os.environ.get(settings.url_env) or settings.url
