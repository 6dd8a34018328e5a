from __future__ import annotations

from typing import Any

from saaf_autogen.auth.server.approval import ApprovedOrder
from tests.api.admin.conftest import PASSWORD, Call, fresh, problem
from tests.site import Site


def make(call: Call, **more: Any) -> dict[str, Any]:
    made = call("POST", "/users", json={"username": fresh("user"), "password": PASSWORD, **more})
    assert made.status_code == 201, made.text
    user: dict[str, Any] = made.json()["user"]
    return user


def signed_in(site: Site, user_id: str) -> str:
    """A session of the user; its cookie."""
    user = site.identity.users.get(user_id)
    assert user is not None
    return site.identity.sessions.start(user, amr=["pwd"], address="", user_agent="test")[0]


def test_a_user_with_a_password_may_sign_in_with_it(site: Site, call: Call) -> None:
    name = fresh("ann")
    body = {"username": name, "name": "Ann Lee", "email": "ann@acme.com", "password": PASSWORD}
    made = call("POST", "/users", json=body)
    assert made.status_code == 201, made.text
    user = made.json()["user"]
    assert made.json()["invitation"] is None
    assert made.headers["Location"] == f"/v1/admin/users/{user['id']}"
    signed = site.on_loop(site.identity.people.sign_in.with_password(name, PASSWORD, ""))
    assert signed.id == user["id"]
    entries = call("GET", "/audit?action=iam.create_user").text
    assert user["id"] in entries
    assert PASSWORD not in entries


def test_a_user_without_a_password_gets_a_link_by_which_to_choose_one(
    site: Site, call: Call
) -> None:
    made = call("POST", "/users", json={"username": fresh("bob")})
    assert made.headers["Cache-Control"] == "no-store"
    address = made.json()["invitation"]["url"]
    assert address.startswith(f"{site.url}/invitation?token=")
    token = address.partition("token=")[2]
    invitation = site.identity.people.invitations.find(token)
    assert invitation is not None
    assert invitation.user is not None
    assert invitation.user.id == made.json()["user"]["id"]
    assert token not in call("GET", "/audit").text


def test_a_reset_link_is_told_once_even_when_the_request_is_repeated(call: Call) -> None:
    user, key = make(call), {"Idempotency-Key": fresh("reset")}
    first = call("POST", f"/users/{user['id']}/reset-link", headers=key)
    again = call("POST", f"/users/{user['id']}/reset-link", headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["url"]
    assert again.json() == {"url": None, "expires_at": None}


def test_a_poor_password_and_a_taken_name_are_refused(call: Call) -> None:
    body = {"username": fresh("weak"), "password": "password"}
    problem(call("POST", "/users", json=body), 422, "invalid_arguments")
    user = make(call)
    taken = {"username": user["username"].upper(), "password": PASSWORD}
    for by in ("admin", "acme-admin"):
        told = problem(call("POST", "/users", by=by, json=taken), 409, "conflict")
        assert "taken" in told["detail"]


def test_users_are_found_by_the_beginning_of_a_name_and_by_group(call: Call) -> None:
    user = make(call, name="Zoe Quill", groups=["declared"])
    found = call("GET", "/users?search=zoe+q").json()["data"]
    assert [each["id"] for each in found] == [user["id"]]
    assert user["id"] in {
        each["id"] for each in call("GET", "/users?group=declared").json()["data"]
    }
    assert call("GET", "/users?search=%25").json()["data"] == []


def test_pages_hold_everyone_once_while_others_come(call: Call) -> None:
    before = {make(call, password=None)["id"] for _ in range(5)}
    seen: list[str] = []
    cursor = ""
    while True:
        page = call("GET", f"/users?limit=5{cursor}").json()
        seen += [user["id"] for user in page["data"]]
        make(call, password=None)
        if page["next_cursor"] is None or len(seen) > 500:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    problem(call("GET", "/users?cursor=nonsense"), 422, "invalid_arguments")
    for limit in (0, 201):
        problem(call("GET", f"/users?limit={limit}"), 422, "invalid_arguments")


def test_a_user_is_changed_by_a_merge_patch(call: Call) -> None:
    user = make(call, scopes=["runs:read"], attributes={"region": "EU"})
    seen = call("GET", f"/users/{user['id']}")
    patch = {"scopes": ["semantic:edit"], "attributes": {"region": None, "desk": 4}}
    changed = call("PATCH", f"/users/{user['id']}", match=seen.headers["ETag"], json=patch)
    assert changed.status_code == 200, changed.text
    assert changed.json()["scopes"] == ["semantic:edit"]
    assert changed.json()["attributes"] == {"desk": 4}
    assert changed.json()["username"] == user["username"]
    problem(
        call("PATCH", f"/users/{user['id']}", match=seen.headers["ETag"], json=patch),
        412,
        "precondition_failed",
    )
    for bad in ({"username": None}, {"password": PASSWORD}, {"groups": ["nowhere"]}, {"id": "x"}):
        refused = call("PATCH", f"/users/{user['id']}", match="*", json=bad)
        problem(refused, 422, "invalid_arguments")


def test_a_new_e_mail_address_is_verified_only_if_the_admin_says_so(call: Call) -> None:
    user = make(call, email="old@acme.com", email_verified=True)
    assert user["email_verified"] is True
    path = f"/users/{user['id']}"
    moved = call("PATCH", path, match="*", json={"email": "new@acme.com"}).json()
    assert moved["email_verified"] is False
    sure = {"email": "sure@acme.com", "email_verified": True}
    assert call("PATCH", path, match="*", json=sure).json()["email_verified"] is True


def test_a_sign_in_does_not_make_an_admins_etag_stale(site: Site, call: Call) -> None:
    user = make(call)
    tag = call("GET", f"/users/{user['id']}").headers["ETag"]
    signed_in(site, user["id"])
    assert call("GET", f"/users/{user['id']}").headers["ETag"] == tag
    (listed,) = call("GET", f"/users?search={user['username']}").json()["data"]
    assert listed["signed_in_at"] is not None


def test_a_disabled_user_is_signed_out_everywhere(site: Site, call: Call) -> None:
    user = make(call)
    cookie = signed_in(site, user["id"])
    assert call("POST", f"/users/{user['id']}/disable").json()["active"] is False
    assert site.identity.sessions.find(cookie) is None
    assert call("GET", f"/sessions?user_id={user['id']}").json()["data"] == []
    assert call("POST", f"/users/{user['id']}/enable").json()["active"] is True
    assert site.identity.sessions.find(cookie) is None


def test_a_removed_user_is_gone_with_their_sessions(site: Site, call: Call) -> None:
    user = make(call)
    cookie = signed_in(site, user["id"])
    tag = call("GET", f"/users/{user['id']}").headers["ETag"]
    assert call("DELETE", f"/users/{user['id']}", match=tag).status_code == 204
    problem(call("GET", f"/users/{user['id']}"), 404, "not_found")
    assert site.identity.sessions.find(cookie) is None


def test_sessions_are_listed_and_ended_one_by_one_or_all(site: Site, call: Call) -> None:
    user = make(call)
    cookies = [signed_in(site, user["id"]) for _ in range(3)]
    sessions = call("GET", f"/sessions?user_id={user['id']}").json()["data"]
    assert {each["user_id"] for each in sessions} == {user["id"]}
    assert len(sessions) == 3
    text = call("GET", f"/sessions?user_id={user['id']}").text
    assert not [cookie for cookie in cookies if cookie in text]
    one = f"/sessions/{sessions[0]['id']}"
    assert call("GET", one).json() == sessions[0]
    assert call("POST", f"{one}/end").status_code == 204
    problem(call("POST", f"{one}/end"), 404, "not_found")
    assert call("POST", f"/users/{user['id']}/sign-out").status_code == 200
    assert not [cookie for cookie in cookies if site.identity.sessions.find(cookie)]


def test_connections_are_listed_by_user_and_client_and_end_with_their_tokens(
    site: Site, call: Call
) -> None:
    user = make(call)
    family = start_family(site, user["id"])
    for query in (f"user_id={user['id']}", f"client_id=nobody&user_id={user['id']}"):
        (shown,) = call("GET", f"/connections?{query}").json()["data"]
        assert (shown["id"], shown["scopes"]) == (family, ["runs:read"])
    assert call("GET", f"/connections?client_id=auditor&user_id={user['id']}").json()["data"] == []
    assert call("GET", f"/connections/{family}").json()["client_id"] == "nobody"
    assert call("POST", f"/connections/{family}/end").status_code == 204
    assert call("GET", f"/connections?user_id={user['id']}").json()["data"] == []
    ended = site.identity.families.get(family)
    assert ended is not None
    assert ended.revoked_because == "admin revoked it"
    problem(call("POST", f"/connections/{family}/end"), 404, "not_found")


def start_family(site: Site, user_id: str, client_id: str = "nobody") -> str:
    client = site.identity.clients.find(client_id)
    assert client is not None
    order = ApprovedOrder(scopes=("runs:read",), audience=(site.url,))
    with site.project.database.transaction() as session:
        return site.identity.families.start(session, client=client, user_id=user_id, order=order).id
