"""``saaf check``: every fault of a deployment, with its file, line and remedy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.project import check_deployment, find_project, read_deployment
from saaf_autogen.settings import parse_document
from tests.conftest import make_deployment

Edit = Callable[[str, str, str], None]
OFFLINE = "{provider: saaf_autogen.OfflineModel}"


@pytest.fixture
def folder(tmp_path: Path, nyc_file: Path) -> Path:
    return make_deployment(tmp_path / "nyc", nyc_file)


@pytest.fixture
def edit(folder: Path) -> Edit:
    def replace(file: str, old: str, new: str) -> None:
        path = folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return replace


def told(folder: Path) -> list[str]:
    return [str(finding).replace(f"{folder}/", "") for finding in check_deployment(folder)]


def test_the_sample_is_in_order(folder: Path) -> None:
    assert told(folder) == []
    deployment = read_deployment(folder)
    assert set(deployment.agents) == {"flights"}
    names = {each.spec.name for each in deployment.registry}
    assert {"warehouse.query", "semantic.context", "flights.on_time_by_month"} <= names


def test_all_faults_are_told_at_once(folder: Path, edit: Edit) -> None:
    edit("saaf.yaml", "resource: wh://nyc/main.flights", "resource: wh://nyx/main.flights")
    edit("agents/flights.yaml", "output_from: analyst", "output_from: analist")
    edit("tools/flights.py", 'scopes=["warehouse:query"]', 'scopes=["warehouse:qeury"]')
    edit("semantic/nyc_flights.yaml", "synonyms:", "synonymz:")
    found = told(folder)
    for file, words in (
        ("saaf.yaml:", "nyx"),
        ("agents/flights.yaml:8", "analist"),
        ("tools/flights.py:", "warehouse:qeury"),
        ("semantic/nyc_flights.yaml:", "synonymz"),
    ):
        assert any(line.startswith(file) and words in line for line in found), (file, found)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("saaf.yaml", "environment: development", "environment: production", "local principal"),
        ("saaf.yaml", "carrier: {eq: $user.carrier}", "carrier: {eq: [UA, DL]}", "not a list"),
        ("saaf.yaml", "carrier: {eq: $user.carrier}", "carier: {eq: UA}", "carier"),
        ("saaf.yaml", "runs:cancel, semantic:read", "runs:cancel, semantic:red", "semantic:red"),
        ("agents/flights.yaml", "name: default", "name: gpt", "gpt"),
        ("agents/flights.yaml", "scopes: [warehouse:query, semantic:read]", "scopes: [x:y]", "x:y"),
        ("agents/flights.yaml", "  scopes: [warehouse:query, semantic:read]\n", "", "scopes"),
        ("tools/flights.py", '"""Share of departures', 'x = """Share of', "docstring"),
        ("tools/flights.py", "import annotations", "import anotations", "not valid Python"),
        ("tools/flights.py", "class OnTime(", "class OnTime((", "not valid Python"),
        ("saaf.yaml", "port: 8000", "port: eighty", "server.port"),
        ("saaf.yaml", "server:", "servr: {}\nserver:", "servr"),
        ("saaf.yaml", "server:", "server: [", "not valid YAML"),
        ("saaf.yaml", "id: own-flights", "id: all-flights", "declared more than once"),
        ("saaf.yaml", "id: ua-analyst", "id: analyst", "declared more than once"),
        ("saaf.yaml", "allow: [127.0.0.1", "allow: ['http://x/'", "egress.allow"),
        ("saaf.yaml", OFFLINE, "{provider: openai}", "needs `model`"),
        ("saaf.yaml", OFFLINE, "{provider: openai, model: m, options: {tmp: 1}}", "tmp"),
        ("saaf.yaml", OFFLINE, "{provider: openai, model: m, model_info: {eyes: 2}}", "eyes"),
        ("agents/flights.yaml", "max_tool_iterations: 8", "max_iterations: 8", "max_iterations"),
        ("agents/flights.yaml", "max_tool_iterations: 8", "max_tool_iterations: x", "an integer"),
        ("agents/flights.yaml", "description: Checks", "beschreibung: Checks", "beschreibung"),
        ("agents/flights.yaml", "config: {max_messages: 12}", "config: {}", "max_messages"),
        ("tools/flights.py", "from pydantic", "import nosuch\nfrom pydantic", "nosuch"),
        ("tools/flights.py", "from pydantic", "raise SystemExit(3)\nfrom pydantic", "SystemExit"),
        ("tools/flights.py", "class OnTime(", "SCOPES = ['a:b']\nclass OnTime(", "SCOPES"),
        ("tools/flights.py", "class OnTime(", "SCOPES = {'a:b': 'c'}\nclass OnTime(", "'a:b'"),
    ],
)
def test_each_fault_has_its_place(
    folder: Path, edit: Edit, file: str, old: str, new: str, words: str
) -> None:
    edit(file, old, new)
    found = told(folder)
    assert any(line.startswith(f"{file}:") and words in line for line in found), found
    for finding in check_deployment(folder):
        assert finding.line, finding
        assert finding.remedy, finding
    with pytest.raises(ConfigurationError):
        read_deployment(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("saaf.yaml", "id: own-flights", "id: all-flights", "  - id: all-flights"),
        ("agents/flights.yaml", "max_turns: 6", "max_turns: six", "  max_turns: six"),
        ("agents/flights.yaml", "name: reviewer", "nmae: reviewer", "        nmae: reviewer"),
    ],
)
def test_a_fault_is_told_at_its_own_line(
    folder: Path, edit: Edit, file: str, old: str, new: str, line: str
) -> None:
    edit(file, old, new)
    lines = (folder / file).read_text().splitlines()
    at = [index for index, text in enumerate(lines, 1) if text == line][-1]
    assert any(found.startswith(f"{file}:{at}:") for found in told(folder)), told(folder)


def test_a_fault_of_saaf_yaml_hides_none_of_the_other_files(folder: Path, edit: Edit) -> None:
    edit("saaf.yaml", "port: 8000", "port: eighty")
    edit("agents/flights.yaml", "output_from: analyst", "output_from: analist")
    edit("tools/flights.py", "class OnTime(", "class OnTime((")
    edit("semantic/nyc_flights.yaml", "synonyms:", "synonymz:")
    files = {line.partition(":")[0] for line in told(folder)}
    assert files == {
        "saaf.yaml",
        "agents/flights.yaml",
        "tools/flights.py",
        "semantic/nyc_flights.yaml",
    }


def test_a_broken_section_of_saaf_yaml_is_not_taken_for_an_empty_one(
    folder: Path, edit: Edit
) -> None:
    edit("saaf.yaml", OFFLINE, "{provider: nobody}")
    edit("saaf.yaml", "engine: duckdb", "engine: duckbd")
    assert {line.partition(":")[0] for line in told(folder)} == {"saaf.yaml"}


def test_semantic_files_and_agents_may_be_json(folder: Path) -> None:
    for file in (folder / "agents" / "flights.yaml", folder / "semantic" / "nyc_flights.yaml"):
        data = parse_document(file.read_text(), file).data
        file.with_suffix(".json").write_text(json.dumps(data, default=str, indent=1))
        file.unlink()
    assert told(folder) == []
    assert set(read_deployment(folder).agents) == {"flights"}


def test_an_agent_with_source_code_is_refused_before_anything_is_imported(
    folder: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    source = f"open({str(canary)!r}, 'w').close()\\ndef f() -> int:\\n    return 1\\n"
    tool = (
        "tools: [{provider: autogen_core.tools.FunctionTool, config: {name: f, description: d,"
        f' source_code: "{source}", global_imports: [], has_cancellation_support: false}}}}]'
    )
    file = folder / "agents" / "flights.yaml"
    text = file.read_text()
    anchor = "        max_tool_iterations: 8\n"
    assert anchor in text
    file.write_text(text.replace(anchor, f"{anchor}        {tool}\n", 1))
    found = told(folder)
    assert any("autogen_core.tools.FunctionTool" in line for line in found), found
    assert not canary.exists()


def test_packs_do_not_take_the_names_of_other_packages(folder: Path) -> None:
    read_deployment(folder)
    assert str(folder) not in sys.path
    assert "flights" not in sys.modules
    assert "tools" not in sys.modules


def test_the_nearest_deployment_upward_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SAAF_PROJECT", raising=False)
    monkeypatch.chdir(folder / "semantic")
    assert find_project() == folder
    monkeypatch.setenv("SAAF_PROJECT", str(folder))
    monkeypatch.chdir(tmp_path)
    assert find_project() == folder
    monkeypatch.delenv("SAAF_PROJECT")
    with pytest.raises(ConfigurationError, match=r"saaf\.yaml"):
        find_project(tmp_path.parent)
