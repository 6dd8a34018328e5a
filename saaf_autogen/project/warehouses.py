"""Warehouses as ``saaf.yaml`` declares them, behind the guard."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from saaf_autogen.crypto import Sealer
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.settings import (
    DuckDBSettings,
    PostgreSQLSettings,
    SnowflakeSettings,
    SQLAlchemySettings,
    WarehouseSettings,
)
from saaf_autogen.sql import DuckDBWarehouse, GuardedWarehouse, QueryLimits, Warehouse
from saaf_autogen.sql.guard import dialect_named
from saaf_autogen.sql.postgresql import PostgreSQLWarehouse
from saaf_autogen.sql.snowflake import SnowflakeAccess, SnowflakeWarehouse
from saaf_autogen.sql.sqlalchemy import SQLAlchemyWarehouse

__all__ = ["guarded_warehouse"]


def guarded_warehouse(deployment: Deployment, name: str, sealer: Sealer) -> GuardedWarehouse:
    """One warehouse. A server is not asked before the first query comes.

    Raises:
        ConfigurationError: a file, a variable or a driver's package is missing.
    """
    settings = deployment.settings.warehouses[name]
    try:
        warehouse = _open(deployment, name, settings)
    except ImportError:
        raise ConfigurationError(
            f"The driver of the warehouse {name} is not installed.",
            remedy=f"Run: pip install 'saaf-autogen[{_EXTRAS[settings.engine]}]'.",
        ) from None
    limits = QueryLimits(settings.max_rows, settings.max_bytes, settings.timeout_s)
    return GuardedWarehouse(
        warehouse,
        limits=limits,
        mask_key=sealer.derive(f"mask:{name}"),
        # What cannot estimate has no such setting.
        max_cost=None if isinstance(settings, SQLAlchemySettings) else settings.max_cost,
    )


_EXTRAS = {"postgresql": "postgres", "snowflake": "snowflake"}


def _open(deployment: Deployment, name: str, settings: WarehouseSettings) -> Warehouse:
    if isinstance(settings, DuckDBSettings):
        return _duckdb(deployment, name, settings)
    if isinstance(settings, PostgreSQLSettings):
        return PostgreSQLWarehouse(
            name,
            _secret(deployment, name, settings.url_env, settings.url_file),
            concurrency=settings.concurrency,
            production=deployment.settings.environment == "production",
        )
    if isinstance(settings, SnowflakeSettings):
        if importlib.util.find_spec("snowflake.connector") is None:
            raise ImportError("snowflake.connector")
        access = _snowflake(deployment, name, settings)
        return SnowflakeWarehouse(name, access, concurrency=settings.concurrency)
    return _sqlalchemy(deployment, name, settings)


def _duckdb(deployment: Deployment, name: str, settings: DuckDBSettings) -> DuckDBWarehouse:
    folder = deployment.folder.resolve()
    state = (folder / deployment.settings.state).resolve()
    files = {table: str(folder / pattern) for table, pattern in settings.files.items()}
    for table, pattern in files.items():
        fixed = Path(pattern.partition("*")[0].partition("?")[0].partition("[")[0])
        if pattern != str(fixed) and state.is_relative_to(
            fixed if pattern[len(str(fixed))] == "/" else fixed.parent
        ):
            raise ConfigurationError(
                f"The files of {table} lie where the state folder is, which holds secrets.",
                remedy="Put them in a folder of their own, such as data/.",
            )
    return DuckDBWarehouse.open(
        name,
        deployment.folder / settings.path if settings.path else None,
        files=files,
        memory_limit=settings.memory_limit,
        concurrency=settings.concurrency,
        isolation=settings.isolation,
    )


def _snowflake(deployment: Deployment, name: str, settings: SnowflakeSettings) -> SnowflakeAccess:
    folder = deployment.folder
    key, token = settings.private_key_file, settings.token_file
    passphrase, inline = settings.passphrase_env, settings.token_env
    place = {
        key: value
        for key, value in (
            ("host", settings.host),
            ("port", settings.port),
            ("protocol", settings.protocol if settings.host else None),
        )
        if value is not None
    }
    return SnowflakeAccess(
        settings.account,
        settings.user,
        settings.database,
        settings.schema_name,
        settings.warehouse,
        settings.role,
        private_key_file=folder / key if key else None,
        passphrase=_secret(deployment, name, passphrase, None) if passphrase else None,
        token_file=folder / token if token else None,
        token=_secret(deployment, name, inline, None) if inline else None,
        extra=place,
    )


def _sqlalchemy(
    deployment: Deployment, name: str, settings: SQLAlchemySettings
) -> SQLAlchemyWarehouse:
    return SQLAlchemyWarehouse(
        name,
        _secret(deployment, name, settings.url_env, None),
        dialect_named(settings.dialect),
        catalog=settings.catalog,
        concurrency=settings.concurrency,
    )


def _secret(deployment: Deployment, name: str, variable: str | None, file: str | None) -> str:
    """A secret from a variable or a mounted file; it is never in ``saaf.yaml``."""
    if variable is not None:
        value = os.environ.get(variable, "")
        where = f"the variable {variable}"
    else:
        where = f"the file {file}"
        try:
            value = (deployment.folder / (file or "")).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            value = ""
    if not value.strip():
        raise ConfigurationError(
            f"The warehouse {name} needs {where}, which is empty or missing.",
            remedy="Set it for this host; it is never written to saaf.yaml.",
        )
    return value.strip()
