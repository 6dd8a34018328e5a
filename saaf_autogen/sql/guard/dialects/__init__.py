"""The dialects that the guard knows, one file each, and what they have in common."""

from saaf_autogen.sql.guard.dialects.bigquery import BIGQUERY
from saaf_autogen.sql.guard.dialects.databricks import DATABRICKS
from saaf_autogen.sql.guard.dialects.duckdb import DUCKDB
from saaf_autogen.sql.guard.dialects.postgres import POSTGRES
from saaf_autogen.sql.guard.dialects.registry import DIALECTS, dialect_named
from saaf_autogen.sql.guard.dialects.snowflake import SNOWFLAKE

__all__ = [
    "BIGQUERY",
    "DATABRICKS",
    "DIALECTS",
    "DUCKDB",
    "POSTGRES",
    "SNOWFLAKE",
    "dialect_named",
]
