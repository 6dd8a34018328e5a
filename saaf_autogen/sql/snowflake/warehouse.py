"""Snowflake as a warehouse."""

from __future__ import annotations

import json
from typing import Any

from saaf_autogen.sql.engine import Engine
from saaf_autogen.sql.guard import Plan, dialect_named
from saaf_autogen.sql.reading import Reading
from saaf_autogen.sql.snowflake.connection import Sessions, SnowflakeAccess
from saaf_autogen.sql.snowflake.reading import SnowflakeReading
from saaf_autogen.sql.warehouse import Estimate, QueryLimits, Session

__all__ = ["SnowflakeWarehouse"]

_HOST = QueryLimits(timeout_s=120)


class SnowflakeWarehouse(Engine):
    """One database of an account. It is logged in to when the first query comes.

    Args:
        name: the name under which the deployment knows it.
        access: how to log in.
        concurrency: queries, and so sessions, at the same time; further ones wait.
    """

    def __init__(self, name: str, access: SnowflakeAccess, *, concurrency: int = 4) -> None:
        super().__init__(
            name, dialect_named("snowflake"), catalog=access.database, concurrency=concurrency
        )
        self._sessions = Sessions(name, access)

    async def close(self) -> None:
        """Cancel what runs and log out."""
        await super().close()
        self._sessions.close()

    def _reading(self, plan: Plan, limits: QueryLimits, session: Session | None) -> Reading:
        return SnowflakeReading(self._sessions, plan, limits=limits, session=session)

    def _inspection(self, sql: str, parameters: tuple[Any, ...]) -> Reading:
        return SnowflakeReading(self._sessions, sql, limits=_HOST, parameters=parameters)

    def _explanation(self, plan: Plan, session: Session | None) -> Reading | None:
        return SnowflakeReading(self._sessions, plan, limits=_HOST, session=session, explain=True)

    def _columns_sql(self) -> str:
        return (
            "SELECT table_schema, table_name, column_name, data_type "
            "FROM information_schema.columns WHERE table_schema <> 'INFORMATION_SCHEMA' "
            "ORDER BY table_schema, table_name, ordinal_position"
        )

    def _estimate(self, text: str) -> Estimate:
        size = json.loads(text).get("GlobalStats", {}).get("bytesAssigned")
        return Estimate(bytes=size, cost=None if size is None else float(size))
