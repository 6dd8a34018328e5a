"""The guide's commands run on the sample deployment, and its file loads."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saaf_autogen.cli.main import app
from saaf_autogen.semantic import check_semantic
from tests.conftest import ROOT, make_deployment

GUIDE = (ROOT / "docs" / "semantic-files.md").read_text()


@pytest.fixture
def folder(tmp_path: Path, nyc_file: Path) -> Path:
    return make_deployment(tmp_path / "nyc", nyc_file)


def test_every_command_of_the_guide_works(folder: Path) -> None:
    scripts = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    commands = [line for script in scripts for line in script.splitlines()]
    assert len(commands) == 6
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "saaf"
        result = CliRunner(env={"SAAF_PROJECT": str(folder)}).invoke(app, arguments)
        assert result.exit_code == 0, result.output


def test_every_option_of_the_guide_exists() -> None:
    wide = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    helps = [
        CliRunner(env=wide).invoke(app, ["semantic", name, "--help"]).output
        for name in ("scaffold", "diff", "verify")
    ]
    for option in set(re.findall(r"--[a-z-]+", GUIDE)):
        assert any(option in text for text in helps), option


def test_the_file_of_the_guide_loads(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "shop.yaml").write_text(block)
    assert check_semantic(tmp_path, {"nyc": "duckdb"}) == []
