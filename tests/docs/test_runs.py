"""The guide to runs: its settings load, its commands are taken, its requests are answered."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from saaf_autogen.cli.main import app
from saaf_autogen.settings import Document, Settings
from saaf_autogen.teams.definition import read_definition
from tests.conftest import ROOT
from tests.site import Site, serving_site
from tests.teams.support import assistant

GUIDE = (ROOT / "docs" / "runs.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = [
    line.partition("#")[0].strip()
    for block in SHELL
    for line in block.splitlines()
    if line.startswith("saaf ")
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("guide") / "site"
    (folder / "agents").mkdir(parents=True)
    agent = {"saaf": {"scopes": ["semantic:read"]}, **assistant("flights")}
    (folder / "agents" / "flights.yaml").write_text(yaml.safe_dump(agent))
    settings = {
        "models": {"default": {"provider": "offline"}},
        "clients": [
            {"id": "analyst", "scopes": ["agents:run", "runs:read"]},
            {"id": "ops", "scopes": ["iam:admin"]},
        ],
    }
    with serving_site(folder, settings) as running:
        yield running


def test_the_settings_of_the_guide_are_settings() -> None:
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]
    assert len(blocks) == 5
    for block in blocks:
        if "saaf" in block:
            document = Document(Path("flights.yaml"), {**block, **assistant("flights")})
            read = read_definition(document)
            assert read is not None, document.findings
            assert (read.limits.turns, read.concurrency) == (20, 4)
        else:
            Settings.model_validate(block)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_guide_are_taken(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    root: Any = get_command(app)
    root.get_command(None, name).make_context(name, arguments)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide is told in curl")
def test_the_requests_of_the_guide_are_answered(site: Site) -> None:
    asked = "\n".join(block for block in SHELL if "curl" in block)
    script = "\n".join(
        [
            f"SAAF={site.url} JSON='Content-Type: application/json'",
            f"AUTH='Authorization: Bearer {site.token('analyst')}'",
            f"ADMIN='Authorization: Bearer {site.token('ops')}'",
            asked.replace("curl -s", "echo; curl -sf"),
        ]
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = [
        json.loads(line) if line.startswith("{") else line
        for line in done.stdout.splitlines()
        if line.startswith(("{", "model,"))
    ]
    run, by_day, _, by_principal, workers = answers
    assert run["budget"]["turns"] == 12
    assert run["timeout_s"] == 60
    assert by_day["group_by"] == "day"
    assert by_principal["group_by"] == "principal"
    assert workers["workers"][0]["slots"] == 8


def test_the_limits_and_routes_that_the_guide_names_are_there() -> None:
    for name in ("timeout_s", "lease_s", "max_crashes", "input_days", "keep_days", "pinned"):
        assert name in GUIDE
        assert name in Settings.model_fields["runs"].default.model_dump()
