"""The guide's commands do what it says, against a real host."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from saaf_autogen.runs.schedules import MAX_REFUSALS, MAX_SCHEDULES
from saaf_autogen.runs.schedules.cron import CATCH_UP
from saaf_autogen.testing import RunningHost
from tests.conftest import ROOT, make_deployment
from tests.docs.test_administration import documents

GUIDE = (ROOT / "docs" / "schedules.md").read_text()
PLANNER = """
  - id: planner
    scopes: [agents:run, runs:read, schedules:manage, semantic:read, warehouse:query]
"""
needs = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("jq") is None,
    reason="the guide is told in curl and jq",
)


@needs
def test_the_commands_of_the_guide_do_what_it_says(tmp_path: Path, nyc_file: Path) -> None:
    folder = make_deployment(tmp_path / "nyc", nyc_file)
    settings = (folder / "saaf.yaml").read_text()
    (folder / "saaf.yaml").write_text(settings.replace("\nclients:\n", f"\nclients:{PLANNER}", 1))
    with RunningHost(folder) as host:
        known = json.loads((host.state / "clients.json").read_text())
        secret = known["planner"]["client_secret"]
        script = "\n".join(
            [f"SAAF={host.url}", f"SECRET={secret}", *re.findall(r"```sh\n(.*?)```", GUIDE, re.S)]
        )
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    made, run, changed, runs, batch, refused = documents(done.stdout)
    assert len(made["next_times"]) == 5
    assert run["schedule_id"] == made["id"]
    assert (changed["cron"], changed["version"]) == ("30 6 * * *", 2)
    assert [each["id"] for each in runs["data"]] == [run["id"]]
    assert [bool(each["not_before"]) for each in batch["data"]] == [False, True]
    assert [(each["index"], each["code"]) for each in refused["errors"]] == [(1, "not_found")]


def test_the_guide_tells_the_limits_that_there_are() -> None:
    assert f"at most {MAX_SCHEDULES}" in GUIDE
    assert f"**{MAX_REFUSALS}** refusals" in GUIDE
    assert f"**{CATCH_UP.total_seconds() / 3600:g} hours**" in GUIDE
