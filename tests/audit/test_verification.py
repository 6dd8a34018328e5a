"""What somebody who can write the database cannot do unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from saaf_autogen.audit import AuditLog, AuditReader, Chain, Head
from saaf_autogen.audit.chain import GENESIS
from saaf_autogen.audit.verification import Broken, verify_export, verify_store
from saaf_autogen.db import Database
from tests.audit.conftest import KEY, outcome, record

Tamper = Callable[[Database], None]


@pytest.fixture
async def filled(store: Database) -> Database:
    """Ten entries."""
    log = AuditLog(store, KEY)
    for number in range(5):
        await log.write(record(f"c{number}", subject=f"client:{number}"), outcome(f"c{number}"))
    await log.close()
    return store


def execute(store: Database, *statements: str) -> None:
    with store.transaction() as session:
        for statement in statements:
            session.execute(text(statement))


def without_guards(store: Database) -> None:
    """What an attacker does who owns the database: the triggers go first."""
    if store.is_sqlite:
        for name in (
            "audit_entries_no_update",
            "audit_entries_no_delete",
            "audit_heads_no_delete",
            "audit_heads_forward",
        ):
            execute(store, f"DROP TRIGGER {name}")
    else:
        execute(
            store,
            "ALTER TABLE audit_entries DISABLE TRIGGER USER",
            "ALTER TABLE audit_heads DISABLE TRIGGER USER",
        )


def check(store: Database, known: Head | None = None) -> int:
    return verify_store(AuditReader(store), Chain(KEY), "default", known=known).entries


def lines(store: Database, tenant: str = "default") -> list[str]:
    return [json.dumps(entry.document()) for entry in AuditReader(store).stream(tenant)]


def test_a_log_that_nobody_touched_holds(filled: Database) -> None:
    assert check(filled) == 10
    head = AuditReader(filled).head("default")
    assert head is not None
    assert check(filled, head) == 10


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET body = body WHERE seq = 4",
        "DELETE FROM audit_entries WHERE seq = 4",
        "DELETE FROM audit_heads",
        "UPDATE audit_heads SET seq = seq - 1",
    ],
)
def test_the_store_itself_refuses_what_is_no_addition(filled: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        execute(filled, statement)
    assert check(filled) == 10


def test_postgresql_refuses_to_empty_it_too(postgres: Database) -> None:
    for table in ("audit_entries", "audit_heads"):
        with pytest.raises(DBAPIError, match="append-only"):
            execute(postgres, f"TRUNCATE {table}")


CHANGED = "UPDATE audit_entries SET body = replace(body, 'allowed', 'denied') WHERE seq = 5"
TAMPERINGS = {
    "a changed text": ([CHANGED], 5, "was changed"),
    "a changed column": (
        ["UPDATE audit_entries SET subject = 'client:eve' WHERE seq = 3"],
        3,
        "repeats",
    ),
    "a changed time": (
        ["UPDATE audit_entries SET at = '2020-01-01 00:00:00+00:00' WHERE seq = 3"],
        3,
        "repeats",
    ),
    "a removed entry": (["DELETE FROM audit_entries WHERE seq = 6"], 6, "missing"),
    "a removed first entry": (["DELETE FROM audit_entries WHERE seq = 1"], 1, "missing"),
    "a removed entry with the rest moved up": (
        [
            "DELETE FROM audit_entries WHERE seq = 6",
            "UPDATE audit_entries SET seq = 106 WHERE seq = 7",
            "UPDATE audit_entries SET seq = 6 WHERE seq = 106",
        ],
        6,
        "made as entry 7",
    ),
    "two entries in each other's place": (
        [
            "UPDATE audit_entries SET seq = 103 WHERE seq = 3",
            "UPDATE audit_entries SET seq = 3 WHERE seq = 4",
            "UPDATE audit_entries SET seq = 4 WHERE seq = 103",
        ],
        3,
        "made as entry 4",
    ),
    "an inserted entry without a hash": (
        ["UPDATE audit_entries SET hash = NULL WHERE seq = 7"],
        7,
        "inserted",
    ),
    "a cut end": (["DELETE FROM audit_entries WHERE seq > 8"], 9, "cut"),
    "a head that names another entry": (
        [f"UPDATE audit_heads SET hash = '{'0' * 64}'"],
        10,
        "head",
    ),
    "a head that is gone": (["DELETE FROM audit_heads"], 1, "head is gone"),
    "a head that was set back": (["UPDATE audit_heads SET seq = 9"], 10, "inserted"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_done_to_the_log_is_found_at_its_place(filled: Database, name: str) -> None:
    statements, seq, told = TAMPERINGS[name]
    without_guards(filled)
    execute(filled, *statements)
    with pytest.raises(Broken, match=told) as broken:
        check(filled)
    assert broken.value.seq == seq


def test_an_entry_forged_without_the_key_does_not_hold(filled: Database) -> None:
    head = AuditReader(filled).head("default")
    assert head is not None
    forged = AuditLog(filled, "00" * 32)
    with filled.transaction() as session:
        forged.append(session, record("forged"))
    with pytest.raises(Broken, match="was changed") as broken:
        check(filled)
    assert broken.value.seq == 11


def test_entries_of_one_tenant_do_not_hold_as_those_of_another(filled: Database) -> None:
    without_guards(filled)
    execute(
        filled,
        "UPDATE audit_entries SET tenant = 'acme'",
        "UPDATE audit_heads SET tenant = 'acme'",
    )
    with pytest.raises(Broken, match="of tenant default"):
        verify_store(AuditReader(filled), Chain(KEY), "acme")


def test_an_end_cut_together_with_the_head_shows_against_a_head_kept_elsewhere(
    filled: Database,
) -> None:
    kept = AuditReader(filled).head("default")
    (seventh,) = [each for each in AuditReader(filled).stream("default") if each.seq == 7]
    without_guards(filled)
    execute(
        filled,
        "DELETE FROM audit_entries WHERE seq > 7",
        f"UPDATE audit_heads SET seq = 7, hash = '{seventh.hash}'",
    )
    assert check(filled) == 7
    with pytest.raises(Broken, match="the end was cut") as broken:
        check(filled, kept)
    assert broken.value.seq == 8


async def test_a_history_written_anew_shows_against_a_head_kept_elsewhere(
    filled: Database,
) -> None:
    kept = Head("default", 4, "ab" * 32)
    with pytest.raises(Broken, match="head that was kept") as broken:
        check(filled, kept)
    assert broken.value.seq == 4


def test_an_export_holds_by_itself(filled: Database, chain: Chain) -> None:
    (found,) = verify_export(lines(filled), chain)
    assert (found.first, found.entries) == (1, 10)
    assert found.head == AuditReader(filled).head("default")


def test_a_part_of_an_export_holds_from_where_it_begins(filled: Database, chain: Chain) -> None:
    (found,) = verify_export(lines(filled)[3:], chain)
    assert (found.first, found.entries) == (4, 7)


def test_an_export_with_several_tenants_holds(filled: Database, chain: Chain) -> None:
    log = AuditLog(filled, KEY)
    with filled.transaction() as session:
        log.append(session, record("x", tenant="acme"), record("y", tenant="acme"))
    mixed = lines(filled)
    mixed[4:4], mixed[7:7] = lines(filled, "acme")[:1], lines(filled, "acme")[1:]
    found = {each.tenant: each.entries for each in verify_export(mixed, chain)}
    assert found == {"default": 10, "acme": 2}


@pytest.mark.parametrize(
    ("edit", "seq"),
    [
        (lambda all_: all_[:4] + all_[5:], 5),
        (lambda all_: [*all_[:4], all_[4].replace("granted", "trusted"), *all_[5:]], 5),
        (lambda all_: [*all_[:2], all_[3], all_[2], *all_[4:]], 3),
        (lambda all_: [*all_[:2], all_[1], *all_[2:]], 3),
    ],
    ids=["removed", "changed", "reordered", "repeated"],
)
def test_what_was_done_to_an_export_is_found(
    filled: Database, chain: Chain, edit: Callable[[list[str]], list[str]], seq: int
) -> None:
    with pytest.raises(Broken) as broken:
        verify_export(edit(lines(filled)), chain)
    assert broken.value.seq == seq


def test_lines_that_are_no_entries_are_named(chain: Chain) -> None:
    with pytest.raises(Broken, match="line 1 is no entry"):
        verify_export(['{"seq": 1}'], chain)


def test_the_hash_is_what_the_page_says(filled: Database) -> None:
    """docs/audit.md, told in ten lines to whoever checks a log without SAAF."""
    import hmac

    prev = hashlib.sha256(b"").hexdigest()
    assert prev == GENESIS
    for line in lines(filled):
        entry = json.loads(line)
        claimed = entry.pop("hash")
        assert entry["prev"] == prev
        text_ = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        prev = hmac.digest(bytes.fromhex(KEY), text_.encode(), "sha256").hex()
        assert claimed == prev
