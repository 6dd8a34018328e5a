from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from saaf_autogen.teams.schema import arguments_for, strict_schema


class Filter(BaseModel):
    column: str
    value: int | None = None


class Arguments(BaseModel):
    sql: str = Field(description="The SQL.")
    limit: int = 10
    mode: Literal["a", "b"] = "a"
    warehouse: str | None = None
    filters: list[Filter] = []
    parameters: dict[str, str | float] | None = Field(None, description="Named values.")


SCHEMA = Arguments.model_json_schema()


def objects(node: Any) -> list[dict[str, Any]]:
    found = []
    if isinstance(node, dict):
        if node.get("type") == "object":
            found.append(node)
        for item in node.values():
            found += objects(item)
    elif isinstance(node, list):
        for item in node:
            found += objects(item)
    return found


def test_every_object_of_a_strict_schema_is_closed_and_requires_all() -> None:
    schema, strict = strict_schema(SCHEMA)
    assert strict
    for item in objects(schema):
        assert item["additionalProperties"] is False
        assert item["required"] == list(item["properties"])
    assert "$ref" not in str(schema)
    assert "default" not in str(schema)


def test_what_is_optional_takes_null_and_keeps_its_description() -> None:
    schema, _ = strict_schema(SCHEMA)
    assert schema["properties"]["sql"] == {"type": "string", "description": "The SQL."}
    assert schema["properties"]["limit"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert {"type": "null"} in schema["properties"]["parameters"]["anyOf"]
    assert schema["properties"]["parameters"]["description"] == "Named values."


def test_an_open_map_becomes_a_list_of_pairs_and_comes_back_as_a_map() -> None:
    schema, _ = strict_schema(SCHEMA)
    pairs = schema["properties"]["parameters"]["anyOf"][0]
    assert pairs["type"] == "array"
    assert set(pairs["items"]["properties"]) == {"name", "value"}
    sent = {"sql": "x", "parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": 2}]}
    assert arguments_for(SCHEMA, sent) == {"sql": "x", "parameters": {"a": "1", "b": 2}}
    assert arguments_for(SCHEMA, {"sql": "x", "parameters": []})["parameters"] == {}


def test_nulls_go_only_where_the_argument_is_optional() -> None:
    sent = {
        "sql": None,
        "limit": None,
        "warehouse": None,
        "filters": [{"column": "c", "value": None}],
        "unknown": None,
    }
    expected = {"sql": None, "filters": [{"column": "c"}], "unknown": None}
    assert arguments_for(SCHEMA, sent) == expected


def test_what_strict_mode_cannot_say_is_offered_without_it() -> None:
    anything = {"type": "object", "properties": {"x": {}}, "required": ["x"]}
    schema, strict = strict_schema(anything)
    assert not strict
    assert schema["properties"] == {"x": {}}
    pair = TypeAdapter(tuple[int, str]).json_schema()
    assert not strict_schema({"type": "object", "properties": {"x": pair}})[1]


def test_a_recursive_schema_is_offered_without_strict_mode() -> None:
    recursive = {
        "type": "object",
        "properties": {"node": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    }
    assert not strict_schema(recursive)[1]
    assert arguments_for(recursive, {"node": {"next": {"next": None}}}) == {"node": {"next": {}}}


def test_an_action_without_arguments_has_an_empty_strict_schema() -> None:
    schema, strict = strict_schema({"type": "object", "properties": {}})
    assert strict
    assert schema == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }
