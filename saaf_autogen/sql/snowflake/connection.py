"""Sessions on one Snowflake account: made when they are needed, kept, dropped when in doubt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saaf_autogen.errors import WarehouseFailed

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

__all__ = ["Sessions", "SnowflakeAccess"]

_log = logging.getLogger(__name__)
# The connector repeats a request that met HTTP 500 some thirty times unless it is told to end.
_LOGIN_S = 15
_NETWORK_S = 60
_SOCKET_S = 60


@dataclass(frozen=True)
class SnowflakeAccess:
    """How to log in. Secrets are read anew at each login, so that rotated ones are taken up.

    Attributes:
        account: such as ``ORG-ACCOUNT``.
        user: who logs in; with a token, it may be left out.
        database: where tables are.
        schema: where a session starts.
        warehouse: what computes.
        role: should be able to read what is granted, and nothing else.
        private_key_file: a key pair's private half, PEM (RFC 5958), in a mounted file.
        passphrase: of the private key.
        token_file: an OAuth access token in a mounted file.
        token: an OAuth access token.
        extra: further arguments of the connector, such as ``host`` for a private link.
    """

    account: str
    user: str | None = None
    database: str = ""
    schema: str | None = None
    warehouse: str | None = None
    role: str | None = None
    private_key_file: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    token: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict)


class Sessions:
    """Idle sessions of one warehouse.

    Args:
        name: the warehouse, for messages.
        access: how to log in.
    """

    def __init__(self, name: str, access: SnowflakeAccess) -> None:
        self._name = name
        self._access = access
        self._idle: list[SnowflakeConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> tuple[SnowflakeConnection, bool]:
        """A session, and whether it is a new one.

        Raises:
            WarehouseFailed: a secret is missing, or the login failed.
        """
        with self._lock:
            while self._idle:
                session = self._idle.pop()
                if not session.is_closed():
                    return session, False
        return self._login(), True

    def give(self, session: SnowflakeConnection) -> None:
        """Take a session back."""
        with self._lock:
            if not self._closed:
                self._idle.append(session)
                return
        self.drop(session)

    def drop(self, session: SnowflakeConnection) -> None:
        """Log out, as well as that goes."""
        import snowflake.connector

        try:
            session.close(retry=False)
        except (snowflake.connector.Error, OSError) as error:
            _log.info("a session on %s did not log out: %s", self._name, type(error).__name__)

    def close(self) -> None:
        """Log the idle ones out; those in use are when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for session in idle:
            self.drop(session)

    def _login(self) -> SnowflakeConnection:
        import snowflake.connector

        arguments = {**self._arguments(), **self._credentials(), **self._access.extra}
        try:
            return snowflake.connector.connect(**arguments)
        except (snowflake.connector.Error, OSError, TypeError, ValueError) as error:
            # Without its cause: the connector's texts name users, hosts and addresses.
            _log.warning("warehouse %s cannot be reached: %s", self._name, type(error).__name__)
            raise WarehouseFailed(
                f"The warehouse {self._name} cannot be reached.",
                remedy="Try again in a while; an admin checks its account, its key or token, and "
                "whether Snowflake is up.",
            ) from None

    def _arguments(self) -> dict[str, Any]:
        access = self._access
        named = {
            "account": access.account,
            "user": access.user,
            "database": access.database,
            "schema": access.schema,
            "warehouse": access.warehouse,
            "role": access.role,
        }
        return {
            **{name: value for name, value in named.items() if value},
            # Values are bound by the server: the default would write them into the SQL.
            "paramstyle": "qmark",
            # The default turns decimals into floats.
            "arrow_number_to_decimal": True,
            "login_timeout": _LOGIN_S,
            "network_timeout": _NETWORK_S,
            "socket_timeout": _SOCKET_S,
            "client_session_keep_alive": False,
            "application": "saaf",
            "log_imported_packages_in_telemetry": False,
            "session_parameters": {
                "QUERY_TAG": "saaf",
                "TIMEZONE": "UTC",
                "MULTI_STATEMENT_COUNT": 1,
                "CLIENT_TELEMETRY_ENABLED": False,
            },
        }

    def _credentials(self) -> dict[str, Any]:
        access = self._access
        token = self._read(access.token_file) if access.token_file else access.token
        if token:
            return {"authenticator": "oauth", "token": token.strip()}
        if access.private_key_file:
            self._read(access.private_key_file)
            phrase = {"private_key_file_pwd": access.passphrase} if access.passphrase else {}
            return {
                "authenticator": "SNOWFLAKE_JWT",
                "private_key_file": str(access.private_key_file),
                **phrase,
            }
        raise self._missing("a private key or a token")

    def _read(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise self._missing(f"the file {file}") from None

    def _missing(self, what: str) -> WarehouseFailed:
        return WarehouseFailed(
            f"The warehouse {self._name} has no credentials.",
            remedy=f"An admin provides {what} where saaf.yaml says, readable to the host.",
        )
