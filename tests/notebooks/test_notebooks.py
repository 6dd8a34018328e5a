"""Every notebook is executed, and is the same as its paired script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

from tests.conftest import ROOT, make_deployment

SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.stem)
def test_a_notebook_is_its_script(script: Path) -> None:
    from_script = jupytext.read(script)
    from_notebook = jupytext.read(script.with_suffix(".ipynb"))
    cells = [(cell.cell_type, cell.source) for cell in from_notebook.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in from_script.cells]
    assert not any(cell.get("outputs") for cell in from_notebook.cells), "clear its outputs"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.stem)
def test_a_notebook_runs_from_top_to_bottom(script: Path, nyc_file: Path, tmp_path: Path) -> None:
    # A deployment of its own: the notebook starts a host, and a store takes one engine.
    folder = make_deployment(tmp_path / "nyc", nyc_file) / "notebooks"
    folder.mkdir()
    notebook = folder / f"{script.stem}.ipynb"
    shutil.copy(script.with_suffix(".ipynb"), notebook)
    command = [sys.executable, "-m", "pytest", "--nbmake", "--nbmake-timeout=120", "-q"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder), notebook],
        env={**os.environ, "SAAF_STATE": str(tmp_path / "state")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
