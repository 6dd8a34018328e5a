"""``saaf audit`` on a deployment of its own."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.cli.main import app
from saaf_autogen.db import Database
from saaf_autogen.errors import InvalidArguments
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.state import open_state
from saaf_autogen.project.stores import open_database

START = datetime(2026, 11, 1, tzinfo=UTC)


def saaf(folder: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments, "--project", str(folder)], input=stdin)


def write(folder: Path, *records: AuditRecord) -> Database:
    deployment = read_deployment(folder)
    state, sealer = open_state(deployment)
    database = open_database(deployment, state)
    with database.transaction() as session:
        AuditLog(database, sealer.derive("audit")).append(session, *records)
    return database


def record(number: int, **fields: object) -> AuditRecord:
    given: dict[str, object] = {
        "call_id": f"call_{number}",
        "at": START + timedelta(days=number),
        "tenant": "default",
        "issuer": "local",
        "subject": "client:ann" if number % 2 else "client:bob",
        "door": "rest",
        "action": "warehouse.query",
        "resources": ("wh://nyc/main.flights",),
        "decision": "denied" if number == 4 else "allowed",
        "reason": "no grant covers it" if number == 4 else "granted",
    }
    return AuditRecord(**{**given, **fields})  # type: ignore[arg-type]  # of a test's own making


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A deployment with ten entries."""
    (tmp_path / "saaf.yaml").write_text("version: 1\nname: small\n")
    write(tmp_path, *(record(number) for number in range(10))).close()
    return tmp_path


def test_the_log_holds_and_its_head_can_be_kept(folder: Path) -> None:
    head = saaf(folder, "head").stdout.strip()
    assert re.fullmatch(r"10:[0-9a-f]{64}", head)
    held = saaf(folder, "verify", "--head", head)
    assert held.exit_code == 0, held.output
    assert f"default: 10 entries hold. Head: {head}" in held.stdout


def test_a_changed_entry_is_named_with_exit_status_1(folder: Path) -> None:
    database = open_database(read_deployment(folder), folder / ".saaf")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_entries_no_update")
        connection.exec_driver_sql(
            "UPDATE audit_entries SET body = replace(body, 'denied', 'allowed') WHERE seq = 5"
        )
    database.close()
    broken = saaf(folder, "verify")
    assert broken.exit_code == 1
    assert "BROKEN  tenant default, entry 5: it was changed" in broken.output
    broken = saaf(folder, "verify", "--from-export", "-", stdin=saaf(folder, "export").stdout)
    assert broken.exit_code == 1
    assert "entry 5" in broken.output


def test_an_emptied_log_shows_against_a_kept_head(folder: Path) -> None:
    head = saaf(folder, "head").stdout.strip()
    database = open_database(read_deployment(folder), folder / ".saaf")
    with database.engine.begin() as connection:
        for name in ("entries_no_delete", "heads_no_delete"):
            connection.exec_driver_sql(f"DROP TRIGGER audit_{name}")
        connection.exec_driver_sql("DELETE FROM audit_entries")
        connection.exec_driver_sql("DELETE FROM audit_heads")
    database.close()
    assert saaf(folder, "verify").exit_code == 0
    broken = saaf(folder, "verify", "--head", head)
    assert broken.exit_code == 1
    assert "it has no entries, and once had" in broken.output


def test_an_export_is_json_lines_of_a_span_of_time(folder: Path) -> None:
    all_ = [json.loads(line) for line in saaf(folder, "export").stdout.splitlines()]
    assert [entry["seq"] for entry in all_] == list(range(1, 11))
    assert set(all_[0]) == {
        "v", "tenant", "seq", "prev", "hash", "kind", "at", "call_id", "issuer", "subject",
        "door", "action", "resources", "decision", "reason",
    }  # fmt: skip
    some = saaf(folder, "export", "--since", "2026-11-04", "--until", "2026-11-06T00:00:00Z")
    assert [json.loads(line)["seq"] for line in some.stdout.splitlines()] == [4, 5]
    assert saaf(folder, "export", "--tenant", "acme").stdout == ""


def test_an_export_verifies_from_a_file(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "november.jsonl"
    file.write_text(saaf(folder, "export", "--since", "2026-11-04").stdout)
    held = saaf(folder, "verify", "--from-export", str(file))
    assert held.exit_code == 0, held.output
    assert "7 entries from 4 on hold" in held.stdout
    missing = saaf(folder, "verify", "--from-export", str(tmp_path / "none"))
    assert isinstance(missing.exception, InvalidArguments)


def test_people_read_the_newest_first_and_find_refusals(folder: Path) -> None:
    lines = saaf(folder, "list", "--limit", "3").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["10", "9", "8"]
    (only,) = saaf(folder, "list", "--denied").stdout.splitlines()
    assert "client:bob  warehouse.query  wh://nyc/main.flights  (no grant covers it)" in only
    assert len(saaf(folder, "list", "--subject", "client:ann").stdout.splitlines()) == 5
    assert saaf(folder, "list", "--action", "nothing").stdout == ""


def test_what_callers_chose_sends_no_control_characters_to_the_terminal(folder: Path) -> None:
    write(folder, record(11, subject="client:\x1b[31mred\n", action="a\rb")).close()
    (line,) = saaf(folder, "list", "--limit", "1").stdout.splitlines()
    assert "client:?[31mred?" in line
    assert "a?b" in line


@pytest.mark.parametrize("arguments", [["verify", "--head", "10"], ["export", "--since", "noon"]])
def test_what_cannot_be_read_is_refused_with_a_remedy(folder: Path, arguments: list[str]) -> None:
    refused = saaf(folder, *arguments)
    assert isinstance(refused.exception, InvalidArguments)
    assert refused.exception.remedy
