"""``saaf semantic scaffold``, ``diff`` and ``verify`` as somebody in a shell uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from saaf_autogen.cli.main import app
from saaf_autogen.errors import ConfigurationError, NotFound
from saaf_autogen.project.deployment import check_deployment
from tests.cli.conftest import Saaf

Command = Callable[..., Result]


@pytest.fixture
def semantic(folder: Path) -> Command:
    """``semantic("diff")``: the command in this process, which spares its start."""

    def run(*arguments: str) -> Result:
        environment = {"SAAF_PROJECT": str(folder), "COLUMNS": "200", "NO_COLOR": "1"}
        result = CliRunner(env=environment).invoke(app, ["semantic", *arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_the_sample_is_complete_agrees_and_runs(semantic: Command, folder: Path) -> None:
    before = {file: file.read_bytes() for file in (folder / "semantic").rglob("*.yaml")}
    assert semantic("scaffold").stderr.endswith("Nothing is new: no file was changed.\n")
    assert before == {file: file.read_bytes() for file in (folder / "semantic").rglob("*.yaml")}
    compared = semantic("diff")
    assert (compared.exit_code, compared.stdout) == (0, "The semantic files and nyc agree.\n")
    verified = semantic("verify", "--json")
    report = json.loads(verified.stdout)
    assert (verified.exit_code, report["failed"]) == (0, 0)
    assert {"query", "metric", "filter"} <= {each["kind"] for each in report["results"]}
    assert all(each["line"] > 1 and each["rows"] for each in report["results"])


def test_a_deployment_without_files_gets_a_draft(semantic: Command, folder: Path) -> None:
    (folder / "semantic" / "nyc_flights.yaml").unlink()
    patch = semantic("scaffold", "--table", "main.air*", "--dry-run")
    assert patch.exit_code == 0
    assert patch.stdout.startswith("--- /dev/null\n+++ b/semantic/nyc/main.yaml\n")
    assert "visible, by the grants: all-flights" in patch.stderr
    assert not (folder / "semantic" / "nyc").exists()
    written = semantic("scaffold")
    assert written.stdout == f"wrote {folder / 'semantic' / 'nyc' / 'main.yaml'}\n"
    assert "New tables that are now described: " in written.stderr
    assert check_deployment(folder) == []
    again = semantic("scaffold", "--update-samples")
    assert (again.stdout, again.exit_code) == ("", 0)


def test_drift_that_breaks_queries_ends_with_status_1(semantic: Command, folder: Path) -> None:
    file = folder / "semantic" / "nyc_flights.yaml"
    text = file.read_text()
    file.write_text(text.replace("expr: tailnum\n", "expr: tail_number\n", 1))
    compared = semantic("diff", "--warehouse", "nyc", "--json")
    assert compared.exit_code == 1
    report = json.loads(compared.stdout)
    assert report["breaking"] >= 1
    missing = [each for each in report["findings"] if each["kind"] == "column_missing"]
    assert [(each["file"], each["column"]) for each in missing] == [
        ("semantic/nyc_flights.yaml", "tail_number")
    ]
    assert text.splitlines()[missing[0]["line"] - 1].strip() == "- name: tailnum"
    told = semantic("diff").stdout
    assert f"breaks  {file}:{missing[0]['line']}: main.flights has no column" in told


def test_a_failing_query_ends_with_status_1_and_says_what_to_mend(
    semantic: Command, folder: Path
) -> None:
    file = folder / "semantic" / "nyc_flights.yaml"
    file.write_text(file.read_text().replace("expr: AVG(seats)", "expr: AVG(getenv('HOME'))"))
    verified = semantic("verify", "avg_seats")
    assert verified.exit_code == 1
    assert "failed  metric planes.avg_seats" in verified.stdout
    line = file.read_text()[: file.read_text().index("AVG(getenv")].count("\n") + 1
    assert f"{file}:{line}: " in verified.stdout
    assert "getenv" in verified.stdout
    assert "→" in verified.stdout


def test_a_warehouse_that_cannot_be_opened_is_told(semantic: Command, folder: Path) -> None:
    settings = folder / "saaf.yaml"
    lines = settings.read_text().splitlines(keepends=True)
    settings.write_text(
        "".join(
            "    path: gone.duckdb\n" if line.strip().startswith("path:") else line
            for line in lines
            if "sample: nycflights13" not in line
        )
    )
    with pytest.raises(ConfigurationError, match="The warehouse nyc has no file at"):
        semantic("diff")
    with pytest.raises(NotFound, match="declares no warehouse 'other'"):
        semantic("verify", "--warehouse", "other")


def test_from_a_shell_an_error_is_one_line(saaf: Saaf, folder: Path) -> None:
    failed = saaf("semantic", "diff", "--warehouse", "other")
    assert failed.returncode == 1
    assert failed.stderr == (
        "error: saaf.yaml declares no warehouse 'other'.\n→ It declares: nyc.\n"
    )
