"""Snowflake as a warehouse, over its own connector."""

from saaf_autogen.sql.snowflake.connection import SnowflakeAccess
from saaf_autogen.sql.snowflake.warehouse import SnowflakeWarehouse

__all__ = ["SnowflakeAccess", "SnowflakeWarehouse"]
