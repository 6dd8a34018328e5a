from __future__ import annotations

from tests.api.admin.conftest import Call, fresh, problem
from tests.api.admin.test_users import make


def test_members_of_a_group_have_its_scopes_and_lose_them_with_it(call: Call) -> None:
    name, user = fresh("group"), make(call)
    made = call("POST", "/groups", json={"id": name, "scopes": ["warehouse:query"]})
    assert made.status_code == 201, made.text
    tag = made.headers["ETag"]
    path = f"/groups/{name}/members/{user['id']}"
    assert call("PUT", path, match=tag).status_code == 200
    read = call("GET", f"/users/{user['id']}").json()
    assert (read["groups"], read["effective_scopes"]) == ([name], ["warehouse:query"])
    members = call("GET", f"/groups/{name}/members").json()["data"]
    assert [each["id"] for each in members] == [user["id"]]
    assert call("DELETE", f"/groups/{name}", match=tag).status_code == 204
    read = call("GET", f"/users/{user['id']}").json()
    assert (read["groups"], read["effective_scopes"]) == ([], [])


def test_a_member_who_comes_makes_nobody_elses_etag_stale(call: Call) -> None:
    name, one, two = fresh("group"), make(call), make(call)
    tag = call("POST", "/groups", json={"id": name}).headers["ETag"]
    for user in (one, two):
        assert call("PUT", f"/groups/{name}/members/{user['id']}", match=tag).status_code == 200
    gone = call("DELETE", f"/groups/{name}/members/{one['id']}", match=tag)
    assert gone.status_code == 200
    again = call("DELETE", f"/groups/{name}/members/{one['id']}", match=tag)
    assert again.status_code == 200
    (listed,) = [each for each in call("GET", "/groups").json()["data"] if each["id"] == name]
    assert listed["members"] == 1


def test_nobody_is_put_in_a_group_whose_scopes_changed_meanwhile(call: Call) -> None:
    name, user = fresh("group"), make(call)
    tag = call("POST", "/groups", json={"id": name}).headers["ETag"]
    assert (
        call("PATCH", f"/groups/{name}", match=tag, json={"scopes": ["iam:admin"]}).status_code
        == 200
    )
    path = f"/groups/{name}/members/{user['id']}"
    problem(call("PUT", path, match=tag), 412, "precondition_failed")
    problem(call("PUT", path), 428, "precondition_required")
    assert call("GET", f"/users/{user['id']}").json()["effective_scopes"] == []


def test_a_declared_group_takes_members_and_nothing_else(call: Call) -> None:
    user = make(call)
    seen = call("GET", "/groups/declared")
    tag = seen.headers["ETag"]
    assert seen.json()["declared"] is True
    problem(call("PATCH", "/groups/declared", match=tag, json={"title": "x"}), 409, "conflict")
    problem(call("DELETE", "/groups/declared", match=tag), 409, "conflict")
    assert call("PUT", f"/groups/declared/members/{user['id']}", match=tag).status_code == 200
    assert call("GET", f"/users/{user['id']}").json()["effective_scopes"] == ["runs:read"]


def test_what_there_is_not_is_404_and_what_there_is_409(call: Call) -> None:
    problem(call("GET", "/groups/nowhere"), 404, "not_found")
    problem(call("GET", "/groups/nowhere/members"), 404, "not_found")
    problem(call("PUT", "/groups/declared/members/usr_x", match="*"), 404, "not_found")
    problem(call("POST", "/groups", json={"id": "declared"}), 409, "conflict")
