"""``saaf usage``, ``saaf prune`` and ``saaf workers`` on a store with something in it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from saaf_autogen.audit import AuditReader
from saaf_autogen.audit.reader import AuditFilter
from saaf_autogen.cli.main import app
from saaf_autogen.cli.prune import duration
from saaf_autogen.db import Database
from saaf_autogen.errors import InvalidArguments
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.state import open_state
from saaf_autogen.project.stores import open_database
from saaf_autogen.runs import RunRow
from tests.runs.rows import NOW, add_run, add_usage, add_worker

SETTINGS = "version: 1\nruns: {pinned: true, release: '2'}\n"


def age(at: datetime) -> float:
    """Days before the moment that ``rows`` counts from, of a time by the real clock."""
    return (NOW - at).total_seconds() / 86_400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "saaf.yaml").write_text(SETTINGS)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Database]:
    deployment = read_deployment(folder)
    state, _ = open_state(deployment)
    database = open_database(deployment, state)
    yield database
    database.close()


def saaf(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(folder)])


def ids(store: Database) -> set[str]:
    with store.transaction(read=True) as session:
        return set(session.scalars(select(RunRow.id)))


def test_usage_is_shown_as_a_table_as_csv_and_as_json(folder: Path, store: Database) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    with store.transaction() as session:
        add_usage(session, at, tenant="default", calls=2)
        add_usage(session, at, tenant="acme", model="large", nano_usd=None, estimated=True)
        add_usage(session, at - timedelta(days=9), agent_id="old")
    table = saaf(folder, "usage", "--from", "2026-11-01").output
    assert "flights" in table
    assert "0.0010 (1 calls without a price)" in table
    assert "~" in table
    assert "old" not in table
    told = json.loads(saaf(folder, "usage", "--by", "tenant", "--format", "json").output)
    assert [line["key"] for line in told["data"]] == ["acme", "default"]
    assert told["total"]["model_calls"] == 4
    out = saaf(folder, "usage", "--by", "principal", "--tenant", "acme", "--format", "csv").output
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["principal"], row["usd"], row["estimated"]) == ("https://issuer|ann", "", "true")
    wrong = saaf(folder, "usage", "--from", "yesterday")
    assert isinstance(wrong.exception, InvalidArguments)


def test_old_runs_are_counted_first_and_then_deleted(folder: Path, store: Database) -> None:
    now = datetime.now(UTC)
    with store.transaction() as session:
        old = add_run(session, days=age(now - timedelta(days=31)))
        young = add_run(session, days=age(now - timedelta(days=29)))
    dry = saaf(folder, "prune", "--older-than", "30d", "--dry-run")
    assert "1  runs" in dry.output
    assert "nothing was" in dry.output
    assert ids(store) == {old, young}
    assert "2  events" in saaf(folder, "prune", "--older-than", "30d").output
    assert ids(store) == {young}
    assert "Nothing is old enough." in saaf(folder, "prune", "--older-than", "30d").output
    (entry,) = AuditReader(store).page("default", AuditFilter(action="runs.prune")).entries
    assert entry.document()["details"]["of_tenant"] == 1


def test_how_long_runs_are_kept_comes_from_the_settings_or_the_command(folder: Path) -> None:
    wrong = saaf(folder, "prune")
    assert isinstance(wrong.exception, InvalidArguments)
    assert "--older-than" in (wrong.exception.remedy or "")
    (folder / "saaf.yaml").write_text("version: 1\nruns: {keep_days: 30}\n")
    assert saaf(folder, "prune").exit_code == 0


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "30 days", "1w"])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(InvalidArguments):
        duration(text)


def test_time_spans_are_days_hours_or_minutes() -> None:
    assert duration("30d") == timedelta(days=30)
    assert duration("12h") == timedelta(hours=12)
    assert duration("90m") == timedelta(minutes=90)
    assert duration(None) is None


def test_workers_and_stranded_releases_are_listed(folder: Path, store: Database) -> None:
    assert "No worker is there." in saaf(folder, "workers").output
    until = datetime.now(UTC) + timedelta(minutes=5)
    with store.transaction() as session:
        add_worker(session, "wrk_1", state="live", release="2", leased_until=until)
        add_run(session, status="running", release="2", worker="wrk_1")
    told = saaf(folder, "workers")
    assert told.exit_code == 0
    assert "wrk_1  live" in told.output
    assert "1/8 runs" in told.output
    with store.transaction() as session:
        add_run(session, status="input_required", release="1", tenant="acme")
    told = saaf(folder, "workers")
    assert told.exit_code == 1
    assert "STRANDED" in told.output
    assert "the code of 1" in told.output
    document = json.loads(saaf(folder, "workers", "--json").output)
    assert [each["stranded"] for each in document["releases"]] == [True, False]
