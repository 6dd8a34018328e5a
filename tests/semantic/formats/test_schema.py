from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from saaf_autogen.semantic.formats import SCHEMA_FILE, language_server_line, schema, schema_text
from saaf_autogen.semantic.model import SemanticModel
from saaf_autogen.settings import read_document
from tests.conftest import ROOT

SAMPLE = ROOT / "semantic" / "nyc_flights.yaml"


def sample() -> Any:
    model = SemanticModel.model_validate(read_document(SAMPLE).data)
    return json.loads(model.to_json())


def test_the_published_schema_is_what_the_models_say() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), (
        "write it again: saaf semantic schema --output saaf_autogen/semantic/schema.json --force"
    )


def test_the_sample_fits_the_schema_and_names_it_by_a_path_that_exists() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(sample(), schema())
    line = SAMPLE.read_text().splitlines()[0]
    assert line == language_server_line(SAMPLE)
    assert (SAMPLE.parent / line.rsplit("=", 1)[1]).resolve() == SCHEMA_FILE.resolve()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("tables", 0, "dimensions", 0, "is_enum"), 3.5),
        (("tables", 0, "sampel"), 1),
        (("relationships", 0, "join_type"), "outer"),
        (("saaf", "warehouse"), "Not A Name"),
        (("tables", 0, "saaf", "limits"), {"max_rows": 0}),
    ],
)
def test_what_the_models_refuse_the_schema_refuses(place: tuple[Any, ...], value: Any) -> None:
    data = inner = sample()
    for part in place[:-1]:
        inner = inner.setdefault(part, {}) if isinstance(inner, dict) else inner[part]
    inner[place[-1]] = value
    with pytest.raises(ValueError, match="validation error"):
        SemanticModel.model_validate(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema())


def test_every_key_is_explained() -> None:
    made = schema()
    parts = {"SemanticModel": made, **made["$defs"]}
    bare = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, value in part.get("properties", {}).items()
        if "description" not in value and key != "saaf"
    ]
    assert bare == []


def test_the_line_for_editors_is_relative_to_the_file(tmp_path: Path) -> None:
    published = tmp_path / ".saaf" / "semantic.schema.json"
    file = tmp_path / "semantic" / "deep" / "x.yaml"
    line = language_server_line(file, published=published)
    assert line == "# yaml-language-server: $schema=../../.saaf/semantic.schema.json"
