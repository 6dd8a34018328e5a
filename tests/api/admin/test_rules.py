from __future__ import annotations

from typing import Any

import pytest

from tests.api.admin.conftest import Call, fresh, problem
from tests.api.admin.test_users import make

KINDS = ["grants", "deny"]


def rule(kind: str, **more: Any) -> dict[str, Any]:
    what = {"grants": {"verbs": ["read"]}, "deny": {}}[kind]
    return {
        "id": fresh("rule"),
        "to": {"groups": ["declared"]},
        "resource": "doc://reports/*",
        **what,
        **more,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_is_made_changed_and_removed(call: Call, kind: str) -> None:
    body = rule(kind)
    made = call("POST", f"/{kind}", json=body)
    assert made.status_code == 201, made.text
    path = f"/{kind}/{body['id']}"
    assert made.headers["Location"] == f"/v1/admin{path}"
    shown = made.json()
    assert (shown["origin"], shown["state"], shown["version"]) == ("managed", "active", 1)
    assert shown["created_by"] == "client:admin"
    patch = {"resource": "doc://plans/2027", "expires_at": "2031-01-01T00:00:00Z"}
    problem(call("PATCH", path, json=patch), 428, "precondition_required")
    changed = call("PATCH", path, match=made.headers["ETag"], json=patch)
    assert changed.status_code == 200, changed.text
    assert changed.json()["rule"]["resource"] == "doc://plans/2027"
    assert changed.json()["rule"]["to"]["groups"] == ["declared"]
    old = made.headers["ETag"]
    problem(call("PATCH", path, match=old, json=patch), 412, "precondition_failed")
    problem(call("DELETE", path, match=old), 412, "precondition_failed")
    assert call("DELETE", path, match=changed.headers["ETag"]).status_code == 204
    problem(call("GET", path), 404, "not_found")


@pytest.mark.parametrize(("kind", "name"), [("grants", "handbook"), ("deny", "no-plans")])
def test_a_declared_rule_is_shown_with_its_place_and_is_read_only(
    call: Call, kind: str, name: str
) -> None:
    shown = call("GET", f"/{kind}/{name}").json()
    assert shown["origin"] == "declared"
    file, _, line = shown["place"].partition(":")
    assert file == "saaf.yaml"
    assert int(line) > 0
    for method, rest in (("PATCH", {"json": {"to": "*"}}), ("DELETE", {})):
        told = problem(call(method, f"/{kind}/{name}", match="*", **rest), 409, "conflict")
        assert shown["place"] in told["detail"]
    taken = problem(call("POST", f"/{kind}", json=rule(kind, id=name)), 409, "conflict")
    assert shown["place"] in taken["detail"] + taken["remedy"]
    listed = {each["id"]: each for each in call("GET", f"/{kind}").json()["data"]}
    assert listed[name] == shown


def test_a_rule_of_one_kind_is_none_of_the_other(call: Call) -> None:
    body = rule("grants")
    call("POST", "/grants", json=body)
    problem(call("GET", f"/deny/{body['id']}"), 404, "not_found")
    problem(call("DELETE", f"/deny/{body['id']}", match="*"), 404, "not_found")
    assert body["id"] not in {each["id"] for each in call("GET", "/deny").json()["data"]}


def test_a_rule_that_makes_no_sense_is_refused(call: Call) -> None:
    faults: list[dict[str, Any]] = [
        {"to": {"group": ["declared"]}},
        {"rows": {"region": {}}},
        {"rows": {"region": {"like": "E%"}}},
        {"resource": "reports"},
        {"tenant": "acme"},
        {"verbs": ["drop"]},
    ]
    for bad in faults:
        body = {**rule("grants"), **bad}
        problem(call("POST", "/grants", json=body), 422, "invalid_arguments")


def test_a_new_grant_holds_at_once_and_ends_at_once(call: Call) -> None:
    user = make(call, groups=["declared"])
    ask = {"principal": {"user_id": user["id"]}, "resource": "doc://secret/one", "verb": "read"}

    def allowed() -> bool:
        return bool(call("POST", "/explain", json=ask).json()["explanation"]["allowed"])

    assert not allowed()
    body = rule("grants", resource="doc://secret/*")
    tag = call("POST", "/grants", json=body).headers["ETag"]
    assert allowed()
    seen = call("GET", "/access?resource=doc://secret/one&verb=read").json()["data"]
    assert (user["id"], [body["id"]]) in [(each["id"], each["grants"]) for each in seen]
    denial = rule("deny", resource="doc://secret/*", to="*")
    call("POST", "/deny", json=denial)
    assert not allowed()
    call("DELETE", f"/deny/{denial['id']}", match="*")
    call("DELETE", f"/grants/{body['id']}", match=tag)
    assert not allowed()


def test_an_explanation_names_the_party_and_the_scope_that_is_missing(call: Call) -> None:
    ask = {
        "principal": {"groups": ["declared"], "scopes": []},
        "resource": "doc://handbook/one",
        "verb": "read",
        "action": "semantic.list_tables",
    }
    told = call("POST", "/explain", json=ask)
    assert told.status_code == 200, told.text
    assert told.json()["explanation"]["allowed"] is False
    assert "semantic:read" in told.json()["text"]
    ask["action"] = "no.such_action"
    problem(call("POST", "/explain", json=ask), 404, "not_found")
    for whom in ({}, {"user_id": "usr_x", "client_id": "nobody"}):
        refused = call("POST", "/explain", json={**ask, "principal": whom})
        problem(refused, 422, "invalid_arguments")
    stranger = {**ask, "action": None, "principal": {"user_id": "usr_x"}}
    problem(call("POST", "/explain", json=stranger), 404, "not_found")


def test_what_is_not_described_is_seen_by_nobody(call: Call) -> None:
    problem(call("GET", "/access?resource=wh://main/s.t&column=c"), 404, "not_found")
    problem(call("GET", "/access?resource=nothing"), 422, "invalid_arguments")


def test_pages_of_rules_hold_each_once(call: Call) -> None:
    made = set()
    for _ in range(5):
        body = rule("grants")
        assert call("POST", "/grants", json=body).status_code == 201
        made.add(body["id"])
    seen: list[str] = []
    cursor = ""
    while True:
        page = call("GET", f"/grants?limit=2{cursor}").json()
        seen += [each["id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen))
    assert made <= set(seen)
