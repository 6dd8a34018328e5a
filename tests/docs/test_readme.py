"""The README's code does what the README says: every block of it is executed or loaded."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from saaf_autogen.project import read_deployment
from saaf_autogen.settings import Settings, parse_document
from saaf_autogen.testing import RunningHost
from tests.conftest import ROOT, make_deployment

README = (ROOT / "README.md").read_text()


def blocks(section: str, language: str) -> list[str]:
    """The fenced blocks of a language below a heading."""
    body = README.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", body, re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the flow is told in curl")
def test_the_flow_by_hand_works_as_it_stands(host: RunningHost, deployment: Path) -> None:
    (script,) = blocks("By hand, over REST", "sh")
    serve, address, *rest = script.splitlines()
    assert serve == ".venv/bin/saaf serve &"
    assert address == "SAAF=http://127.0.0.1:8000"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join([f"SAAF={host.url}", *rest])],
        cwd=deployment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    action, *events, run = [line for line in done.stdout.splitlines() if "{" in line]
    decoder = json.JSONDecoder()
    value, _ = decoder.raw_decode(action)
    assert value["value"]["rows"][0] == ["UA", 58665]
    assert any("run.running" in event for event in events)
    state, _ = decoder.raw_decode(run)
    assert state["status"] == "completed"
    assert "9.26" in state["output"]


async def test_the_python_works_as_it_stands(
    deployment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(deployment)
    monkeypatch.setenv("SAAF_STATE", str(tmp_path))
    names: dict[str, Any] = {}
    for block in blocks("From Python", "python"):
        code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = FunctionType(code, names)()
        if waiting is not None:
            await waiting
    result = await names["analyst"].run(task="How many flights are there in all?")
    await names["saaf"].close()
    assert names["rows"]["rows"] == [[336776]]
    printed = capsys.readouterr().out
    assert "run.completed" in printed
    assert "9.26" in printed
    assert result.messages


def test_the_action_of_your_own_loads_as_it_stands(tmp_path: Path, nyc_file: Path) -> None:
    (pack,) = blocks("An action of your own", "python")
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    (folder / "tools" / "sales.py").write_text(pack)
    action = read_deployment(folder).registry.get("sales.top_customers")
    assert action.spec.tool_name == "sales_top_customers"
    assert "POST /v1/actions/sales.top_customers, and the tool sales_top_customers" in pack


def test_the_real_model_is_a_setting_that_is_understood() -> None:
    (snippet,) = blocks("A real model", "yaml")
    settings = parse_document(snippet, Path("saaf.yaml")).validate(Settings)
    assert settings is not None
    assert settings.models["default"].provider == "openai"


def test_the_commands_for_your_own_warehouse_work_on_the_sample(
    tmp_path: Path, nyc_file: Path
) -> None:
    (script,) = blocks("Your own warehouse", "sh")
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    before = (folder / "semantic" / "nyc_flights.yaml").read_text()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (
        before.splitlines()[1:10]
        == ((folder / "semantic" / "nyc_flights.yaml").read_text().splitlines()[1:10])
    )
    assert "Databricks" in done.stdout


def test_the_embeddings_of_an_endpoint_are_a_setting_that_is_understood() -> None:
    (snippet,) = blocks("Your own warehouse", "yaml")
    settings = parse_document(snippet, Path("saaf.yaml")).validate(Settings)
    assert settings is not None
    assert settings.embeddings.provider == "openai"


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    (commands,) = blocks("Two commands", "sh")
    targets = re.findall(r"^make (\S+)", commands, re.MULTILINE)
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_files_and_commands_that_the_readme_names_exist() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "saaf_autogen", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    for command in set(re.findall(r"`saaf (\w+)", README)):
        assert f" {command} " in help_text, command
    for path in set(re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|yaml))`", README)):
        assert (ROOT / path).exists() or (ROOT / "saaf_autogen" / path).exists(), path


def test_the_commands_for_people_work_on_the_sample(tmp_path: Path, nyc_file: Path) -> None:
    (script,) = blocks("People, clients and what they may see", "sh")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=make_deployment(tmp_path / "nyc", nyc_file),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "/invitation" in done.stdout
    assert "user:ann may select wh://nyc/main.flights" in done.stdout
    assert "entries hold" in done.stdout
