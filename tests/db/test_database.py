from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from saaf_autogen.db import Database, is_away


def add(session: Session, number: int) -> int:
    count: int = session.execute(text("SELECT count(*) FROM numbers")).scalar_one()
    session.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})
    return count


async def test_writers_that_read_first_wait_for_one_another(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'saaf.sqlite'}")
    with database.transaction() as session:
        session.execute(text("CREATE TABLE numbers (number INTEGER)"))
    seen = await asyncio.gather(*(database.run(add, number) for number in range(40)))
    assert sorted(seen) == list(range(40))
    database.close()


async def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'saaf.sqlite'}")
    with database.transaction() as session:
        session.execute(text("CREATE TABLE numbers (number INTEGER)"))
    with database.transaction() as session:
        add(session, 1)
        count = await asyncio.wait_for(
            database.read(lambda s: s.execute(text("SELECT count(*) FROM numbers")).scalar_one()), 5
        )
    assert count == 0
    database.close()


async def test_a_server_that_falls_silent_is_not_waited_for_without_end(postgres: Database) -> None:
    def parameters(database: Database) -> dict[str, str]:
        with database.engine.connect() as connection:
            found: dict[str, str] = connection.connection.dbapi_connection.info.get_parameters()  # type: ignore[union-attr]  # psycopg's
        return found

    limits = parameters(postgres)
    assert limits["connect_timeout"] == "10"
    assert limits["tcp_user_timeout"] == "15000"
    assert limits["keepalives_idle"] == "10"
    patient = Database(
        postgres.url.update_query_dict({"connect_timeout": "60"}).render_as_string(False)
    )
    assert parameters(patient)["connect_timeout"] == "60"
    patient.close()


def test_what_another_try_would_meet_again_is_no_store_that_is_away(database: Database) -> None:
    with pytest.raises(DBAPIError) as wrong, database.transaction() as session:
        session.execute(text("SELECT * FROM no_such_table"))
    assert not is_away(wrong.value)
