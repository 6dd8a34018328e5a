from __future__ import annotations

from pathlib import Path

from saaf_autogen.auth.access import ColumnFacts, TableFacts
from saaf_autogen.auth.findings import validate_grants
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.errors import Finding
from saaf_autogen.settings import Settings, parse_document

FAULTY = """\
warehouses:
  nyc: {engine: duckdb, path: nyc.duckdb}
clients:
  - id: ann
    scopes: [warehouse:query, moon:land]
    groups: [analysts]
    attributes: {carriers: [UA]}
local:
  principal: {subject: me, scopes: [sun:land]}
grants:
  - id: nobody
    to: {groups: []}
    resource: wh://nyc/main.flights
  - id: strangers
    to:
      clients: [eve]
      agents: [ghost]
    resource: wh://la/main.flights
  - id: no-table
    to: "*"
    resource: wh://nyc/flights
  - id: columns
    to: "*"
    resource: wh://nyc/main.flights
    columns:
      allow: ["*", carrier, wings]
      mask: {origin: hash}
  - id: rows
    to: {groups: [analysts]}
    resource: wh://nyc/main.flights
    rows:
      carrier: {eq: $user.carriers}
      origin: {eq: $user.home}
  - id: unusable
    to: "*"
    resource: wh://nyc/main.flights
    rows:
      carrier: {eq: [UA]}
      wings: {eq: 2}
  - id: planes
    to: "*"
    resource: wh://nyc/main.planes
deny:
  - to: "*"
    resource: wh://nyc/main.flights
    columns: [ssn, "*_id"]
"""
TABLES = {
    "wh://nyc/main.flights": TableFacts(
        "wh://nyc/main.flights",
        (ColumnFacts("carrier", "VARCHAR"), ColumnFacts("origin", "VARCHAR")),
    )
}


def check(text: str, *, known: bool = True) -> list[Finding]:
    document = parse_document(text, Path("saaf.yaml"))
    settings = document.validate(Settings)
    assert settings, document.findings
    return validate_grants(
        settings,
        document,
        scopes=ScopeRegistry(),
        agents=["flights"] if known else None,
        tables=TABLES if known else None,
    )


def test_every_fault_is_found_at_its_line() -> None:
    lines = FAULTY.splitlines()
    found = [(lines[item.line - 1].strip(), item.message) for item in check(FAULTY)]
    assert found == [
        ("scopes: [warehouse:query, moon:land]", "there is no scope moon:land"),
        (
            "principal: {subject: me, scopes: [sun:land]}",
            "there is no scope sun:land",
        ),
        ("to: {groups: []}", "`to` names nobody"),
        ("clients: [eve]", "there is no client eve"),
        ("agents: [ghost]", "there is no agent ghost"),
        ("resource: wh://la/main.flights", "there is no warehouse la"),
        ("resource: wh://nyc/flights", "wh://nyc/flights names no table"),
        ('allow: ["*", carrier, wings]', '"*" in a list is no column'),
        ("mask: {origin: hash}", "origin is masked but not shown"),
        ('allow: ["*", carrier, wings]', "wh://nyc/main.flights has no column wings"),
        (
            "carrier: {eq: $user.carriers}",
            "carriers of the client ann is a list",
        ),
        ("origin: {eq: $user.home}", "the client ann has no attribute home"),
        ("carrier: {eq: [UA]}", "`eq` takes one value, not a list"),
        ("rows:", "wh://nyc/main.flights has no column wings"),
        ("resource: wh://nyc/main.planes", "wh://nyc/main.planes is not described"),
        ('columns: [ssn, "*_id"]', "wh://nyc/main.flights has no column ssn"),
    ]
    assert all(item.remedy for item in check(FAULTY))


def test_what_is_not_known_is_not_judged() -> None:
    messages = [item.message for item in check(FAULTY, known=False)]
    assert not [text for text in messages if "has no column" in text or "no agent" in text]
    assert "there is no client eve" in messages


def test_the_sample_deployment_has_no_faults() -> None:
    sample = Path(__file__).parents[2] / "saaf.yaml"
    assert check(sample.read_text(), known=False) == []
