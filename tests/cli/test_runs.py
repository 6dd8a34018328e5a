"""Runs that ask whoever sits at the terminal."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import yaml

AGENT = """
saaf: {scopes: [runs:read]}
provider: autogen_agentchat.teams.RoundRobinGroupChat
config:
  max_turns: 1
  participants:
    - provider: autogen_agentchat.agents.UserProxyAgent
      config: {name: human, description: A human.}
"""
SCOPES = ["agents:run", "runs:read", "runs:cancel", "runs:input"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    settings = {
        "version": 1,
        "name": "asking",
        "local": {"principal": {"subject": "local", "scopes": SCOPES}},
    }
    (tmp_path / "saaf.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "booking.yaml").write_text(AGENT)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "saaf_autogen", *arguments]


def saaf(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_run_that_asks_prompts_and_goes_on_with_what_is_typed(folder: Path) -> None:
    done = saaf(folder, "run", "booking", "Which one?", typed="\nThe second.\nnot read\n")
    assert done.returncode == 0, done.stderr
    assert "human asks: Which one?" in done.stderr
    assert done.stdout.strip() == "The second."


def test_a_run_that_nobody_answers_waits_and_is_answered_by_another_command(
    folder: Path,
) -> None:
    left = saaf(folder, "run", "booking", "Which one?")
    assert left.returncode == 3, left.stderr
    told = re.search(r"saaf runs answer (run_\w+)", left.stderr)
    assert told
    run_id = told.group(1)
    listed = saaf(folder, "runs", "waiting")
    assert listed.stdout.split(maxsplit=3) == [run_id, "booking", "input", "Which one?\n"]
    answered = saaf(folder, "runs", "answer", run_id, "The first.")
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.strip() == "The first."


def test_ctrl_c_at_the_prompt_cancels_the_run(folder: Path) -> None:
    running = subprocess.Popen(
        command("run", "booking", "Which one?"),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
    )
    assert running.stderr is not None
    seen = b""
    while b"answer>" not in seen:
        seen += os.read(running.stderr.fileno(), 1024)
    running.send_signal(signal.SIGINT)
    began = time.monotonic()
    # Standard input stays open: its end would be another way out.
    running.wait(timeout=60)
    running.communicate()
    assert running.returncode != 0
    assert time.monotonic() - began < 20
    with closing(sqlite3.connect(folder / ".saaf" / "saaf.sqlite")) as store:
        assert store.execute("SELECT status FROM runs").fetchall() == [("cancelled",)]
