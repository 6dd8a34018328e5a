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


HELD = """\
tenants: [default, acme]
warehouses:
  nyc: {engine: duckdb, path: nyc.duckdb}
clients:
  - id: ann
    groups: [analysts]
    attributes: {carriers: [UA]}
grants:
  - id: where
    tenant: acne
    to: "*"
    resource: wh://nyc/main.flights
  - id: when
    to: "*"
    resource: wh://nyc/main.flights
    starts_at: 2026-02-01T00:00:00Z
    expires_at: 2026-01-01T00:00:00Z
  - id: hours
    to: "*"
    resource: wh://nyc/main.flights
    hours:
      zone: Europe/Atlantis
      start: "09:00+02:00"
      days: []
  - id: conditions
    to: {groups: [analysts]}
    resource: wh://nyc/main.flights
    when:
      region: {eq: EU}
      carriers: {eq: UA}
      home: {eq: $user.office}
  - id: senseless
    to: "*"
    resource: wh://nyc/main.flights
    when:
      level: {gt: [1, 2]}
      other: {eq: $nobody}
  - id: theirs
    to: {clients: ["https://idp.example|robot"]}
    resource: wh://nyc/main.flights
deny:
  - id: where
    tenant: nowhere
    to: "*"
    resource: wh://nyc/main.flights
"""


def test_windows_conditions_and_tenants_are_judged() -> None:
    lines = HELD.splitlines()
    found = [(lines[item.line - 1].strip(), item.message) for item in check(HELD)]
    assert found == [
        ("tenant: acne", "there is no tenant acne"),
        ("expires_at: 2026-01-01T00:00:00Z", "it ends before it starts"),
        ("zone: Europe/Atlantis", "there is no time zone Europe/Atlantis"),
        ("days: []", "the hours are on no day"),
        ('start: "09:00+02:00"', "`start` has an offset of its own"),
        ("home: {eq: $user.office}", "the client ann has no attribute office"),
        ("region: {eq: EU}", "the client ann has no attribute region"),
        ("carriers: {eq: UA}", "carriers of the client ann is a list"),
        ("home: {eq: $user.office}", "the client ann has no attribute home"),
        ("level: {gt: [1, 2]}", "`gt` takes one value, not a list"),
        ("other: {eq: $nobody}", "'$nobody' is no reference to an attribute"),
        ("tenant: nowhere", "there is no tenant nowhere"),
        ("- id: where", "another rule has the id where"),
    ]
    assert all(item.remedy for item in check(HELD))
