"""An emulator of Snowflake on loopback, in a process and a virtual environment of its own."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from saaf_autogen.sql.snowflake import SnowflakeAccess, SnowflakeWarehouse

_COMMAND = Path(__file__).parents[3] / ".venv" / "fakesnow" / "bin" / "fakesnow"
_RUNNING = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


class Emulator:
    """A server that logs each request."""

    def __init__(self, log: Path) -> None:
        if not _COMMAND.exists():
            pytest.fail("The emulator is not installed: `make test` does it.")
        self.log = log
        with log.open("w") as output:
            self._process = subprocess.Popen([str(_COMMAND), "-s"], stdout=output, stderr=output)
        self.port = self._port()

    def _port(self) -> int:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if match := _RUNNING.search(self.log.read_text()):
                return int(match.group(1))
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def access(self, **changes: object) -> SnowflakeAccess:
        place = {"host": "127.0.0.1", "port": self.port, "protocol": "http"}
        named = {"user": "ann", "database": "SHOP", "schema": "PUBLIC", "token": "CANARY_TOKEN"}
        return SnowflakeAccess("acme", **{**named, "extra": place, **changes})  # type: ignore[arg-type]  # fields by name

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(5)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    import snowflake.connector

    running = Emulator(tmp_path_factory.mktemp("snow") / "log")
    with snowflake.connector.connect(
        user="admin",
        password="x",
        account="acme",
        database="SHOP",
        schema="PUBLIC",
        host="127.0.0.1",
        port=running.port,
        protocol="http",
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE flights (id INT, carrier VARCHAR, note VARCHAR)")
        cursor.execute(
            "INSERT INTO flights VALUES (1, 'UA', 'CANARY'), (2, 'B6', 'CANARY'), (3, 'UA', 'x')"
        )
        cursor.execute(
            "CREATE TABLE every (i INT, small NUMBER(5,0), n NUMBER(10,2), f FLOAT, b BOOLEAN, "
            "s VARCHAR, bi BINARY, d DATE, tm TIME, ts TIMESTAMP_NTZ, tz TIMESTAMP_TZ, v VARIANT)"
        )
        cursor.execute(
            "INSERT INTO every SELECT 9007199254740993, 5, 1.50, 0.5, true, 'é', "
            "TO_BINARY('00ff', 'HEX'), '2013-01-02', '01:02:03', '2013-01-02 03:04:05.123456', "
            "'2013-01-02 03:04:05', PARSE_JSON('{\"a\":[1,2.5]}')"
        )
    yield running
    running.stop()


@pytest.fixture
async def warehouse(emulator: Emulator) -> AsyncIterator[SnowflakeWarehouse]:
    opened = SnowflakeWarehouse("shop", emulator.access(), concurrency=2)
    yield opened
    await opened.close()
