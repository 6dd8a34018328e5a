from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
from joserfc.jwk import ECKey

from tests.api.admin.conftest import Call, fresh, problem
from tests.site import Site

FORM = {"grant_type": "client_credentials"}


def token(site: Site, client: str, secret: str) -> httpx.Response:
    return site.http.post("/oauth/token", auth=(client, secret), data=FORM)


def test_a_new_client_gets_tokens_with_the_secret_that_one_answer_holds(
    site: Site, call: Call
) -> None:
    name = fresh("made")
    made = call("POST", "/clients", json={"id": name, "scopes": ["runs:read"]})
    assert made.status_code == 201, made.text
    assert made.headers["Cache-Control"] == "no-store"
    assert made.headers["Location"] == f"/v1/admin/clients/{name}"
    secret, webhook = made.json()["client_secret"], made.json()["webhook_secret"]
    assert webhook.startswith("whsec_")
    assert token(site, name, secret).status_code == 200
    read = call("GET", f"/clients/{name}")
    assert read.json()["origin"] == "admin"
    for shown in (read, call("GET", "/clients"), call("GET", "/audit?action=iam.create_client")):
        assert secret not in shown.text
        assert webhook not in shown.text


def test_a_public_client_has_no_secret(call: Call) -> None:
    body = {
        "id": fresh("public"),
        "authentication": "none",
        "grant_types": ["authorization_code"],
        "redirect_uris": ["https://app.acme.com/callback"],
    }
    made = call("POST", "/clients", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["client_secret"] is None
    refused = call("POST", f"/clients/{body['id']}/secret")
    problem(refused, 409, "conflict")


def test_a_redirect_uri_that_leads_astray_is_refused(call: Call) -> None:
    for uri in ("javascript:alert(1)", "http://acme.com/cb", "https://acme.com/cb#f"):
        body = {
            "id": fresh("astray"),
            "grant_types": ["authorization_code"],
            "redirect_uris": [uri],
        }
        problem(call("POST", "/clients", json=body), 422, "invalid_arguments")


def test_a_client_with_keys_of_its_own_is_kept_with_public_ones_alone(call: Call) -> None:
    key = ECKey.generate_key("P-256", auto_kid=True)
    body = {"authentication": "private_key_jwt", "scopes": ["runs:read"]}
    shown, hidden = ({"keys": [key.as_dict(private=private)]} for private in (False, True))
    faults: list[dict[str, Any]] = [
        hidden,
        {"keys": []},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]},
    ]
    for bad in faults:
        refused = call("POST", "/clients", json={**body, "id": fresh("keyed"), "jwks": bad})
        problem(refused, 422, "invalid_arguments")
    made = call("POST", "/clients", json={**body, "id": fresh("keyed"), "jwks": shown})
    assert made.status_code == 201, made.text
    assert made.json()["client_secret"] is None
    path = f"/clients/{made.json()['client']['id']}"
    named = call("PATCH", path, match="*", json={"title": "By key"})
    assert (named.status_code, named.json()["jwks"]) == (200, shown)


def test_a_client_is_changed_by_a_merge_patch_of_what_was_seen(site: Site, call: Call) -> None:
    name = fresh("patched")
    call("POST", "/clients", json={"id": name, "title": "Old", "attributes": {"a": 1, "b": 2}})
    seen = call("GET", f"/clients/{name}")
    patch = {"title": None, "attributes": {"a": None, "c": 3}}
    changed = call(
        "PATCH",
        f"/clients/{name}",
        match=seen.headers["ETag"],
        json=patch,
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["title"] == ""
    assert changed.json()["attributes"] == {"b": 2, "c": 3}
    assert changed.headers["ETag"] != seen.headers["ETag"]
    assert call("GET", f"/clients/{name}").json() == changed.json()


def test_a_change_without_if_match_is_428_and_of_an_old_version_412(call: Call) -> None:
    name = fresh("versions")
    call("POST", "/clients", json={"id": name})
    old = call("GET", f"/clients/{name}").headers["ETag"]
    problem(call("PATCH", f"/clients/{name}", json={"title": "x"}), 428, "precondition_required")
    problem(call("DELETE", f"/clients/{name}"), 428, "precondition_required")
    assert call("PATCH", f"/clients/{name}", match=old, json={"title": "x"}).status_code == 200
    for weak_or_old in (old, f"W/{call('GET', f'/clients/{name}').headers['ETag']}"):
        refused = call("PATCH", f"/clients/{name}", match=weak_or_old, json={"title": "y"})
        problem(refused, 412, "precondition_failed")
    problem(call("DELETE", f"/clients/{name}", match=old), 412, "precondition_failed")
    problem(call("DELETE", f"/clients/{name}", match="old"), 400, "invalid_request")
    assert call("GET", f"/clients/{name}").json()["title"] == "x"
    assert call("DELETE", f"/clients/{name}", match="*").status_code == 204


def test_a_reader_who_has_it_is_told_that_nothing_changed(call: Call) -> None:
    name = fresh("cached")
    call("POST", "/clients", json={"id": name})
    seen = call("GET", f"/clients/{name}")
    again = call("GET", f"/clients/{name}", headers={"If-None-Match": seen.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    call("PATCH", f"/clients/{name}", match="*", json={"title": "new"})
    changed = call("GET", f"/clients/{name}", headers={"If-None-Match": seen.headers["ETag"]})
    assert changed.status_code == 200


def test_of_many_admins_who_change_it_at_once_one_wins(call: Call) -> None:
    name = fresh("raced")
    call("POST", "/clients", json={"id": name})
    tag = call("GET", f"/clients/{name}").headers["ETag"]

    def change(number: int) -> int:
        return call(
            "PATCH", f"/clients/{name}", match=tag, json={"title": f"title {number}"}
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(change, range(8)))
    assert sorted(statuses) == [200] + [412] * 7
    assert call("GET", f"/clients/{name}").json()["version"] == 2


def test_a_rotated_secret_overlaps_as_long_as_asked(site: Site, call: Call) -> None:
    name = fresh("rotated")
    old = call("POST", "/clients", json={"id": name, "scopes": ["runs:read"]}).json()[
        "client_secret"
    ]
    answer = call("POST", f"/clients/{name}/secret?overlap_s=600")
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    new = answer.json()["client_secret"]
    assert [token(site, name, each).status_code for each in (old, new)] == [200, 200]
    site.clock.advance(timedelta(seconds=601).total_seconds())
    assert [token(site, name, each).status_code for each in (old, new)] == [401, 200]
    at_once = call("POST", f"/clients/{name}/secret").json()["client_secret"]
    assert [token(site, name, each).status_code for each in (new, at_once)] == [401, 200]


def test_a_repeated_request_makes_nothing_twice_and_tells_no_secret_again(
    site: Site, call: Call
) -> None:
    name, key = fresh("keyed"), {"Idempotency-Key": "make-it"}
    body = {"id": name, "scopes": ["runs:read"]}
    first = call("POST", "/clients", json=body, headers=key)
    again = call("POST", "/clients", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == {
        "client": first.json()["client"],
        "client_secret": None,
        "webhook_secret": None,
    }
    other = call("POST", "/clients", json={"id": fresh("other")}, headers=key)
    problem(other, 422, "idempotency_mismatch")
    turn = {"Idempotency-Key": "turn-it"}
    new = call("POST", f"/clients/{name}/secret", headers=turn).json()["client_secret"]
    repeated = call("POST", f"/clients/{name}/secret", headers=turn)
    assert repeated.json()["client_secret"] is None
    assert token(site, name, new).status_code == 200


def test_a_taken_id_is_said_to_be_taken_and_no_more(call: Call) -> None:
    told = problem(call("POST", "/clients", json={"id": "acme-admin"}), 409, "conflict")
    assert "acme" not in told["detail"].replace("acme-admin", "")


def test_a_removed_client_gets_no_tokens_and_its_name_stays_taken_for_a_while(
    site: Site, call: Call
) -> None:
    name = fresh("removed")
    secret = call("POST", "/clients", json={"id": name, "scopes": ["runs:read"]}).json()[
        "client_secret"
    ]
    tag = call("GET", f"/clients/{name}").headers["ETag"]
    assert call("DELETE", f"/clients/{name}", match=tag).status_code == 204
    assert token(site, name, secret).status_code == 401
    problem(call("GET", f"/clients/{name}"), 404, "not_found")
    problem(call("POST", "/clients", json={"id": name}), 409, "conflict")
    site.clock.advance(7_300)
    assert call("POST", "/clients", json={"id": name}).status_code == 201
    refused = call("PATCH", f"/clients/{name}", match=tag, json={"title": "namesake"})
    problem(refused, 412, "precondition_failed")


def test_a_disabled_client_gets_no_tokens_until_it_is_enabled(site: Site, call: Call) -> None:
    name = fresh("paused")
    secret = call("POST", "/clients", json={"id": name, "scopes": ["runs:read"]}).json()[
        "client_secret"
    ]
    assert call("POST", f"/clients/{name}/disable").json()["active"] is False
    assert token(site, name, secret).status_code == 401
    assert call("POST", f"/clients/{name}/enable").json()["active"] is True
    assert token(site, name, secret).status_code == 200


def test_a_declared_client_is_read_only(call: Call) -> None:
    assert call("GET", "/clients/nobody").json()["origin"] == "declared"
    told = problem(
        call("PATCH", "/clients/nobody", match="*", json={"scopes": ["iam:admin"]}), 409, "conflict"
    )
    assert "saaf.yaml" in told["detail"]
    problem(call("DELETE", "/clients/nobody", match="*"), 409, "conflict")


def test_a_scope_that_the_host_does_not_know_cannot_be_given(call: Call) -> None:
    body = {"id": fresh("odd"), "scopes": ["everything:please"]}
    problem(call("POST", "/clients", json=body), 422, "invalid_arguments")
    call("POST", "/clients", json={"id": body["id"]})
    refused = call("PATCH", f"/clients/{body['id']}", match="*", json={"scopes": ["openid"]})
    problem(refused, 422, "invalid_arguments")


def test_unknown_members_are_refused_and_the_tenant_is_one(call: Call) -> None:
    for body in ({"id": "x1", "tenant": "acme"}, {"id": "x1", "secret": "mine"}, {"title": "x"}):
        problem(call("POST", "/clients", json=body), 422, "invalid_arguments")
    name = fresh("strict")
    call("POST", "/clients", json={"id": name})
    for patch in ({"tenant": "acme"}, {"id": "other"}, {"version": 7}, {"active": False}):
        refused = call("PATCH", f"/clients/{name}", match="*", json=patch)
        problem(refused, 422, "invalid_arguments")
    problem(call("GET", "/clients?page=2"), 422, "invalid_arguments")
