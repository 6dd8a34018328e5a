from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from saaf_autogen.db import Database


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
