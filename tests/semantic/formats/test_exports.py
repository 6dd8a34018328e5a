"""Nothing gets lost on the way to Ossie and back, nor but ``saaf`` on the way to Snowflake."""

from __future__ import annotations

import json
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.semantic.formats import (
    Target,
    export_ossie,
    export_snowflake,
    import_semantic,
)
from saaf_autogen.semantic.model import SemanticModel
from saaf_autogen.settings import read_document
from tests.conftest import ROOT
from tests.semantic.formats.support import EXAMPLES, SOURCES, imported

SAMPLE = ROOT / "semantic" / "nyc_flights.yaml"
OSSIE = json.loads((EXAMPLES / "ossie" / "osi-schema.json").read_text())


def back(document: dict[str, Any], folder: Path, target: Target | None = None) -> SemanticModel:
    file = folder / "exported.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    made = import_semantic(file, target or Target())
    assert made.left_out == []
    return made.models[0]


def models() -> list[Any]:
    found = [pytest.param(read_document(SAMPLE).data, "duckdb", id="sample")]
    for name, (_, dialect) in SOURCES.items():
        found += [
            pytest.param(model.to_document(), dialect, id=name) for model in imported(name).models
        ]
    return found


@pytest.mark.parametrize(("data", "dialect"), models())
def test_importing_an_ossie_export_gives_the_same_model(
    data: dict[str, Any], dialect: str, tmp_path: Path
) -> None:
    model = SemanticModel.model_validate(data)
    document = export_ossie(model, dialect)
    jsonschema.validate(document, OSSIE)
    again = back(document, tmp_path)
    assert again == model
    assert again.to_document() == model.to_document()


@pytest.mark.parametrize(("data", "dialect"), models())
def test_importing_a_snowflake_export_gives_the_model_without_saaf(
    data: dict[str, Any], dialect: str, tmp_path: Path
) -> None:
    model = SemanticModel.model_validate(data)
    document, told = export_snowflake(model, dialect)
    assert "saaf" not in yaml.safe_dump(document)
    assert told
    assert back(document, tmp_path, Target()).to_document() == document


def test_what_another_tool_changed_in_ossie_stands(tmp_path: Path) -> None:
    model = SemanticModel.model_validate(read_document(SAMPLE).data)
    document = export_ossie(model, "duckdb")
    made = document["semantic_model"][0]
    made["description"] = "Changed."
    field = made["datasets"][0]["fields"][0]
    field["description"] = "Changed, too."
    made["metrics"][0]["expression"]["dialects"][0]["expression"] = "COUNT(flights.carrier)"
    again = back(document, tmp_path)
    assert again.description == "Changed."
    first = again.tables[0].dimensions[0]
    assert first.description == "Changed, too."
    assert first.saaf == model.tables[0].dimensions[0].saaf
    assert again.tables[0].metrics[0].expr == "COUNT(carrier)"
    assert again.tables[1:] == model.tables[1:]


def test_the_warehouse_of_the_import_wins(tmp_path: Path) -> None:
    model = SemanticModel.model_validate(read_document(SAMPLE).data)
    again = back(export_ossie(model, "duckdb"), tmp_path, Target("other", "duckdb"))
    assert again.saaf.warehouse == "other"
    assert again.tables == model.tables


def test_a_model_without_tables_cannot_be_exported() -> None:
    model = SemanticModel(name="empty")
    with pytest.raises(ConfigurationError, match="no tables"):
        export_ossie(model, "duckdb")
    with pytest.raises(ConfigurationError, match="no tables"):
        export_snowflake(model, "duckdb")


def test_an_expression_that_is_no_sql_is_told_by_the_export() -> None:
    data = {
        "name": "m",
        "tables": [
            {
                "name": "t",
                "base_table": {"schema": "s", "table": "t"},
                "dimensions": [{"name": "a", "expr": "on", "data_type": "INT"}],
            }
        ],
    }
    with pytest.raises(ConfigurationError, match="no duckdb expression"):
        export_ossie(SemanticModel.model_validate(data), "duckdb")


words = st.text("abcXYZ_ äöü.'\"\n:#-%{}", min_size=1, max_size=20).filter(str.strip)
names = st.from_regex(r"c_[a-z0-9_]{0,12}", fullmatch=True)
values = st.one_of(
    st.booleans(),
    st.integers(-(10**6), 10**6),
    words,
    st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
)


def optional(**keys: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


def joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {k: v for part in found for k, v in part.items()})


fields = joined(
    st.fixed_dictionaries(
        {
            "name": names,
            "expr": st.one_of(names, st.just("lower(a) || 'x.y'"), st.just("a + b")),
            "data_type": st.sampled_from(
                ["VARCHAR", "NUMBER", "TIMESTAMP", "UNKNOWN", "GEOGRAPHY"]
            ),
        }
    ),
    optional(
        description=words,
        synonyms=st.lists(words, max_size=2),
        sample_values=st.lists(values, max_size=3),
        unique=st.booleans(),
        labels=st.lists(words, max_size=2),
        saaf=optional(tags=st.lists(names, max_size=2)),
    ),
)
metrics = joined(
    st.fixed_dictionaries(
        {"name": names, "expr": st.sampled_from(["COUNT(*)", "SUM(a)", "SUM(a + b) / COUNT(b)"])}
    ),
    optional(
        description=words, data_type=st.just("NUMBER"), access_modifier=st.just("public_access")
    ),
)
tables = joined(
    st.fixed_dictionaries(
        {
            "name": names,
            "base_table": joined(
                st.fixed_dictionaries({"schema": names, "table": st.one_of(names, words)}),
                optional(database=names),
            ),
        }
    ),
    optional(
        description=words,
        synonyms=st.lists(words, max_size=2),
        primary_key=st.fixed_dictionaries({"columns": st.lists(names, min_size=1, max_size=2)}),
        dimensions=st.lists(fields, max_size=2),
        time_dimensions=st.lists(fields, max_size=1),
        facts=st.lists(fields, max_size=1),
        measures=st.lists(fields, max_size=1),
        metrics=st.lists(metrics, max_size=2),
        filters=st.lists(st.fixed_dictionaries({"name": names, "expr": words}), max_size=1),
        saaf=optional(hints=st.lists(words, max_size=2), owner=names),
    ),
)
documents = joined(
    st.fixed_dictionaries(
        {
            "name": names,
            "tables": st.lists(tables, min_size=1, max_size=3, unique_by=lambda item: item["name"]),
        }
    ),
    optional(
        description=words,
        custom_instructions=words,
        metrics=st.lists(metrics, max_size=2),
        saaf=optional(warehouse=names, dialect=st.just("duckdb")),
    ),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_any_model_survives_ossie(data: dict[str, Any]) -> None:
    model = SemanticModel.model_validate(data)
    document = export_ossie(model, "duckdb")
    jsonschema.validate(document, OSSIE)
    with tempfile.TemporaryDirectory() as folder:
        again = back(document, Path(folder))
    assert again.to_document() == model.to_document()
