from __future__ import annotations

from datetime import timedelta

from saaf_autogen.audit import AuditFilter, AuditLog, AuditReader, changes_between
from saaf_autogen.db import Database
from tests.audit.conftest import KEY, NOW, outcome, record


async def fill(store: Database) -> AuditReader:
    log = AuditLog(store, KEY)
    await log.write(
        record("a", subject="usr_ann", at=NOW, resources=("wh://nyc/main.flights", "x://1")),
        record("b", subject="usr_bob", decision="denied", at=NOW + timedelta(hours=1)),
        record("c", subject="usr_ann", run_id="run_1", at=NOW + timedelta(hours=2)),
        outcome("c"),
        record("d", tenant="acme", subject="usr_ann"),
    )
    await log.close()
    return AuditReader(store)


def found(reader: AuditReader, wanted: AuditFilter) -> str:
    return "".join(each.document()["call_id"] for each in reader.page("default", wanted).entries)


async def test_entries_are_found_by_what_they_tell(store: Database) -> None:
    reader = await fill(store)
    assert found(reader, AuditFilter()) == "ccba"
    assert found(reader, AuditFilter(subject="usr_ann")) == "ca"
    assert found(reader, AuditFilter(decision="denied")) == "b"
    assert found(reader, AuditFilter(run_id="run_1")) == "c"
    assert found(reader, AuditFilter(resource="x://1")) == "a"
    assert found(reader, AuditFilter(resource="x://")) == ""
    assert found(reader, AuditFilter(resource="x://_")) == ""
    assert found(reader, AuditFilter(kind="outcome")) == "c"
    assert found(reader, AuditFilter(since=NOW + timedelta(hours=1))) == "cb"
    assert found(reader, AuditFilter(until=NOW + timedelta(hours=1))) == "ca"
    assert found(reader, AuditFilter(action="nothing")) == ""


async def test_pages_go_back_to_the_first_entry(store: Database) -> None:
    reader = await fill(store)
    seen, before = [], None
    while True:
        page = reader.page("default", before=before, limit=3)
        seen += [entry.seq for entry in page.entries]
        before = page.next_before
        if before is None:
            break
    assert seen == [4, 3, 2, 1]


async def test_a_tenant_sees_its_own_entries(store: Database) -> None:
    reader = await fill(store)
    (only,) = reader.page("acme").entries
    assert only.document()["call_id"] == "d"
    assert reader.tenants() == ["acme", "default"]
    assert reader.page("nobody").entries == []
    assert reader.head("nobody") is None


def test_changes_are_told_by_field_and_secrets_by_their_names() -> None:
    before = {"title": "old", "scopes": ["a"], "secret": "s3cret", "same": 1, "gone": True}
    after = {"title": "new", "scopes": ["a"], "secret": "other", "same": 1, "added": 2}
    assert changes_between(before, after, secret={"secret"}) == {
        "title": {"from": "old", "to": "new"},
        "secret": {},
        "gone": {"from": True},
        "added": {"to": 2},
    }
