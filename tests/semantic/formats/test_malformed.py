"""Whatever a file holds, an import ends in a model or in findings, never in a traceback."""

from __future__ import annotations

import json
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.semantic.formats import FORMATS, Imported, Target, file_name, import_semantic
from saaf_autogen.semantic.model import SemanticModel
from tests.semantic.formats.support import DUCKDB, EXAMPLES, SOURCES

FILES = sorted(
    file
    for name in SOURCES
    for file in ([EXAMPLES / name] if (EXAMPLES / name).is_file() else (EXAMPLES / name).glob("*"))
)
DATA = {file: yaml.safe_load(file.read_text()) for file in FILES}
SNOWFLAKE = """\
name: {}
tables:
- name: t
  base_table: {{database: d, schema: main, table: t}}
  dimensions: [{{name: a, expr: a, data_type: VARCHAR}}]
"""
BAD = {
    "a list at the top": (b"- a\n- b\n", "no format that can be imported"),
    "a word": (b"semantic_model", "no format that can be imported"),
    "nothing": (b"", "no format that can be imported"),
    "not UTF-8": ("cubes:\n- name: ü".encode("latin-1"), "it is not UTF-8"),
    "broken YAML": (b"cubes: [", "not valid YAML"),
    "a key twice": (b"cubes: []\ncubes: []", "appears twice"),
    "an alias to itself": (b"cubes: &a\n- *a", "without end"),
    "Jinja": (b"cubes:\n{% for x in y %}\n- name: {{ x }}\n{% endfor %}", "render its templates"),
    "several documents": (b"name: a\n---\nname: b", "not valid YAML"),
    "too large": (b"cubes: [" + b"a," * 2_100_000 + b"]", "over 4 MB"),
    "a bomb": (
        b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (97 + n, 97 + n, b",".join([b"*%c" % (96 + n)] * 10))
            for n in range(1, 7)
        )
        + b"cubes: *g",
        "too many values",
    ),
}


@pytest.mark.parametrize("name", ["{}/escaped", "../../escaped", "/", ".", "a/../..", "é b"])
def test_a_models_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    named = name.format(tmp_path / "outside")
    (tmp_path / "file.yaml").write_text(SNOWFLAKE.format(json.dumps(named)))
    before = sorted(Path(tempfile.gettempdir()).glob("*escaped*"))

    made = import_semantic(tmp_path / "file.yaml", DUCKDB)

    assert [model.name for model in made.models] == [named]
    assert not (tmp_path / "outside").exists()
    assert sorted(Path(tempfile.gettempdir()).glob("*escaped*")) == before
    assert Path(file_name(named, ".yaml")).name == file_name(named, ".yaml")
    assert len(file_name(named, ".yaml")) > len(".yaml")


def test_links_that_lead_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    outside.mkdir()
    (folder / "one.yaml").write_text(SNOWFLAKE.format("one"))
    (outside / "two.yaml").write_text(SNOWFLAKE.format("two"))
    (folder / "two.yaml").symlink_to(outside / "two.yaml")

    assert [model.name for model in import_semantic(folder, DUCKDB).models] == ["one"]


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    file = tmp_path / "model.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        import_semantic(file, DUCKDB)
    assert caught.value.findings
    assert message in str(caught.value)


MISSHAPEN: list[tuple[str, Any, str]] = [
    ("ossie", {"semantic_model": [{"name": "m", "datasets": {"a": 1}}]}, "datasets is no list"),
    ("ossie", {"semantic_model": [{"datasets": []}]}, "name is required"),
    (
        "ossie",
        {"semantic_model": [{"name": "m", "datasets": [{"name": "t"}]}]},
        "source is required",
    ),
    ("ossie", {"semantic_model": [[1]]}, "an entry of semantic_model is no mapping"),
    ("dbt", {"semantic_models": [{"name": "m"}]}, "model is required"),
    ("dbt", {"semantic_models": "x"}, "semantic_models is no list"),
    ("cube", {"cubes": [{"sql_table": "t"}]}, "name is required"),
    ("cube", {"cubes": [{"name": {"a": 1}}]}, "name is no text"),
    ("wren", {"models": [{"tableReference": {"schema": "s"}, "name": "m"}]}, "table is required"),
    ("wren", {"models": [{"tableReference": 3, "name": "m"}]}, "table_reference is no mapping"),
    ("databricks", {"source": ["a"], "measures": []}, "source is no text"),
    ("databricks", {"source": "SELECT 1 FROM x", "measures": []}, "the source is no table"),
    ("snowflake", {"tables": [{"name": "t"}]}, "name is required"),
    ("snowflake", {"name": "m", "tables": [{"name": "t"}]}, "base_table is required"),
]


@pytest.mark.parametrize(
    ("kind", "data", "message"), MISSHAPEN, ids=[f"{x[0]}: {x[2]}" for x in MISSHAPEN]
)
def test_a_wrong_or_missing_part_is_found_at_its_line(
    kind: str, data: Any, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps(data, indent=1))
    with pytest.raises(ConfigurationError) as caught:
        import_semantic(file, DUCKDB)
    found = [finding for finding in caught.value.findings if message in finding.message]
    assert found, caught.value
    assert all(finding.line > 0 and finding.remedy for finding in found)


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False),
    st.sampled_from(["", " ", "x", "a.b.c.d", "{CUBE}.x", "{{ ref('x') }}", "SELECT", "(", "x'y",
                     "ref('')", "ü", "1; DROP TABLE x", "{a", "$user.x",
                     "*", "sum(sum(x))", "a = b", "MEASURE(x)", "@x", ":y", "?", "[]"]),
    st.just([]),
    st.just({}),
    st.just([1, "a", None, {"name": "x"}]),
    st.just({"name": ["x"]}),
)  # fmt: skip


def tried(
    file: Path, target: Target, wanted: str | None
) -> tuple[Imported | None, ConfigurationError | None]:
    try:
        return import_semantic(file, target, kind=wanted), None
    except ConfigurationError as error:
        return None, error


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [place] if place else []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list):
            found += places(item, (*place, key))
        else:
            found.append((*place, key))
    return found


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mutated_example_ends_in_a_model_or_in_findings(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(FILES))
    mutated = json.loads(json.dumps(DATA[file], default=str))
    for _ in range(data.draw(st.integers(1, 3))):
        known = places(mutated)
        if not known:
            break
        place = data.draw(st.sampled_from(known))
        inner = mutated
        for part in place[:-1]:
            inner = inner[part]
        if data.draw(st.booleans()):
            inner[place[-1]] = deepcopy(data.draw(odd))
        else:
            del inner[place[-1]]
    wanted = data.draw(st.sampled_from([None, *FORMATS]))
    dialect = data.draw(st.sampled_from(["duckdb", "postgres", "snowflake", "databricks", None]))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"model{file.suffix}"
        target.write_text(json.dumps(mutated))
        made, refused = tried(target, Target("wh", dialect), wanted)
    if made is None:
        assert refused is not None
        assert refused.findings or refused.remedy
        return
    for model in made.models:
        assert SemanticModel.model_validate(yaml.safe_load(model.to_yaml())) == model
    for finding in made.remaining:
        assert finding.line > 0
        assert finding.remedy, finding
