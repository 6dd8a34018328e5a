"""PostgreSQL as a warehouse, over psycopg 3."""

from __future__ import annotations

import json
from typing import Any

from saaf_autogen.sql.engine import Engine
from saaf_autogen.sql.guard import Plan, dialect_named
from saaf_autogen.sql.postgresql.check import plan_nodes
from saaf_autogen.sql.postgresql.connection import Connections
from saaf_autogen.sql.postgresql.reading import PostgreSQLReading
from saaf_autogen.sql.reading import Reading
from saaf_autogen.sql.warehouse import Estimate, QueryLimits, Session

__all__ = ["PostgreSQLWarehouse"]

_HOST = QueryLimits(timeout_s=120)


class PostgreSQLWarehouse(Engine):
    """One database of a server. It is connected to when the first query comes.

    Each query is a read-only transaction in the extended protocol, which admits one statement. The
    settings ``saaf.tenant``, ``saaf.issuer`` and ``saaf.subject`` tell the server's own row
    policies who asks: ``current_setting('saaf.subject', true)``.

    Args:
        name: the name under which the deployment knows it.
        url: ``postgresql://USER:PASSWORD@HOST/DATABASE``.
        concurrency: queries, and so connections, at the same time; further ones wait.
        production: refuse a role that is a superuser or owns tables, instead of warning.
    """

    def __init__(
        self, name: str, url: str, *, concurrency: int = 4, production: bool = False
    ) -> None:
        super().__init__(
            name, dialect_named("postgres"), catalog=_database(url), concurrency=concurrency
        )
        self._connections = Connections(name, url, production=production)

    async def close(self) -> None:
        """Cancel what runs and close every connection."""
        await super().close()
        self._connections.close()

    def _reading(self, plan: Plan, limits: QueryLimits, session: Session | None) -> Reading:
        return PostgreSQLReading(self._connections, plan, limits=limits, session=session)

    def _inspection(self, sql: str, parameters: tuple[Any, ...]) -> Reading:
        return PostgreSQLReading(self._connections, sql, limits=_HOST, parameters=parameters)

    def _explanation(self, plan: Plan, session: Session | None) -> Reading | None:
        return PostgreSQLReading(
            self._connections, plan, limits=_HOST, session=session, explain=True
        )

    def _columns_sql(self) -> str:
        return (
            "SELECT n.nspname::text, c.relname::text, a.attname::text, "
            # Two collations of columns' own fail to compare, on each row that is looked at.
            "format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation IN (0, 100) THEN '' "
            "ELSE ' collated' END "
            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r','p','v','m','f') "
            "AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
            "AND n.nspname !~ '^pg_(toast|temp)' ORDER BY 1, 2, a.attnum"
        )

    def _estimate(self, text: str) -> Estimate:
        root = next(plan_nodes(json.loads(text)), {})
        return Estimate(rows=root.get("Plan Rows"), cost=root.get("Total Cost"))


def _database(url: str) -> str:
    """The database of a URL; empty where it cannot be known before the server is asked."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(url)
    except psycopg.Error:
        return ""
    return str(found.get("dbname") or "")
