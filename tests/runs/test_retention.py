from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from saaf_autogen.actions.tables import EffectRow
from saaf_autogen.audit import AuditLog, AuditReader
from saaf_autogen.audit.reader import AuditFilter
from saaf_autogen.db import Base, Database
from saaf_autogen.runs import RunRow, store
from saaf_autogen.runs.retention import Pruner, prunable, prune
from saaf_autogen.runs.tables import UsageRow, WorkerRow
from saaf_autogen.testing import ManualClock
from tests.runs.house import ANN, LIMITS, Stores, ask, find_agent
from tests.runs.rows import (
    NOW,
    add_callback,
    add_effect,
    add_question,
    add_run,
    add_usage,
    add_worker,
    ago,
)

MONTH = timedelta(days=30)


@pytest.fixture
def database(stores: Stores) -> Iterator[Database]:
    database = Database(stores.database)
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def all_of(database: Database, column: Any) -> set[Any]:
    with database.transaction(read=True) as session:
        return set(session.scalars(select(column)))


def everything(database: Database) -> dict[str, int]:
    with database.transaction(read=True) as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


def test_ended_runs_go_with_all_that_belongs_to_them(database: Database) -> None:
    with database.transaction() as session:
        old = add_run(session)
        add_callback(session, old, "delivered")
        add_callback(session, old, "dead")
        add_question(session, old, state="answered")
        add_run(session, status="failed")
        young = add_run(session, days=29)
        counts = prune(session, MONTH, NOW)
    assert counts.rows() == {
        "runs": 2, "events": 4, "callbacks": 2, "turns": 2, "journal": 2, "questions": 1,
    }  # fmt: skip
    assert not counts.more
    assert all_of(database, RunRow.id) == {young}
    left = {name: count for name, count in everything(database).items() if count}
    assert left == {"runs": 1, "run_events": 2, "run_turns": 1, "run_journal": 1}


def test_open_runs_and_those_with_a_callback_to_be_sent_stay(database: Database) -> None:
    with database.transaction() as session:
        kept = {add_run(session, status=name) for name in ("queued", "running", "input_required")}
        late = add_run(session, finished_at=ago(1))
        waiting = add_run(session)
        add_callback(session, waiting, "pending")
        assert not prune(session, MONTH, NOW).rows()
    assert all_of(database, RunRow.id) == kept | {late, waiting}


def test_batches_are_bounded_by_runs_and_by_events(database: Database) -> None:
    with database.transaction() as session:
        for _ in range(5):
            add_run(session)
        counts = prune(session, MONTH, NOW, batch=2)
        assert (counts.runs, counts.more) == (2, True)
        add_run(session, days=50, last_event=15_000)
        add_run(session, days=50, last_event=15_000)
        counts = prune(session, MONTH, NOW, batch=100)
        assert (counts.runs, counts.more) == (1, True)
        counts = prune(session, MONTH, NOW, batch=100)
        assert (counts.runs, counts.more) == (4, False)


def test_settled_effects_go_and_those_that_are_yet_needed_stay(database: Database) -> None:
    with database.transaction() as session:
        ended, waiting = add_run(session), add_run(session, status="input_required")
        asked = add_effect(session, state="unknown")
        add_question(session, waiting, call_id=asked)
        kept = {
            asked,
            add_effect(session, days=29),
            add_effect(session, holder=f"{waiting}#3"),
            add_effect(session, holder=f"{waiting}#3", state="unknown"),
            add_effect(session, state="in_flight", finished_at=None, lease_until=ago(1)),
        }
        answered = add_effect(session, state="unknown")
        add_question(session, ended, call_id=answered, state="answered")
        add_effect(session)
        add_effect(session, holder=f"{ended}#1")
        add_effect(session, state="unknown", finished_at=None)
        add_effect(session, state="in_flight", finished_at=None)
        assert prunable(session, MONTH, NOW).effects == 5
        assert prune(session, MONTH, NOW).effects == 5
    assert all_of(database, EffectRow.call_id) == kept


def test_a_question_of_another_tenant_keeps_no_effect(database: Database) -> None:
    with database.transaction() as session:
        waiting = add_run(session, status="input_required")
        effect = add_effect(session, state="unknown", tenant="acme")
        add_question(session, waiting, call_id=effect)
        assert prune(session, MONTH, NOW).effects == 1


def test_workers_that_are_gone_are_forgotten_unless_a_run_names_them(database: Database) -> None:
    with database.transaction() as session:
        add_worker(session, "wrk_old")
        add_worker(session, "wrk_young", days=1)
        add_worker(session, "wrk_silent", state="live")
        add_worker(session, "wrk_holding")
        add_run(session, status="running", worker="wrk_holding")
        assert prune(session, MONTH, NOW).workers == 1
    assert all_of(database, WorkerRow.id) == {"wrk_young", "wrk_silent", "wrk_holding"}


def test_usage_outlives_runs_unless_it_has_a_time_of_its_own(database: Database) -> None:
    with database.transaction() as session:
        add_usage(session, ago(40))
        add_usage(session, ago(400))
        assert not prune(session, MONTH, NOW).usage
        year = timedelta(days=365)
        assert prunable(session, MONTH, NOW, usage_older_than=year).usage == 1
        assert prune(session, MONTH, NOW, usage_older_than=year).usage == 1
    assert all_of(database, UsageRow.at) == {ago(40)}


def test_what_would_go_is_what_goes(database: Database) -> None:
    with database.transaction() as session:
        for days in (10, 31, 50):
            run = add_run(session, days=days)
            add_callback(session, run, "delivered")
            add_effect(session, days=days)
        add_worker(session, "wrk_old")
        would = prunable(session, MONTH, NOW).rows()
        assert would == prune(session, MONTH, NOW).rows()
        assert would["runs"] == 2
        assert not prunable(session, MONTH, NOW).rows()


def test_pruning_is_recorded_for_each_tenant(database: Database) -> None:
    with database.transaction() as session:
        for number in range(5):
            add_run(session, tenant="acme" if number % 2 else "bravo")
    clock = ManualClock()
    clock.advance((NOW - clock.now()).total_seconds())
    told: list[int] = []
    audit = AuditLog(database, "5a" * 32)
    pruner = Pruner(database, audit, clock, who="operator", batch=2)
    counts = pruner.prune(MONTH, progress=lambda counts: told.append(counts.runs))
    assert (counts.runs, counts.more, told) == (5, False, [2, 4, 5])
    told_of: dict[str, int] = {}
    for tenant in ("acme", "bravo", "default"):
        for entry in AuditReader(database).page(tenant, AuditFilter(), limit=50).entries:
            document = entry.document()
            assert (document["action"], document["subject"]) == ("runs.prune", "operator")
            told_of[tenant] = told_of.get(tenant, 0) + document["details"]["of_tenant"]
    assert told_of == {"acme": 2, "bravo": 3}
    assert not pruner.prune(MONTH).rows()


def test_pruning_stops_between_batches_when_it_is_told_to(database: Database) -> None:
    with database.transaction() as session:
        for _ in range(5):
            add_run(session)
    clock = ManualClock()
    clock.advance((NOW - clock.now()).total_seconds())
    pruner = Pruner(database, AuditLog(database, "5a" * 32), clock, batch=2)
    assert pruner.prune(MONTH, progress=lambda _: False).runs == 2
    assert pruner.prunable(MONTH).runs == 3


async def test_an_idempotency_key_of_a_deleted_run_is_new_again(database: Database) -> None:
    def new() -> store.NewRun:
        return store.NewRun(ask("x"), ANN.key, ANN, find_agent("flights"), LIMITS, "key")

    first, _, created = await database.run(store.create, new(), ago(40))
    assert created
    with database.transaction() as session:
        store.finish(session, first.id, "completed", ago(40))
        assert prune(session, MONTH, NOW).runs == 1
    second, _, created = await database.run(store.create, new(), NOW)
    assert created
    assert second.id != first.id
