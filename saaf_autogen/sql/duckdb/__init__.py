"""DuckDB as a warehouse: a file, or folders of Parquet and CSV; read-only, locked down."""

from saaf_autogen.sql.duckdb.warehouse import DuckDBWarehouse

__all__ = ["DuckDBWarehouse"]
