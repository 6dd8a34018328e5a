from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, event, text

from saaf_autogen.audit import AuditLog, AuditReader, Chain
from saaf_autogen.audit.verification import verify_store
from saaf_autogen.db import Database
from saaf_autogen.errors import AuditUnavailable, InvalidArguments
from tests.audit.conftest import KEY, outcome, record


def stored(database: Database, tenant: str = "default") -> list[str]:
    return [entry.document()["call_id"] for entry in AuditReader(database).stream(tenant)]


def holds(database: Database, tenant: str = "default") -> int:
    return verify_store(AuditReader(database), Chain(KEY), tenant).entries


async def test_noted_entries_are_stored_together_soon(store: Database) -> None:
    log = AuditLog(store, KEY, delay_s=0.01)
    log.note(record("a", outcome="ok", duration_ms=1.5))
    log.note(record("b"), outcome("b", "timed_out"))
    await log.flush()
    first, second, third = [each.document() for each in AuditReader(store).stream("default")]
    assert (first["call_id"], first["outcome"], first["duration_us"]) == ("a", "ok", 1500)
    assert (second["kind"], second["actors"]) == ("decision", ["agent:flights"])
    assert (third["kind"], third["call_id"], third["outcome"]) == ("outcome", "b", "timed_out")
    assert holds(store) == 3
    await log.close()


async def test_closing_stores_what_still_waits(store: Database) -> None:
    log = AuditLog(store, KEY, delay_s=60)
    log.note(record("a"))
    await log.close()
    assert stored(store) == ["a"]


async def test_a_closed_log_still_takes_what_comes_late(database: Database) -> None:
    log = AuditLog(database, KEY, delay_s=0)
    log.note(record("a"))
    await log.close()
    log.note(record("b"))
    await log.close()
    assert stored(database) == ["a", "b"]


async def test_a_write_is_refused_when_the_store_is_gone(store: Database) -> None:
    log = AuditLog(store, KEY)
    with store.transaction() as session:
        session.execute(text("ALTER TABLE audit_entries RENAME TO away"))
    with pytest.raises(AuditUnavailable, match="the call was not made"):
        await log.write(record("a"))
    with pytest.raises(AuditUnavailable, match="the call was not made"):
        await asyncio.to_thread(log.write_blocking, record("a"))
    await log.close()


async def test_a_write_does_not_wait_for_ever(database: Database) -> None:
    log = AuditLog(database, KEY, patience_s=0.1)
    with database.transaction() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(AuditUnavailable):
            await log.write(record("a"))
        with pytest.raises(AuditUnavailable):
            await asyncio.to_thread(log.write_blocking, record("b"))
    patient = AuditLog(database, KEY)
    await patient.write(record("c"))
    await log.close()
    # What the store was given before anyone stopped waiting for it may be stored; "b" was not.
    assert set(stored(database)) - {"a"} == {"c"}
    await patient.close()


async def test_nothing_noted_is_lost_while_the_store_is_gone(store: Database) -> None:
    log = AuditLog(store, KEY, delay_s=60, capacity=2)
    with store.transaction() as session:
        session.execute(text("ALTER TABLE audit_entries RENAME TO away"))
    log.note(record("a"), record("b"))
    with pytest.raises(AuditUnavailable):
        await log.flush()
    with pytest.raises(AuditUnavailable, match="nothing more is done"):
        log.note(record("c"))
    with store.transaction() as session:
        session.execute(text("ALTER TABLE away RENAME TO audit_entries"))
    await log.close()
    assert stored(store) == ["a", "b"]


async def test_closing_while_a_batch_is_being_stored_stores_it_once(database: Database) -> None:
    log = AuditLog(database, KEY, delay_s=0)
    for number in range(20):
        log.note(record(str(number)))
        await asyncio.sleep(0.001)
    await log.close()
    assert stored(database) == [str(number) for number in range(20)]


async def test_a_batch_whose_commit_was_not_heard_of_is_given_again(store: Database) -> None:
    log = AuditLog(store, KEY)
    await log.write(record("a"))
    await log.write(record("a"), record("b"))
    assert stored(store) == ["a", "b"]
    assert holds(store) == 2
    await log.close()


async def test_what_a_transaction_appends_ends_with_it(store: Database) -> None:
    log = AuditLog(store, KEY)
    with store.transaction() as session:
        log.append(session, record("a", kind="change"))

    def refused_after_all() -> None:
        with store.transaction() as session:
            log.append(session, record("b", kind="change"))
            raise InvalidArguments("the change is refused after all")

    with pytest.raises(InvalidArguments):
        refused_after_all()
    with store.transaction() as session:
        log.append(session, record("c", kind="change"))
    assert stored(store) == ["a", "c"]
    assert holds(store) == 2


def test_a_change_is_undone_where_it_cannot_be_recorded(store: Database) -> None:
    log = AuditLog(store, KEY)
    with store.transaction() as session:
        session.execute(text("CREATE TABLE things (name VARCHAR(9))"))
        session.execute(text("ALTER TABLE audit_entries RENAME TO away"))

    def change() -> None:
        with store.transaction() as session:
            session.execute(text("INSERT INTO things VALUES ('new')"))
            log.append(session, record("a", kind="change"))

    with pytest.raises(AuditUnavailable):
        change()
    with store.transaction(read=True) as session:
        assert session.execute(text("SELECT count(*) FROM things")).scalar_one() == 0


async def test_logs_of_several_processes_make_one_chain(store: Database) -> None:
    logs = [AuditLog(Database(str(store.url.render_as_string(False))), KEY) for _ in range(4)]

    def work(log: AuditLog, name: str) -> None:
        for number in range(25):
            tenant = "default" if number % 2 else "acme"
            log.write_blocking(record(f"{name}{number}", tenant=tenant), outcome(f"{name}{number}"))

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, log, name) for log, name in zip(logs, "abcd", strict=True)]
        for future in futures:
            future.result()
    assert holds(store) + holds(store, "acme") == 200
    for log in logs:
        await log.close()
        log._database.close()


async def test_many_threads_note_at_once_and_nothing_is_lost(database: Database) -> None:
    log = AuditLog(database, KEY, delay_s=0.001)
    start = threading.Barrier(8)

    def work(name: str) -> None:
        start.wait()
        for number in range(100):
            log.note(record(f"{name}{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, "abcdefgh"))
    await log.close()
    assert holds(database) == 800


async def test_texts_that_no_store_takes_are_stored_cleaned(store: Database) -> None:
    log = AuditLog(store, KEY)
    bad = "nul \x00 and half \ud800 of a pair"
    await log.write(
        record(
            "a",
            subject=bad + "s" * 5_000,
            reason=bad,
            run_id="r" * 200,
            resources=("wh://\x00",) * 500,
            details={
                "ratio": 0.5,
                "when": record("x").at,
                "names": frozenset({"b", "a"}),
                bad: bad,
            },
        )
    )
    (entry,) = [each.document() for each in AuditReader(store).stream("default")]
    assert entry["reason"] == "nul \ufffd and half \ufffd of a pair"
    assert len(entry["subject"]) == 500
    assert entry["resources_left_out"] == 400
    assert entry["details"]["names"] == ["a", "b"]
    assert entry["details"]["ratio"] == "0.5"
    assert holds(store) == 1
    await log.close()


def pragma(database: Database, statement: Callable[[], str]) -> None:
    """Have every transaction begin with a pragma."""

    @event.listens_for(database.engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA {statement()}")


async def test_a_full_disk_refuses_writes_and_loses_nothing(database: Database) -> None:
    pages = 100
    pragma(database, lambda: f"max_page_count = {pages}")
    log = AuditLog(database, KEY, delay_s=60, capacity=4)
    written = 0

    async def fill() -> None:
        nonlocal written
        for number in range(1_000):
            await log.write(record(f"w{number}", reason="x" * 2_000))
            written += 1

    with pytest.raises(AuditUnavailable) as refused:
        await fill()
    assert refused.value.status == 503
    assert written > 0
    log.note(*(record(f"n{number}") for number in range(4)))
    with pytest.raises(AuditUnavailable):
        log.require_room()
    pages = 1_000_000
    await log.write(record("z"))
    await log.close()
    assert holds(database) == written + 5
    log.require_room()


async def test_a_store_that_became_read_only_refuses_writes(database: Database) -> None:
    pragma(database, lambda: "query_only = ON")
    log = AuditLog(database, KEY)
    with pytest.raises(AuditUnavailable):
        await log.write(record("a"))
    await log.close()
