"""No audit, no effect: what calls and runs leave in the log, and what they are without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from saaf_autogen.actions.port import LocalPort
from saaf_autogen.audit import AuditReader
from saaf_autogen.auth.principal import Principal
from saaf_autogen.errors import AuditUnavailable, Conflict, InsufficientScope, NotFound
from saaf_autogen.project import Project, read_deployment
from saaf_autogen.runs import Asking, RunRequest
from tests.conftest import make_deployment

WRITER = Principal(
    issuer="local",
    subject="client:writer",
    client_id="writer",
    groups=frozenset({"analysts"}),
    scopes=frozenset({"tools.notes:write", "agents:run", "runs:cancel", "runs:read"}),
)


@pytest.fixture
async def project(tmp_path: Path, nyc_file: Path) -> AsyncIterator[Project]:
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    opened = await Project.open(read_deployment(folder))
    yield opened
    await opened.close()


def rename(project: Project, old: str, new: str) -> None:
    with project.database.transaction() as session:
        session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


async def entries(project: Project) -> list[dict[str, Any]]:
    await project.audit.flush()
    return [each.document() for each in AuditReader(project.database).stream("default")]


def notes(project: Project) -> int:
    file = project.deployment.folder / "tools" / "notes.txt"
    return len(file.read_text().splitlines()) if file.exists() else 0


async def test_a_write_that_cannot_be_recorded_has_no_effect(project: Project) -> None:
    port = LocalPort(project.invoker, WRITER, door="python")
    rename(project, "audit_entries", "away")
    with pytest.raises(AuditUnavailable):
        await port.call("notes.add_note", {"text": "x"}, idempotency_key="k")
    assert notes(project) == 0
    rename(project, "away", "audit_entries")
    # The key is free again: the same call is made once the log is back.
    await port.call("notes.add_note", {"text": "x"}, idempotency_key="k")
    assert notes(project) == 1
    told = [(each["kind"], each.get("outcome")) for each in await entries(project)]
    # First that the refused one was not made, then the intent of the other and its outcome.
    assert ("decision", None) in told
    assert ("outcome", "ok") in told
    assert ("outcome", "audit_unavailable") in told


async def test_a_write_is_decided_in_one_entry_and_ends_in_another(project: Project) -> None:
    port = LocalPort(project.invoker, WRITER, door="python")
    await port.call("notes.add_note", {"text": "secret words"})
    decision, outcome = await entries(project)
    assert (decision["kind"], decision["decision"]) == ("decision", "allowed")
    assert "duration_us" not in decision
    assert (outcome["kind"], outcome["outcome"]) == ("outcome", "ok")
    assert decision["call_id"] == outcome["call_id"]
    assert "secret words" not in str(decision) + str(outcome)


async def test_runs_are_recorded_where_they_are_started_and_cancelled(project: Project) -> None:
    request = RunRequest(agent_id="flights", input="a secret question")
    by = Asking("rest", "192.0.2.7")
    await project.start()
    run = await project.runs.create(WRITER, request, idempotency_key="k", by=by)
    await project.runs.create(WRITER, request, idempotency_key="k")
    try:
        await project.runs.cancel(WRITER, run.id, by=by)
    except Conflict:
        pytest.fail("the run ended before it could be cancelled")
    found = [each for each in await entries(project) if each["action"].startswith("runs.")]
    first, again, cancelled = found
    assert (first["action"], first["decision"], first["run_id"]) == (
        "runs.create",
        "allowed",
        run.id,
    )
    assert (first["door"], first["address"]) == ("rest", "192.0.2.7")
    assert first["resources"] == ["agent://flights"]
    assert (again["door"], again["reason"]) == ("python", "the key's earlier run was returned")
    assert (cancelled["action"], cancelled["resources"]) == ("runs.cancel", [f"run://{run.id}"])
    assert "secret question" not in str(found)


async def test_refused_runs_are_recorded_with_their_reason(project: Project) -> None:
    nobody = WRITER.model_copy(update={"scopes": frozenset()})
    with pytest.raises(InsufficientScope) as refused:
        await project.runs.create(nobody, RunRequest(agent_id="flights", input="x"))
    with pytest.raises(NotFound):
        await project.runs.create(WRITER, RunRequest(agent_id="none", input="x"))
    with pytest.raises(NotFound):
        await project.runs.cancel(WRITER, "run_of_somebody_else")
    told = [(each["action"], each["decision"]) for each in await entries(project)]
    assert told == [("runs.create", "denied")] * 2 + [("runs.cancel", "denied")]
    assert (await entries(project))[0]["reason"] == refused.value.detail


async def test_a_run_that_cannot_be_recorded_is_not_started(project: Project) -> None:
    rename(project, "audit_entries", "away")
    with pytest.raises(AuditUnavailable):
        await project.runs.create(WRITER, RunRequest(agent_id="flights", input="x"))
    assert (await project.runs.list(WRITER)).data == []
    rename(project, "away", "audit_entries")
