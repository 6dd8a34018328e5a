"""The store's engine and its transactions; synchronous, and run in threads by async callers."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from saaf_autogen.errors import ConfigurationError

__all__ = ["Database", "is_away"]

Params = ParamSpec("Params")
Result = TypeVar("Result")
_MIGRATION_KEY = 0x5AAF_0002
_MIGRATIONS = Path(__file__).parent / "migrations"
_IDLE_MS = 8_000
_FRESH_S = 2.0
# A server whose machine is gone answers nothing at all: unlimited, a heartbeat would wait for it
# for a quarter of an hour, wherever its name leads by then. The URL may say otherwise.
_PATIENCE: dict[str, int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class Database:
    """SQLite (embedded) or PostgreSQL behind one interface.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``; psycopg is chosen for the
            latter.
    """

    def __init__(self, url: str) -> None:
        self.url = _with_driver(make_url(url))
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine: Engine = _sqlite(self.url) if self.is_sqlite else _postgres(self.url)

        self._reader = self.engine.execution_options(saaf_read=True)
        self._joined: Session | None = None

    def joined(self, session: Session) -> Database:
        """This store from within a transaction: what is done through it is part of that one.

        So that one change spans several stores, each of which opens transactions of its own.
        """
        within = copy(self)
        within._joined = session
        return within

    def apart(self) -> Database:
        """The same store over connections of its own, for what must not queue behind others."""
        return Database(self.url.render_as_string(hide_password=False))

    @contextmanager
    def transaction(self, *, read: bool = False) -> Iterator[Session]:
        """A session whose work is committed at the end, or rolled back if anything raises.

        ``read`` promises to write nothing, and lets SQLite's readers run side by side.
        """
        if self._joined is not None:
            with self._joined.begin_nested():
                yield self._joined
            return
        engine = self._reader if read else self.engine
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def run(
        self,
        work: Callable[Concatenate[Session, Params], Result],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> Result:
        """``work(session, …)`` in a transaction of its own, in a thread."""
        return await asyncio.to_thread(lambda: self._within(False, work, *args, **kwargs))

    async def read(
        self,
        work: Callable[Concatenate[Session, Params], Result],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> Result:
        """As ``run``, for work that writes nothing."""
        return await asyncio.to_thread(lambda: self._within(True, work, *args, **kwargs))

    def _within(
        self,
        read: bool,
        work: Callable[Concatenate[Session, Params], Result],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> Result:
        with self.transaction(read=read) as session:
            return work(session, *args, **kwargs)

    def migrate(self) -> None:
        """Bring the schema to the newest revision (Alembic); safe to call at each start."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                # Hosts that start together migrate one after the other; closing gives it back.
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_KEY})
                connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_KEY})
                connection.commit()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def is_away(error: BaseException) -> bool:
    """Whether an error means that the store is out of reach for now: gone, full or too busy."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if not isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return False
    # Drivers also call by these names what another try would meet again.
    origin = getattr(error, "orig", None)
    asked_wrongly = getattr(origin, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    too_much = str(getattr(origin, "sqlstate", None) or "").startswith("54")
    return not (asked_wrongly or too_much)


def _with_driver(url: URL) -> URL:
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"The database URL starts with {url.drivername!r}.",
            remedy="Use sqlite:///FILE or postgresql://USER@HOST/NAME.",
        )
    return url


def _postgres(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=10,
        max_overflow=20,
        connect_args={name: value for name, value in _PATIENCE.items() if name not in url.query},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        # A process that is paused within a transaction would keep its locks for as long, and
        # whoever is to take its work over would wait for them.
        connection.execute(f"SET idle_in_transaction_session_timeout = {_IDLE_MS}")
        connection.commit()
        record.info["idle_since"] = time.monotonic()

    _ping_idle(engine)
    return engine


def _ping_idle(engine: Engine) -> None:
    """Make sure that a connection which nobody used for some seconds still stands.

    At each use, as ``pool_pre_ping`` does it, it would cost as much as a small transaction.
    """

    @event.listens_for(engine, "checkin")
    def _left(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _check(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("idle_since", 0.0) < _FRESH_S:
            return
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except connection.Error as error:
            raise DisconnectionError("the connection was lost while it was idle") from error


def _sqlite(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(url, connect_args={"timeout": 30}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver would open transactions late and deferred: two readers that both go on to
        # write would then fail with SQLITE_BUSY at once. We begin them ourselves, below.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=30000",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        read = connection.get_execution_options().get("saaf_read")
        connection.exec_driver_sql("BEGIN DEFERRED" if read else "BEGIN IMMEDIATE")

    return engine
