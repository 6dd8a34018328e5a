"""The ``saaf`` command as a process of its own, on a deployment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import make_deployment

Saaf = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path, nyc_file: Path) -> Path:
    return make_deployment(tmp_path / "nyc", nyc_file)


@pytest.fixture
def saaf(folder: Path) -> Saaf:
    """``saaf("check")``: runs the command below the deployment, as somebody in a shell does."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "saaf_autogen", *arguments],
            cwd=folder / "agents",
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
