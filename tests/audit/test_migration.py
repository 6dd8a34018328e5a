"""What stood in the two tables before the chain is kept, and is covered by it from then on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from saaf_autogen.audit import AuditLog, AuditReader, Chain
from saaf_autogen.audit.verification import Broken, verify_export, verify_store
from saaf_autogen.db import Database
from saaf_autogen.db import database as database_module
from tests.audit.conftest import KEY, record
from tests.audit.test_verification import execute, lines, without_guards

OLD = """INSERT INTO audit_records
(tenant, call_id, at, issuer, subject, actors, client_id, door, action, resources, decision,
 reason, run_id) VALUES
(:tenant, :call, :at, 'local', 'client:ann', '["agent:flights"]', 'ann', 'rest',
 'warehouse.query', :resources, 'allowed', 'granted: é "x"', NULL)"""
OUTCOME = """INSERT INTO audit_outcomes (tenant, call_id, at, outcome, duration_ms)
VALUES (:tenant, :call, :at, 'ok', 12.345)"""


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A store of the revision before, with some entries of two tenants."""
    if request.param == "sqlite":
        store = Database(f"sqlite:///{tmp_path / 'old.sqlite'}")
    else:
        store = Database(request.getfixturevalue("postgres_url"))
    config = Config()
    folder = Path(database_module.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    with store.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    with store.transaction() as session:
        for number in range(2_500):
            at = f"2026-01-01 00:{number // 60:02}:{number % 60:02}.000100+00:00"
            values = {
                "tenant": "acme" if number % 5 == 0 else "default",
                "call": f"call_{number}",
                "at": at,
            }
            resources = '["wh://nyc/main.flights"]' if number % 2 else "[]"
            session.execute(text(OLD), {**values, "resources": resources})
            if number % 3 == 0:
                session.execute(text(OUTCOME), values)
    yield store
    store.close()


def test_nothing_is_lost_and_the_old_tables_are_gone(old: Database) -> None:
    old.migrate()
    assert not {"audit_records", "audit_outcomes"} & set(inspect(old.engine).get_table_names())
    reader = AuditReader(old)
    entries = [each.document() for each in reader.stream("default")]
    assert len([each for each in entries if each["kind"] == "decision"]) == 2_000
    assert len([each for each in entries if each["kind"] == "outcome"]) == 667
    assert len(list(reader.stream("acme"))) == 500 + 167
    assert [each["seq"] for each in entries] == list(range(1, len(entries) + 1))
    assert entries[1] == {
        "tenant": "default",
        "seq": 2,
        "kind": "decision",
        "call_id": "call_2",
        "at": "2026-01-01T00:00:02.000100Z",
        "issuer": "local",
        "subject": "client:ann",
        "actors": ["agent:flights"],
        "client_id": "ann",
        "door": "rest",
        "action": "warehouse.query",
        "resources": [],
        "decision": "allowed",
        "reason": 'granted: é "x"',
        "hash": None,
    }
    third, its_outcome = entries[2], entries[3]
    assert third["call_id"] == its_outcome["call_id"] == "call_3"
    assert (its_outcome["kind"], its_outcome["duration_us"]) == ("outcome", 12_345)


async def test_the_chain_goes_on_from_them_and_covers_them(old: Database) -> None:
    old.migrate()
    log, reader, chain = AuditLog(old, KEY), AuditReader(old), Chain(KEY)
    assert verify_store(reader, chain, "acme").unchained == 667
    await log.write(record("new"), record("new2"))
    await log.close()
    found = verify_store(reader, chain, "default")
    assert (found.entries, found.unchained) == (2_669, 2_667)
    (exported,) = verify_export(lines(old), chain)
    assert exported == found
    without_guards(old)
    execute(old, "UPDATE audit_entries SET body = replace(body, 'granted', 'denied ') WHERE seq=9")
    with pytest.raises(Broken, match="earlier format were changed"):
        verify_store(reader, chain, "default")


def test_the_log_is_not_taken_back(old: Database) -> None:
    old.migrate()
    config = Config()
    folder = Path(database_module.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    with old.engine.connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(NotImplementedError, match="backup"):
            command.downgrade(config, "0002")
