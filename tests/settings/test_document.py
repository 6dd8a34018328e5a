from __future__ import annotations

from pathlib import Path

from saaf_autogen.settings import Document, Settings, parse_document, read_document

FILE = Path("saaf.yaml")


def validated(text: str) -> tuple[Settings | None, Document]:
    document = parse_document(text, FILE)
    return document.validate(Settings, document.data or {}), document


def test_every_fault_is_told_with_its_line_and_remedy() -> None:
    text = """name: demo
servr: {port: 1}
models:
  default: {provider: openai}
warehouses:
  nyc:
    engine: duckdb
    pth: x
"""
    settings, document = validated(text)
    assert settings is None
    told = {(finding.line, finding.message) for finding in document.findings}
    assert (2, "servr: unknown key") in told
    assert (4, "models.default: a model of this provider needs `model`") in told
    assert (8, "warehouses.nyc.pth: unknown key") in told


def test_a_time_without_its_zone_is_told_how_to_write_one() -> None:
    text = "grants:\n- {id: a, to: '*', resource: 'wh://*', starts_at: 2026-03-01T00:00:00}\n"
    (finding,) = validated(text)[1].findings
    assert (finding.line, finding.remedy) == (2, "say in which zone: 2026-03-01T00:00:00Z")


def test_a_warehouse_without_data_is_a_fault_at_its_line() -> None:
    settings, document = validated("warehouses:\n  nyc:\n    engine: duckdb\n")
    assert settings is None
    (finding,) = document.findings
    assert finding.line == 2
    assert "needs `path` or `files`" in finding.message


def test_an_engine_that_is_misspelt_is_told_the_near_one() -> None:
    _, document = validated("warehouses:\n  s: {engine: postgres, url_env: X}\n")
    (finding,) = document.findings
    assert finding.message == "warehouses.s: there is no engine 'postgres'"
    assert finding.remedy == "did you mean postgresql?"


def test_a_document_that_is_nested_too_deep_is_a_fault() -> None:
    (finding,) = parse_document("a: " + "[" * 10_000 + "]" * 10_000, FILE).findings
    assert finding.message == "the values are nested too deep"


def test_broken_json_is_called_json() -> None:
    (finding,) = parse_document('{"a": [}', Path("a.json")).findings
    assert finding.message.startswith("not valid JSON")


def test_a_key_that_appears_twice_is_a_fault_at_its_second_line() -> None:
    document = parse_document("a: 1\nb: 2\na: 3\n", FILE)
    assert [(finding.line, finding.message) for finding in document.findings] == [
        (3, "the key 'a' appears twice")
    ]


def test_keys_are_read_as_they_are_written() -> None:
    assert parse_document("on: 1\n1: 2\nnull: 3\n", FILE).data == {"on": 1, "1": 2, "null": 3}


def test_broken_yaml_is_a_fault_at_its_line() -> None:
    document = parse_document("a: 1\nb: [1, 2\nc: 3\n", FILE)
    assert document.findings
    assert document.findings[0].line >= 2


def test_json_of_the_same_shape_is_read_too() -> None:
    assert parse_document('{"name": "demo", "version": 1}', FILE).data == {
        "name": "demo",
        "version": 1,
    }


def test_an_alias_bomb_is_refused_and_not_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        refs = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{refs}]")
    document = parse_document("\n".join(lines), FILE)
    assert any("too many values" in finding.message for finding in document.findings)


def test_an_alias_within_itself_is_a_finding() -> None:
    document = parse_document("a: &a [*a]", FILE)
    assert any("without end" in finding.message for finding in document.findings)


def test_python_tags_are_never_constructed() -> None:
    document = parse_document("a: !!python/object/apply:os.system ['true']", FILE)
    assert document.findings or document.data == {"a": ["true"]}


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    document = read_document(tmp_path / "none.yaml")
    assert "cannot be read" in document.findings[0].message
