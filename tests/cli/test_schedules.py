from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from saaf_autogen.cli.main import app
from saaf_autogen.errors import InvalidArguments


def saaf(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["schedules", *arguments])


def test_a_schedule_is_added_listed_paused_resumed_and_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAAF_PROJECT", str(folder))
    added = saaf(
        *("add", "0 7 * * 1-5", "flights", "How late was Delta?", "--zone", "Europe/Berlin"),
        *("--name", "Mornings", "--overlap", "queue"),
    )
    assert added.exit_code == 0, added.output
    (schedule_id,) = re.findall(r"sch_[0-9a-f]{32}", added.stdout)
    assert re.search(r"next \d{4}-\d\d-\d\dT07:00:00\+0[12]:00", added.stdout)
    listed = saaf("list").stdout
    assert "0 7 * * 1-5 Europe/Berlin  flights" in listed
    assert "Mornings" in listed
    assert "paused" in saaf("pause", schedule_id).stdout
    assert "next " in saaf("resume", schedule_id).stdout
    assert saaf("remove", schedule_id).exit_code == 0
    assert saaf("list").stdout == ""


def test_times_are_shown_without_making_anything() -> None:
    shown = saaf("next", "30 2 * * *", "--zone", "Asia/Kathmandu", "--count", "3")
    lines = shown.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.endswith("02:30 +0545") for line in lines)
    wrong = saaf("next", "30 2 30 2 *")
    assert isinstance(wrong.exception, InvalidArguments)
    assert "never comes" in str(wrong.exception)
