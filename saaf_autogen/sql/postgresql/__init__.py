"""PostgreSQL as a warehouse: one read-only transaction a query, under the engine's own limits."""

from saaf_autogen.sql.postgresql.warehouse import PostgreSQLWarehouse

__all__ = ["PostgreSQLWarehouse"]
