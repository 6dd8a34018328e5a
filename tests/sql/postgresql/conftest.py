"""A warehouse with canaries on a real server, and a role that may read a part of it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import psycopg
import pytest

from saaf_autogen.sql.postgresql import PostgreSQLWarehouse

_numbers = itertools.count()
SCHEMA = """
CREATE TABLE flights (id int, carrier text, note text, owner text);
INSERT INTO flights SELECT g, CASE WHEN g % 2 = 0 THEN 'UA' ELSE 'B6' END, 'note ' || g, 'ann'
FROM generate_series(1, 5000) g;
CREATE TABLE secrets (v text);
INSERT INTO secrets VALUES ('CANARY');
CREATE VIEW ua AS SELECT * FROM flights WHERE carrier = 'UA';
CREATE TABLE own (subject text, v int);
INSERT INTO own VALUES ('ann', 1), ('bob', 2);
ALTER TABLE own ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON own USING (subject = current_setting('saaf.subject', true));
"""


@pytest.fixture(scope="session")
def shop_urls(postgres_server: str) -> tuple[str, str]:
    """URLs of one database, as its owner and as a role that may read three tables."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
        connection.execute("CREATE ROLE reader LOGIN")
    owner = postgres_server.replace("/postgres?", "/shop?")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute("GRANT SELECT ON flights, ua, own TO reader")
    return owner, owner.replace("//postgres:", "//reader:")


@pytest.fixture
def owner_url(shop_urls: tuple[str, str]) -> str:
    return shop_urls[0]


@pytest.fixture
async def warehouse(shop_urls: tuple[str, str]) -> AsyncIterator[PostgreSQLWarehouse]:
    opened = PostgreSQLWarehouse("shop", shop_urls[1], concurrency=3, production=True)
    yield opened
    await opened.close()


class Activity:
    """What the server says of SAAF's connections."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def count(self, where: str = "true") -> int:
        connection = await psycopg.AsyncConnection.connect(self._url)
        async with connection:
            cursor = await connection.execute(
                f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'saaf' AND {where}"
            )
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def running(self) -> int:
        return await self.count("state = 'active'")


@pytest.fixture
def activity(owner_url: str) -> Activity:
    return Activity(owner_url)
