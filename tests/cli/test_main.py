from __future__ import annotations

from pathlib import Path

from saaf_autogen import __version__
from saaf_autogen.auth.scopes import SCOPES
from tests.cli.conftest import Saaf


def test_check_says_that_all_is_well_or_names_each_fault(saaf: Saaf, folder: Path) -> None:
    done = saaf("check")
    assert done.returncode == 0, done.stdout
    assert "in order" in done.stdout
    agent = folder / "agents" / "flights.yaml"
    agent.write_text(agent.read_text().replace("output_from: analyst", "output_from: nobody"))
    done = saaf("check")
    assert done.returncode == 1
    assert f"{agent}:8: " in done.stdout
    assert "(participants: analyst, planner, reviewer)" in done.stdout
    assert "1 fault in" in done.stderr


def test_scopes_are_listed_with_what_they_allow(saaf: Saaf) -> None:
    done = saaf("scopes")
    assert done.returncode == 0, done.stderr
    for scope in SCOPES:
        assert scope.name in done.stdout
        assert scope.description in done.stdout
    assert "tools.notes:write" in done.stdout


def test_a_folder_that_is_no_deployment_is_told_in_a_line(saaf: Saaf, tmp_path: Path) -> None:
    done = saaf("serve", "--project", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no saaf.yaml")
    assert "Traceback" not in done.stderr


def test_the_version_is_told(saaf: Saaf) -> None:
    assert saaf("--version").stdout.strip() == f"saaf {__version__}"
