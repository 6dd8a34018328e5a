from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from saaf_autogen.audit import AuditLog, AuditOutcome, AuditRecord
from saaf_autogen.audit.tables import AuditOutcomeRow, AuditRecordRow
from saaf_autogen.db import Database
from saaf_autogen.errors import AuditUnavailable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(call_id: str) -> AuditRecord:
    return AuditRecord(
        call_id=call_id,
        at=NOW,
        tenant="default",
        issuer="local",
        subject="client:ann",
        actors=("agent:flights",),
        client_id="ann",
        door="rest",
        action="warehouse.query",
        resources=("wh://nyc/main.flights",),
        decision="allowed",
        reason="granted",
    )


def stored(database: Database) -> list[str]:
    with database.transaction(read=True) as session:
        return list(session.scalars(select(AuditRecordRow.call_id).order_by(AuditRecordRow.id)))


async def test_noted_entries_are_stored_together_soon(database: Database) -> None:
    log = AuditLog(database, delay_s=0.01)
    log.note(record("a"), AuditOutcome("a", NOW, "default", "ok", 1.5))
    log.note(record("b"))
    await log.flush()
    assert stored(database) == ["a", "b"]
    with database.transaction(read=True) as session:
        outcome = session.scalars(select(AuditOutcomeRow)).one()
        assert (outcome.call_id, outcome.outcome, outcome.at) == ("a", "ok", NOW)
    await log.close()


async def test_closing_stores_what_still_waits(database: Database) -> None:
    log = AuditLog(database, delay_s=60)
    log.note(record("a"))
    await log.close()
    assert stored(database) == ["a"]


async def test_a_write_is_refused_when_the_store_is_gone(database: Database) -> None:
    log = AuditLog(database)
    with database.transaction() as session:
        session.execute(text("DROP TABLE audit_records"))
    with pytest.raises(AuditUnavailable, match="the call was not made"):
        await log.write(record("a"))


async def test_nothing_noted_is_lost_while_the_store_is_gone(database: Database) -> None:
    log = AuditLog(database, delay_s=60, capacity=2)
    with database.transaction() as session:
        session.execute(text("ALTER TABLE audit_records RENAME TO away"))
    log.note(record("a"), record("b"))
    with pytest.raises(AuditUnavailable):
        await log.flush()
    with pytest.raises(AuditUnavailable, match="nothing more is done"):
        log.note(record("c"))
    with database.transaction() as session:
        session.execute(text("ALTER TABLE away RENAME TO audit_records"))
    await log.close()
    assert stored(database) == ["a", "b"]


async def test_closing_while_a_batch_is_being_stored_stores_it_once(database: Database) -> None:
    log = AuditLog(database, delay_s=0)
    for number in range(20):
        log.note(record(str(number)))
        await asyncio.sleep(0.001)
    await log.close()
    assert sorted(stored(database), key=int) == [str(number) for number in range(20)]


async def test_a_batch_whose_commit_was_not_heard_of_is_given_again(database: Database) -> None:
    log = AuditLog(database)
    await log.write(record("a"))
    await log.write(record("a"), record("b"))
    assert stored(database) == ["a", "b"]
