from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Saaf

FLIGHTS = ("--resource", "wh://nyc/main.flights")
QUERY = ("--action", "warehouse.query", *FLIGHTS)


def test_it_tells_who_narrowed_what(saaf: Saaf) -> None:
    done = saaf("explain", "--principal", "client:ua-analyst", "--agent", "flights", *QUERY)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "✓ client:ua-analyst may select wh://nyc/main.flights"
    assert "  ✓ agent:flights            holds warehouse:query" in lines
    assert "✓ client:ua-analyst: 18 of 19 columns, rows where carrier is UA" in lines
    assert "✓ agent:flights: no grant names it, so it narrows nothing here" in lines


def test_a_refusal_is_told_by_its_exit_status_too(saaf: Saaf) -> None:
    column = (*QUERY, "--column", "tailnum")
    done = saaf("explain", "--principal", "client:ua-analyst", *column)
    assert done.returncode == 1
    assert "holds back what is tagged confidential" in done.stdout
    narrowed = ("--scopes", "semantic:read")
    done = saaf("explain", "--principal", "client:analyst", *narrowed, *QUERY)
    assert done.returncode == 1
    assert "The scope warehouse:query is missing: the token does not hold it." in done.stdout


def test_users_groups_and_strangers_are_asked_about(saaf: Saaf, folder: Path) -> None:
    settings = (folder / "saaf.yaml").read_text()
    (folder / "saaf.yaml").write_text(settings + "\ngroups:\n  - {id: analysts}\n")
    group = saaf("explain", "--principal", "group:analysts", *FLIGHTS, "--json")
    assert json.loads(group.stdout)["allowed"] is True
    stranger = ("user:https://idp.example|ann", "--group", "airline-analysts")
    who = ("--principal", *stranger, "--attribute", "carrier=DL", *FLIGHTS, "--json")
    told = json.loads(saaf("explain", *who).stdout)
    assert told["sees"]["rows"] == "carrier is DL"
    assert saaf("explain", "--principal", "user:nobody", *FLIGHTS).returncode == 1


def test_whom_and_what_there_is_not_is_said(saaf: Saaf) -> None:
    for arguments, said in (
        (("client:nobody", *FLIGHTS), "There is no client 'nobody'"),
        (("root", *FLIGHTS), "names nobody"),
        (("client:analyst", "--resource", "wh://nyc/main.trains"), "is not described"),
        (("client:analyst", *FLIGHTS, "--agent", "spy"), "There is no agent 'spy'"),
    ):
        done = saaf("explain", "--principal", *arguments)
        assert done.returncode == 1
        assert said in done.stderr
