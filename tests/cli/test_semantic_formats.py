from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from saaf_autogen.cli.main import main
from saaf_autogen.semantic.formats import schema_text
from saaf_autogen.semantic.loader import check_semantic
from saaf_autogen.settings import read_document
from tests.cli.conftest import Saaf
from tests.conftest import ROOT

EXAMPLES = ROOT / "tests" / "semantic" / "formats" / "examples"


@pytest.fixture
def saaf(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Saaf:
    """The command in this process: these tests start it often."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(folder / "agents")
        monkeypatch.setattr(sys, "argv", ["saaf", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("NO_COLOR", "1")
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return subprocess.CompletedProcess(arguments, int(code or 0), out, err)

    return run


def test_the_schema_is_printed_and_written_for_editors(saaf: Saaf, folder: Path) -> None:
    done = saaf("semantic", "schema")
    assert done.stdout == schema_text()

    done = saaf("semantic", "schema", "--output", "../.saaf/semantic.schema.json")
    assert done.returncode == 0, done.stderr
    assert "# yaml-language-server: $schema=../.saaf/semantic.schema.json" in done.stdout
    assert (folder / ".saaf" / "semantic.schema.json").read_text() == schema_text()
    again = saaf("semantic", "schema", "--output", "../.saaf/semantic.schema.json")
    assert again.returncode == 1
    assert "exists" in again.stderr


def test_a_hostile_name_stays_within_the_output_folder(saaf: Saaf, folder: Path) -> None:
    text = (EXAMPLES / "snowflake" / "revenue_timeseries.yaml").read_text()
    source = folder / "hostile.yaml"
    source.write_text(re.sub(r"(?m)^name: .*$", 'name: "../../../evil/model"', text, count=1))
    done = saaf("semantic", "import", str(source), "--output", "../imported/")
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (folder / "imported").iterdir()] == ["evil_model.yaml"]
    assert not list(folder.parent.parent.glob("evil"))


def test_an_import_is_printed_with_its_grants_as_a_comment(saaf: Saaf, folder: Path) -> None:
    done = saaf("semantic", "import", str(EXAMPLES / "cube" / "customers.yaml"))
    assert done.returncode == 0, done.stderr
    model = yaml.safe_load(done.stdout)
    assert model["saaf"] == {"version": 1, "warehouse": "nyc", "dialect": "duckdb"}
    comment = done.stdout.split("# Add to saaf.yaml, after reading it:\n", 1)[1]
    grants = yaml.safe_load(re.sub(r"^# ?", "", comment, flags=re.MULTILINE))
    assert grants["grants"][0]["resource"] == "wh://nyc/main.users"
    assert "Access rules that became no grant, or a narrower one:" in done.stderr
    assert "customers.yaml:27: users names no schema: main was taken" in done.stderr


def test_an_import_into_the_deployment_passes_its_check(saaf: Saaf, folder: Path) -> None:
    source = EXAMPLES / "wren" / "jaffle_shop_mdl.json"
    grants = folder / "grants.yaml"
    arguments = ("--output", "../semantic/shop.yaml", "--grants", str(grants))
    done = saaf("semantic", "import", str(source), *arguments)
    assert done.returncode == 0, done.stderr
    assert check_semantic(folder / "semantic", {"nyc": "duckdb"}) == []
    settings = folder / "saaf.yaml"
    made = yaml.safe_load(grants.read_text())["grants"]
    merged = yaml.safe_load(settings.read_text())
    merged["grants"] += made
    settings.write_text(yaml.safe_dump(merged))
    assert saaf("check").returncode == 0


def test_an_import_never_writes_over_a_file_unless_told_to(saaf: Saaf, folder: Path) -> None:
    source = str(EXAMPLES / "databricks" / "fixtureA_metric_view.yaml")
    file = folder / "semantic" / "mine.yaml"
    file.write_text("name: mine\n")
    done = saaf("semantic", "import", source, "--output", str(file))
    assert done.returncode == 1
    assert "pass --force" in done.stderr
    assert file.read_text() == "name: mine\n"
    assert [item.name for item in file.parent.iterdir() if item.name.startswith(".")] == []
    done = saaf("semantic", "import", source, "--output", str(file), "--force")
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(file.read_text())["name"] == "fixtureA_metric_view"


def test_several_models_go_to_a_folder(saaf: Saaf, folder: Path) -> None:
    done = saaf("semantic", "import", str(EXAMPLES / "databricks"), "--output", "../made.yaml")
    assert done.returncode == 1
    assert "Name a folder as --output" in done.stderr
    done = saaf("semantic", "import", str(EXAMPLES / "databricks"), "--output", "../made")
    assert done.returncode == 0, done.stderr
    assert len(list((folder / "made").glob("*.yaml"))) == 4


def test_faults_of_a_source_are_told_by_line_and_nothing_is_written(
    saaf: Saaf, folder: Path
) -> None:
    source = folder / "broken.yaml"
    source.write_text("cubes:\n- sql_table: t\n")
    done = saaf("semantic", "import", str(source), "--output", "../semantic/x.yaml")
    assert done.returncode == 1
    assert f"{source}:2: name is required (add it)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "semantic" / "x.yaml").exists()
    done = saaf("semantic", "import", str(source), "--warehouse", "nowhere")
    assert "There is no warehouse nowhere" in done.stderr


def test_an_export_to_ossie_imports_as_the_same_file(saaf: Saaf, folder: Path) -> None:
    file = folder / "sample.ossie.yaml"
    done = saaf("semantic", "export", "--format", "ossie", "--output", str(file))
    assert done.returncode == 0, done.stderr
    again = folder / "again.yaml"
    done = saaf("semantic", "import", str(file), "--output", str(again))
    assert done.returncode == 0, done.stderr
    assert read_document(again).data == read_document(folder / "semantic" / "nyc_flights.yaml").data


def test_an_export_to_snowflake_says_what_it_leaves_out(saaf: Saaf, folder: Path) -> None:
    done = saaf("semantic", "export", "--format", "snowflake")
    assert done.returncode == 0, done.stderr
    assert "saaf" not in yaml.safe_load(done.stdout)
    assert "saaf: blocks are left out" in done.stderr
    assert "written in duckdb SQL" in done.stderr
