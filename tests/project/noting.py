"""A deployment whose agent makes a note, asks a human in the same turn, and makes another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from saaf_autogen.auth.principal import Principal
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.project import Project
from saaf_autogen.runs import Run
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

    def settings(
        self, prices: dict[str, float] | None = None, *, model_name: str = "default", **runs: Any
    ) -> None:
        model: dict[str, Any] = {
            "provider": "openai",
            "model": "x",
            "base_url": self.server.base_url,
        }
        if prices:
            model["prices"] = prices
        body = {
            "version": 1,
            "models": {model_name: {**model, "api_key_env": "TEST_KEY"}},
            "local": {"principal": {"subject": "ann", "scopes": SCOPES}},
            "egress": {"allow": ["127.0.0.1"]},
            "runs": runs,
        }
        (self.folder / "saaf.yaml").write_text(yaml.safe_dump(body))

    @property
    def notes(self) -> list[str]:
        file = self.folder / "tools" / "notes.txt"
        return file.read_text().splitlines() if file.exists() else []


@contextmanager
def noting_site(folder: Path, says: Callable[[dict[str, Any]], Reply] = script) -> Iterator[Site]:
    """A folder with that agent, and a model that does as it should; ``TEST_KEY`` must be set."""
    with OpenAIServer(says) as server:
        site = Site(folder, server)
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
