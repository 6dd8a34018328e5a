"""New code is deployed while a run is open: what it began with is what it goes on with.

In each test a run makes a note, asks a human in the same turn, and waits; the host ends, its folder
changes, and another host goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from saaf_autogen.auth.principal import Principal
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.project import Project
from saaf_autogen.runs import AnswerRequest, Run, RunRequest
from saaf_autogen.runs.releases import fleet
from saaf_autogen.testing.openai_server import Calls, OpenAIServer, Reply, Text
from tests.teams.support import agent_file, assistant, team, workbench

SCOPES = ["agents:run", "runs:read", "runs:input", "runs:cancel", "tools.notes:write"]
PACK = '''
"""Notes."""

from pathlib import Path

from saaf_autogen import action

SCOPES = {"tools.notes:write": "Write notes."}


@action(scopes=["tools.notes:write"], effect="write")
def NAME(ARGUMENT: str) -> str:
    """Add a note."""
    with (Path(__file__).parent / "notes.txt").open("a") as file:
        file.write(ARGUMENT + "\\n")
    return "noted " + ARGUMENT
'''
HUMAN = {"provider": "autogen_agentchat.agents.UserProxyAgent", "config": {"name": "human"}}


def flow(clerk: str = "clerk") -> dict[str, Any]:
    """A clerk who makes a note, a human who is asked in the same turn, a checker with a note."""
    notes = {"workbench": workbench("notes.*")}
    inner = team(assistant(clerk, **notes), HUMAN, max_turns=2)
    return agent_file(
        team(inner, assistant("checker", **notes), max_turns=2), scopes=["tools.notes:write"]
    )


def script(body: dict[str, Any]) -> Reply:
    speaker = str(body["messages"][0]["content"]).removeprefix("You are ").removesuffix(".")
    if body["messages"][-1]["role"] == "tool":
        return Text("Done.")
    return Calls([("notes_add_note", {"text": f"by {speaker}"})])


@dataclass
class Site:
    folder: Path
    server: OpenAIServer

    def write(self, agent: dict[str, Any] | None = None, **pack: str) -> None:
        """The folder's files; without an agent, it has none."""
        for name in ("agents", "tools"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        names = {"NAME": "add_note", "ARGUMENT": "text", **pack}
        text = PACK
        for name, value in names.items():
            text = text.replace(name, value)
        (self.folder / "tools" / "notes.py").write_text(text)
        file = self.folder / "agents" / "flow.yaml"
        file.unlink(missing_ok=True)
        if agent is not None:
            file.write_text(yaml.safe_dump(agent))

    def settings(self, **runs: Any) -> None:
        model = {"provider": "openai", "model": "x", "base_url": self.server.base_url}
        body = {
            "version": 1,
            "models": {"default": {**model, "api_key_env": "TEST_KEY"}},
            "local": {"principal": {"subject": "ann", "scopes": SCOPES}},
            "egress": {"allow": ["127.0.0.1"]},
            "runs": runs,
        }
        (self.folder / "saaf.yaml").write_text(yaml.safe_dump(body))

    @property
    def notes(self) -> list[str]:
        file = self.folder / "tools" / "notes.txt"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("TEST_KEY", "k")
    with OpenAIServer(script) as server:
        site = Site(tmp_path / "site", server)
        site.write(flow())
        site.settings()
        yield site


@asynccontextmanager
async def host(site: Site) -> AsyncIterator[tuple[Project, Principal]]:
    project = Project(read_deployment(site.folder))
    try:
        await project.start()
        yield project, project.local_principal()
    finally:
        await project.close()


async def until(project: Project, run_id: str, ready: Callable[[Run], bool]) -> Run:
    async with asyncio.timeout(20):
        while True:
            run = await project.runs.get(project.local_principal(), run_id)
            if ready(run):
                return run
            assert not run.ended, run.error
            await asyncio.sleep(0.05)


async def begin(site: Site) -> str:
    """A run that waits for its human, with no host left."""
    async with host(site) as (project, ann):
        run = await project.runs.create(ann, RunRequest(agent_id="flow", input="Go on."))
        await until(project, run.id, lambda run: run.question is not None)
    assert site.notes == ["by clerk"]
    return run.id


async def answer(project: Project, run_id: str) -> None:
    run = await project.runs.get(project.local_principal(), run_id)
    assert run.question is not None
    said = AnswerRequest(text="Yes.")
    await project.runs.answer(project.local_principal(), run_id, run.question.id, said)


async def finish(site: Site, run_id: str) -> Run:
    async with host(site) as (project, _):
        await answer(project, run_id)
        return await until(project, run_id, lambda run: run.ended)


async def test_without_a_change_the_turn_goes_on_from_its_journal(site: Site) -> None:
    run = await finish(site, await begin(site))
    assert run.status == "completed"
    assert site.notes == ["by clerk", "by checker"]
    # Two calls each; the clerk's are not made again.
    assert run.usage.model_calls == len(site.server.requests)


async def test_a_run_goes_on_with_the_agent_that_it_began_with(site: Site) -> None:
    run_id = await begin(site)
    site.write(flow("replacement"))
    run = await finish(site, run_id)
    assert run.status == "completed"
    assert "replacement" not in str(site.server.requests)
    async with host(site) as (project, ann):
        new = await project.runs.create(ann, RunRequest(agent_id="flow", input="Go on."))
        await until(project, new.id, lambda run: run.question is not None)
    assert site.notes[-1] == "by replacement"


async def test_runs_of_an_agent_that_was_removed_go_on_without_its_rights(site: Site) -> None:
    run_id = await begin(site)
    site.write(None)
    run = await finish(site, run_id)
    assert run.status == "completed"
    assert site.notes == ["by clerk"]
    assert run.output is not None
    assert "'notes_add_note' not found" in run.output


async def test_a_tool_that_was_removed_is_not_found_and_its_results_are_kept(site: Site) -> None:
    run_id = await begin(site)
    site.write(flow(), NAME="keep_note")
    before = len(site.server.requests)
    run = await finish(site, run_id)
    assert run.status == "completed"
    assert site.notes == ["by clerk"]
    assert len(site.server.requests) > before
    assert run.output is not None
    assert "'notes_add_note' not found" in run.output


async def test_a_tool_that_takes_other_arguments_tells_the_model_so(site: Site) -> None:
    run_id = await begin(site)
    site.write(flow(), ARGUMENT="words")
    run = await finish(site, run_id)
    assert run.status == "completed"
    assert site.notes == ["by clerk"]
    assert run.output is not None
    assert "invalid_arguments" in run.output
    assert "words: Field required" in run.output


async def test_a_pinned_run_waits_for_a_worker_of_its_own_release(site: Site) -> None:
    site.settings(pinned=True, release="1")
    run_id = await begin(site)
    site.settings(pinned=True, release="2")
    async with host(site) as (project, ann):
        await answer(project, run_id)
        new = await project.runs.create(ann, RunRequest(agent_id="flow", input="Go on."))
        await until(project, new.id, lambda run: run.question is not None)
        waiting = await project.runs.get(ann, run_id)
        assert (waiting.status, waiting.release) == ("queued", "1")
        found = await project.database.read(fleet, pinned=True, tenant=None)
        assert {each.release: each.stranded for each in found.releases} == {"1": True, "2": False}
        assert await project.warnings()
    site.settings(pinned=True, release="1")
    async with host(site) as (project, _):
        assert (await until(project, run_id, lambda run: run.ended)).status == "completed"
