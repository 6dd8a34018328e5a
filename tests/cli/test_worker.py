"""``saaf worker`` as processes of its own, beside a host that serves the API alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import yaml

from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.project import Project
from saaf_autogen.runs import Run, RunRequest
from saaf_autogen.runs.releases import WorkerView, fleet
from saaf_autogen.testing.openai_server import OpenAIServer, Slow, Text
from tests.teams.support import agent_file, assistant, team

SCOPES = ["agents:run", "runs:read"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TEST_KEY", "k")
    with OpenAIServer(lambda _: Slow(0.1, Text("Done."))) as server:
        model = {"provider": "openai", "model": "x", "base_url": server.base_url}
        settings = {
            "version": 1,
            "models": {"default": {**model, "api_key_env": "TEST_KEY"}},
            "local": {"principal": {"subject": "ann", "scopes": SCOPES}},
            "egress": {"allow": ["127.0.0.1"]},
            "runs": {"lease_s": 3},
        }
        (tmp_path / "saaf.yaml").write_text(yaml.safe_dump(settings))
        (tmp_path / "agents").mkdir()
        agent = agent_file(team(assistant("a"), max_turns=2), scopes=["semantic:read"])
        (tmp_path / "agents" / "flow.yaml").write_text(yaml.safe_dump(agent))
        yield tmp_path


@asynccontextmanager
async def api(folder: Path) -> AsyncIterator[Project]:
    """A host that executes nothing."""
    project = Project(read_deployment(folder), works=False)
    try:
        await project.start()
        yield project
    finally:
        await project.close()


@contextmanager
def worker(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "worker.log").open("wb") as log:
        command = [sys.executable, "-m", "saaf_autogen", "worker", "--project", str(folder)]
        with subprocess.Popen([*command, *arguments], stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                process.kill()


async def ask(project: Project) -> Run:
    who = project.local_principal()
    return await project.runs.create(who, RunRequest(agent_id="flow", input="Go on."))


async def living(project: Project) -> list[WorkerView]:
    found = await project.database.read(fleet, pinned=False, tenant=None)
    return [each for each in found.workers if each.state == "live"]


async def until(
    project: Project, ready: Callable[[list[WorkerView]], bool], seconds: float = 60
) -> list[WorkerView]:
    deadline = time.monotonic() + seconds
    while not ready(found := await living(project)):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)
    return found


async def test_runs_that_the_api_accepts_are_executed_by_workers_until_none_is_left(
    folder: Path,
) -> None:
    async with api(folder) as project:
        runs = [await ask(project) for _ in range(3)]
        assert {run.status for run in runs} == {"queued"}
        with worker(folder, "--slots", "2", "--until-drained") as process:
            assert await asyncio.to_thread(process.wait, 60) == 0
        who = project.local_principal()
        ended = [await project.runs.get(who, run.id) for run in runs]
        assert {run.status for run in ended} == {"completed"}, [run.error for run in ended]
        assert not await living(project)
        told = (folder / "worker.log").read_text()
        assert "2 at once" in told
        assert "no open run of release (none) is left" in told
        assert "Traceback" not in told


async def test_many_processes_work_on_one_store_and_end_with_a_signal(folder: Path) -> None:
    async with api(folder) as project:
        with worker(folder, "--processes", "2") as parent:
            found = await until(project, lambda found: len(found) == 2)
            assert len({each.pid for each in found} | {parent.pid}) == 3
            run = await ask(project)
            done = await project.runs.wait(project.local_principal(), run.id, 30)
            assert done.status == "completed"
            parent.terminate()
            assert await asyncio.to_thread(parent.wait, 60) == 0
            assert not await living(project)
        assert "Traceback" not in (folder / "worker.log").read_text()
