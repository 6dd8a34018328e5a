"""A warehouse over SQLAlchemy, for engines without a driver of their own here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from saaf_autogen.errors import ConfigurationError, WarehouseFailed
from saaf_autogen.sql.engine import Engine
from saaf_autogen.sql.guard import Dialect, PhysicalTable, Plan
from saaf_autogen.sql.reading import Reading
from saaf_autogen.sql.sqlalchemy.reading import SQLAlchemyReading
from saaf_autogen.sql.warehouse import Column, QueryLimits, Session, TableSchema

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["SQLAlchemyWarehouse"]

_HOST = QueryLimits(timeout_s=120)
_POOL_S = 10


class SQLAlchemyWarehouse(Engine):
    """A database by SQLAlchemy's URL. It is connected to when the first query comes.

    What stands below the guard depends on the driver: read-only transactions and limits on time on
    PostgreSQL and MySQL, an authorizer on SQLite; elsewhere the role is the second line.

    Args:
        name: the name under which the deployment knows it.
        url: SQLAlchemy's URL, with its password; it is never shown.
        dialect: in which the guard reads and writes SQL; it must be the database's own.
        catalog: where tables are; may be empty.
        concurrency: queries, and so connections, at the same time; further ones wait.

    Raises:
        ConfigurationError: the URL is none, or its driver is not installed.
    """

    def __init__(
        self, name: str, url: str, dialect: Dialect, *, catalog: str = "", concurrency: int = 4
    ) -> None:
        import sqlalchemy
        import sqlalchemy.exc

        super().__init__(name, dialect, catalog=catalog, concurrency=concurrency)
        options: dict[str, Any] = {}
        try:
            parsed = sqlalchemy.make_url(url)
            if parsed.get_backend_name() == "sqlite":
                options = {
                    "poolclass": sqlalchemy.pool.QueuePool,
                    "connect_args": {"check_same_thread": False},
                }
            self._engine: sqlalchemy.Engine = sqlalchemy.create_engine(
                parsed,
                pool_size=concurrency,
                max_overflow=0,
                pool_timeout=_POOL_S,
                pool_pre_ping=True,
                hide_parameters=True,
                **options,
            )
        except (sqlalchemy.exc.ArgumentError, ImportError) as error:
            raise ConfigurationError(
                f"The warehouse {name} has no usable URL: {type(error).__name__}.",
                remedy="Mend its variable, such as DRIVER://USER:PASSWORD@HOST/NAME, and install "
                "the driver's package.",
            ) from None

    async def close(self) -> None:
        """Stop what runs and close every connection."""
        await super().close()
        await asyncio.to_thread(self._engine.dispose)

    async def schemas(self) -> tuple[TableSchema, ...]:
        """Every table and view that SQLAlchemy finds."""
        return await asyncio.to_thread(self._schemas)

    def _reading(self, plan: Plan, limits: QueryLimits, session: Session | None) -> Reading:
        return SQLAlchemyReading(self._engine, plan, dialect=self._dialect, limits=limits)

    def _inspection(self, sql: str, parameters: tuple[Any, ...]) -> Reading:
        return SQLAlchemyReading(
            self._engine, sql, dialect=self._dialect, limits=_HOST, parameters=parameters
        )

    def _columns_sql(self) -> str:
        raise NotImplementedError("SQLAlchemy's inspector is asked instead")

    def _schemas(self) -> tuple[TableSchema, ...]:
        import sqlalchemy
        import sqlalchemy.exc

        found: list[TableSchema] = []
        try:
            inspector = sqlalchemy.inspect(self._engine)
            for schema in inspector.get_schema_names():
                if schema.lower() in ("information_schema", "pg_catalog"):
                    continue
                names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
                for name in sorted(names):
                    columns = tuple(
                        Column(str(each["name"]), str(each["type"]))
                        for each in inspector.get_columns(name, schema)
                    )
                    found.append(TableSchema(PhysicalTable(self.catalog, schema, name), columns))
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise WarehouseFailed(
                f"The warehouse {self.name} cannot be inspected: {type(error).__name__}."
            ) from None
        return tuple(found)
