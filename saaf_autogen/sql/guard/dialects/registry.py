"""Dialects by the names under which sqlglot and a deployment's settings know them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.dialects.bigquery import BIGQUERY
from saaf_autogen.sql.guard.dialects.databricks import DATABRICKS
from saaf_autogen.sql.guard.dialects.duckdb import DUCKDB
from saaf_autogen.sql.guard.dialects.postgres import POSTGRES
from saaf_autogen.sql.guard.dialects.snowflake import SNOWFLAKE

__all__ = ["DIALECTS", "dialect_named"]

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (DUCKDB, POSTGRES, SNOWFLAKE, BIGQUERY, DATABRICKS)}
)


def dialect_named(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        ConfigurationError: the guard does not know it.
    """
    dialect = DIALECTS.get(name)
    if dialect is None:
        raise ConfigurationError(
            f"The guard does not know the SQL dialect {name}.",
            remedy=f"Use one of {', '.join(sorted(DIALECTS))}.",
        )
    return dialect
