"""The guide's commands do what the guide says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from saaf_autogen.semantic.formats import FORMATS
from saaf_autogen.settings import read_document
from tests.conftest import ROOT, make_deployment

GUIDE = (ROOT / "docs" / "semantic-formats.md").read_text()


def blocks(section: str, language: str) -> list[str]:
    body = GUIDE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", body, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, nyc_file: Path) -> Path:
    return make_deployment(tmp_path / "nyc", nyc_file)


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_guide_from_editor_to_export_works_as_it_stands(folder: Path) -> None:
    (editor,) = blocks("In an editor", "sh")
    (line,) = blocks("In an editor", "yaml")
    (imported,) = blocks("From Cube, with its access policies", "sh")
    cube, grants = blocks("From Cube, with its access policies", "yaml")
    (exported,) = blocks("Out, and back", "sh")
    (folder / "orders.yml").write_text(cube)

    done = run("\n".join([editor, imported, exported]), folder)

    assert (folder / "semantic" / "departures.yaml").read_text().startswith(line)
    assert (folder / "departures-grants.yaml").read_text() == grants
    assert "in order" in done.stdout
    assert "orders.yml:18: policy 2 of cube-departures became no grant" in done.stderr
    back = read_document(folder / "back.yaml").data
    assert back == read_document(folder / "semantic" / "nyc_flights.yaml").data
    assert "saaf" not in yaml.safe_load((folder / "snow.yaml").read_text())


def test_the_guide_names_every_format() -> None:
    header = next(row for row in GUIDE.splitlines() if row.startswith("| native "))
    assert [name for name in FORMATS if name not in header.lower()] == []
