from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from saaf_autogen.db import Base, Database
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.runs.releases import Fleet, fleet, open_runs, release_of, stranded
from saaf_autogen.settings import RunSettings
from tests.runs.house import Stores
from tests.runs.rows import add_run, add_worker


@pytest.fixture
def database(stores: Stores) -> Iterator[Database]:
    database = Database(stores.database)
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def live(database: Database, id_: str, release: str, state: str = "live", s: float = 60) -> None:
    # Leases are by the clock of the store, which no test moves.
    until = datetime.now(UTC) + timedelta(seconds=s)
    with database.transaction() as session:
        add_worker(session, id_, state=state, release=release, leased_until=until)


def looked(database: Database, *, pinned: bool, tenant: str | None = None) -> Fleet:
    with database.transaction(read=True) as session:
        return fleet(session, pinned=pinned, tenant=tenant)


def are_stranded(database: Database, *, pinned: bool) -> bool:
    with database.transaction(read=True) as session:
        return stranded(session, pinned=pinned)


def test_the_environment_names_the_release_before_the_settings() -> None:
    settings = RunSettings(release="1")
    assert release_of(settings, {}) == "1"
    assert release_of(settings, {"SAAF_RELEASE": "2"}) == "2"
    assert release_of(RunSettings(), {"SAAF_RELEASE": ""}) == ""
    with pytest.raises(ConfigurationError, match="longer than 64"):
        release_of(settings, {"SAAF_RELEASE": "x" * 65})


def test_runs_are_pinned_to_a_release_that_has_a_name() -> None:
    with pytest.raises(ConfigurationError, match="names none"):
        release_of(RunSettings(pinned=True), {})
    assert release_of(RunSettings(pinned=True), {"SAAF_RELEASE": "2"}) == "2"


def test_workers_are_listed_with_what_they_hold(database: Database) -> None:
    live(database, "wrk_1", "1")
    live(database, "wrk_2", "2", "draining")
    live(database, "wrk_3", "2", s=-1)
    live(database, "wrk_4", "2", "gone")
    with database.transaction() as session:
        for _ in range(2):
            add_run(session, status="running", worker="wrk_1", release="1")
        add_run(session, status="completed", release="1")
    found = looked(database, pinned=False)
    told = [(each.id, each.state, each.runs) for each in found.workers]
    assert told == [("wrk_1", "live", 2), ("wrk_2", "draining", 0), ("wrk_3", "silent", 0)]
    assert [(each.release, each.running) for each in found.releases] == [("1", 2), ("2", 0)]


def test_open_runs_of_a_release_without_workers_are_stranded_if_pinned(database: Database) -> None:
    live(database, "wrk_1", "2")
    with database.transaction() as session:
        for status in ("queued", "running", "input_required", "input_required", "failed"):
            add_run(session, status=status, release="1")
    pinned = {each.release: each for each in looked(database, pinned=True).releases}
    old = pinned["1"]
    assert (old.queued, old.running, old.input_required, old.workers) == (1, 1, 2, 0)
    assert old.stranded
    assert not pinned["2"].stranded
    assert not any(each.stranded for each in looked(database, pinned=False).releases)
    assert are_stranded(database, pinned=True)
    assert not are_stranded(database, pinned=False)
    live(database, "wrk_2", "1")
    assert not are_stranded(database, pinned=True)


@pytest.mark.parametrize("pinned", [True, False])
def test_every_open_run_is_stranded_when_no_worker_lives(database: Database, pinned: bool) -> None:
    assert not are_stranded(database, pinned=pinned)
    with database.transaction() as session:
        add_run(session, status="queued", release="1")
    live(database, "wrk_1", "1", s=-1)
    live(database, "wrk_2", "1", "draining")
    assert are_stranded(database, pinned=pinned)
    (release,) = looked(database, pinned=pinned).releases
    assert release.stranded


def test_runs_are_counted_for_one_tenant_or_for_all(database: Database) -> None:
    live(database, "wrk_1", "1")
    with database.transaction() as session:
        for tenant in ("default", "acme"):
            add_run(session, status="running", worker="wrk_1", release="1", tenant=tenant)
        assert open_runs(session, "1") == 2
        assert open_runs(session, "2") == 0
    assert looked(database, pinned=True).workers[0].runs == 2
    one = looked(database, pinned=True, tenant="default")
    assert (one.workers[0].runs, one.releases[0].running) == (1, 1)
