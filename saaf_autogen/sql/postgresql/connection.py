"""Connections to one PostgreSQL: made when they are needed, kept, and thrown away when in doubt."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saaf_autogen.errors import WarehouseFailed

if TYPE_CHECKING:
    import psycopg

__all__ = ["Connections", "cut_off"]

_log = logging.getLogger(__name__)
_CONNECT_S = 10
# How the server writes values (see ``types``), and how soon a dead network is noticed.
_OPTIONS: Mapping[str, Any] = {
    "client_encoding": "UTF8",
    "application_name": "saaf",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# The guard writes every table's schema; without `public`, `f.name` cannot call a user's function
# on a row of `f`, as PostgreSQL reads it where there is no such column.
_SESSION = """
SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'UTC';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET default_transaction_read_only = on;
SET search_path = pg_catalog
"""
_RIGHTS = """
SELECT r.rolsuper, r.rolbypassrls, EXISTS (
  SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND pg_has_role(c.relowner, 'USAGE'))
FROM pg_roles r WHERE r.rolname = current_user
"""


class Connections:
    """Idle connections of one warehouse.

    Args:
        name: the warehouse, for messages.
        url: a PostgreSQL URL, with its password; it is never shown.
        production: refuse a superuser or an owner of tables, instead of warning once.
    """

    def __init__(self, name: str, url: str, *, production: bool = False) -> None:
        self._name = name
        self._url = url
        self._production = production
        self._idle: list[psycopg.Connection[Any]] = []
        self._lock = threading.Lock()
        self._warned = False
        self._closed = False

    def take(self, seconds: float) -> tuple[psycopg.Connection[Any], bool]:
        """A connection, and whether it is a new one.

        Args:
            seconds: in which a server must answer; ten are the most.

        Raises:
            WarehouseFailed: there is no server, it says no, or the role may do too much.
        """
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed:
                    return connection, False
        return self._connect(seconds), True

    def give(self, connection: psycopg.Connection[Any]) -> None:
        """Take a connection back, rolled back, or close it where that fails."""
        import psycopg

        try:
            if connection.closed or connection.info.transaction_status == _ACTIVE:
                connection.close()
                return
            connection.rollback()
        except psycopg.Error:
            connection.close()
            return
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the idle ones; those in use are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connect(self, seconds: float) -> psycopg.Connection[Any]:
        import psycopg
        from psycopg.types.string import TextLoader

        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=min(_CONNECT_S, math.ceil(seconds)),
                **_OPTIONS,
            )
        except psycopg.Error as error:
            # Without its cause: libpq's texts name hosts, users and addresses.
            raise self._unreachable(error) from None
        try:
            for info in psycopg.adapters.types:
                for oid in (info.oid, info.array_oid):
                    connection.adapters.register_loader(oid, TextLoader)
            connection.execute(_SESSION)
            self._check_rights(connection)
            connection.prepare_threshold = None
        except psycopg.Error as error:
            connection.close()
            raise self._unreachable(error) from None
        except WarehouseFailed:
            connection.close()
            raise
        return connection

    def _unreachable(self, error: Exception) -> WarehouseFailed:
        import psycopg

        _log.warning("warehouse %s cannot be reached: %s", self._name, _reason(error))
        if isinstance(error, psycopg.ProgrammingError):
            return WarehouseFailed(
                f"The address of the warehouse {self._name} is no PostgreSQL URL.",
                remedy="An admin mends its variable: postgresql://USER:PASSWORD@HOST/DATABASE.",
            )
        return WarehouseFailed(
            f"The warehouse {self._name} cannot be reached.",
            remedy="Try again in a while; an admin checks its address, its password, and whether "
            "the server runs.",
        )

    def _check_rights(self, connection: psycopg.Connection[Any]) -> None:
        row = connection.execute(_RIGHTS).fetchone() or ("t", "t", "t")
        faults = ("a superuser", "exempt from row security", "the owner of tables")
        found = [fault for flag, fault in zip(row, faults, strict=True) if flag == "t"]
        if not found:
            return
        what = f"The role of the warehouse {self._name} is {' and '.join(found)}"
        remedy = "Make a role that is granted SELECT on the columns it needs and nothing else."
        if self._production:
            raise WarehouseFailed(f"{what}, which is refused in production.", remedy=remedy)
        if not self._warned:
            self._warned = True
            _log.warning("%s; production will refuse that. %s", what, remedy)


def _reason(error: Exception) -> str:
    """Why, in words of our own for the host's log."""
    text = str(error)
    return next((why for sign, why in _REASONS if sign in text), type(error).__name__)


_ACTIVE = 1
# What libpq and the server say in English, the first that fits.
_REASONS = (
    ("authentication failed", "it does not admit this role with this password"),
    ("no password supplied", "it asks for a password"),
    ("pg_hba.conf", "it does not admit this role from this host"),
    ("does not exist", "it has no such role or database"),
    ("refused", "nothing listens at its address"),
    ("resolve", "its host name has no address"),
    ("timeout", "it does not answer in time"),
    ("certificate", "its certificate is not trusted"),
    ("SSL", "TLS cannot be agreed on"),
)


def cut_off(connection: psycopg.Connection[Any]) -> None:
    """End a connection under a thread that waits for it: libpq then sees it as lost."""
    import psycopg

    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        # Closed already, which is what was wanted.
        return
