from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from saaf_autogen.cli.explain import Asked, explain
from saaf_autogen.errors import InvalidArguments, NotFound
from saaf_autogen.project.people import open_desk
from tests.cli.conftest import Saaf

FLIGHTS = "wh://nyc/main.flights"


def told(folder: Path, capsys: pytest.CaptureFixture[str], principal: str, **more: Any) -> Any:
    """What the command prints as data, without a process of its own."""
    asked = Asked(principal, **{"resource": FLIGHTS, **more})
    allowed = explain(folder, asked, as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["allowed"] == allowed
    return data


def test_it_tells_who_narrowed_what(saaf: Saaf) -> None:
    asked = ("--action", "warehouse.query", "--resource", FLIGHTS)
    done = saaf("explain", "--principal", "client:ua-analyst", "--agent", "flights", *asked)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "✓ client:ua-analyst may select wh://nyc/main.flights"
    assert "  ✓ agent:flights            holds warehouse:query" in lines
    assert "✓ client:ua-analyst: 18 of 19 columns, rows where carrier is UA" in lines
    assert "✓ agent:flights: no grant names it, so it narrows nothing here" in lines
    done = saaf("explain", "--principal", "client:ua-analyst", *asked, "--column", "tailnum")
    assert done.returncode == 1
    assert "holds back what is tagged confidential" in done.stdout


def test_scopes_of_a_token_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"action": "warehouse.query", "scopes": ["semantic:read"]}
    data = told(folder, capsys, "client:analyst", **asked)
    reason = "The scope warehouse:query is missing: the token does not hold it."
    assert (data["allowed"], data["reason"]) == (False, reason)


def test_users_and_groups_and_strangers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(folder, capsys, "group:analysts")["allowed"] is True
    stranger = {"groups": ["airline-analysts"], "attributes": ["carrier=DL"]}
    data = told(folder, capsys, "user:https://idp.example|ann", **stranger)
    assert data["sees"]["rows"] == "carrier is DL"
    assert data["principal"]["issuer"] == "https://idp.example"
    several = {"groups": ["airline-analysts"], "attributes": ["carrier=DL,UA"]}
    data = told(folder, capsys, "user:https://idp.example|ann", **several)
    assert data["allowed"] is False


def test_a_user_of_the_store_has_groups_and_scopes_of_now(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_desk(folder, "default") as desk:
        made = desk.people.users.add("ann", scopes=["semantic:read"])
        if desk.people.groups.get("analysts") is None:
            desk.people.groups.add("analysts")
        desk.people.groups.add_member("analysts", made.id)
    data = told(folder, capsys, "user:ann", action="semantic.list_tables")
    assert data["allowed"] is True
    assert data["principal"]["subject"] == made.id
    narrowed = {"action": "warehouse.query", "scopes": ["semantic:read"]}
    assert told(folder, capsys, "user:ann", **narrowed)["allowed"] is False
    assert told(folder, capsys, f"user:{made.id}")["allowed"] is True


@pytest.mark.parametrize(
    ("principal", "more", "error", "said"),
    [
        ("client:nobody", {}, NotFound, "no client 'nobody'"),
        ("user:nobody", {}, NotFound, "no user 'nobody'"),
        ("client:analyst", {"tenant": "acme"}, NotFound, "in the tenant acme"),
        ("root", {}, InvalidArguments, "names nobody"),
        ("client:analyst", {"resource": "wh://nyc/main.trains"}, NotFound, "not described"),
        ("client:analyst", {"agent": "spy"}, NotFound, "no agent 'spy'"),
        ("client:analyst", {"action": "warehouse.drop"}, NotFound, "warehouse.drop"),
        ("client:analyst", {"attributes": ["carrier"]}, InvalidArguments, "NAME=VALUE"),
    ],
)
def test_whom_and_what_there_is_not_is_said(
    folder: Path, principal: str, more: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        explain(folder, Asked(principal, **{"resource": FLIGHTS, **more}))
