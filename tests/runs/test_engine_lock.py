from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.runs.engine_lock import EngineLock
from tests.runs.house import ANN, Stores, ask, living
from tests.runs.team import Team


def cut_connections(url: str) -> None:
    """End all sessions of the server, as its restart does."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    engine.dispose()


async def test_a_lock_that_went_with_its_connection_is_taken_again(postgres_url: str) -> None:
    first, second = EngineLock(make_url(postgres_url)), EngineLock(make_url(postgres_url))
    await first.acquire()
    assert first.keep()
    cut_connections(postgres_url)
    assert first.keep()
    with pytest.raises(ConfigurationError, match="Another process"):
        await second.acquire()
    cut_connections(postgres_url)
    await second.acquire()
    assert not first.keep()
    second.release()
    assert first.keep()
    first.release()


async def test_an_engine_stops_when_another_took_over_while_the_store_was_away(
    postgres_url: str, team: Team
) -> None:
    stores = Stores(postgres_url, postgres_url)
    async with living(stores, team) as house:
        run = await house.service.create(ANN, ask("slow 50"))
        other = EngineLock(make_url(postgres_url))
        while house.engine.is_working:
            cut_connections(postgres_url)
            try:
                await other.acquire()
            except ConfigurationError:
                continue
            await asyncio.sleep(0.2)
        assert (await house.service.get(ANN, run.id)).status == "running"
        other.release()


async def test_a_lock_file_that_cannot_be_written_is_no_sign_of_another_engine(
    sqlite: Stores, team: Team
) -> None:
    path = Path(f"{make_url(sqlite.engine).database}.lock")
    await asyncio.to_thread(path.write_bytes, b"no database" * 1000)
    with pytest.raises(ConfigurationError, match="cannot be used: DatabaseError"):
        async with living(sqlite, team):
            pass
