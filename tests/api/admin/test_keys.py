from __future__ import annotations

import json

from joserfc import jws

from tests.api.admin.conftest import Call, problem
from tests.site import Site


def kids(call: Call, state: str) -> set[str]:
    return {key["kid"] for key in call("GET", "/keys").json()["data"] if key["state"] == state}


def test_keys_are_shown_without_their_private_parts_and_rotated(site: Site, call: Call) -> None:
    listed = call("GET", "/keys").json()["data"]
    assert {"kid", "algorithm", "state", "created_at", "activated_at", "retired_at"} == set(
        listed[0]
    )
    before, coming = kids(call, "current"), kids(call, "next")
    old = site.token("admin")
    rotated = call("POST", "/keys/rotate")
    assert rotated.status_code == 200, rotated.text
    assert kids(call, "current") == coming
    assert before <= kids(call, "retired")
    header = jws.extract_compact(site.token("admin").encode()).headers()
    assert header["kid"] in coming
    still = site.http.get("/v1/admin/tenants", headers={"Authorization": f"Bearer {old}"})
    assert still.status_code == 200


def test_keys_that_were_stolen_are_dropped_with_every_token_they_signed(
    site: Site, call: Call
) -> None:
    old = site.token("admin")
    headers = {"Authorization": f"Bearer {old}"}
    path = "/v1/admin/keys/rotate"
    assert site.http.post(path, headers=headers, json={"compromised": True}).status_code == 200
    problem(site.http.get("/v1/admin/keys", headers=headers), 401, "unauthenticated")
    site.clock.advance(1)
    assert not kids(call, "retired")


def test_the_hosts_keys_are_no_matter_of_other_tenants(call: Call) -> None:
    problem(call("GET", "/keys", by="acme-admin"), 403, "forbidden")
    problem(call("POST", "/keys/rotate", by="acme-admin"), 403, "forbidden")


def test_a_token_is_revoked_by_its_jti_at_once_and_in_its_tenant_alone(
    site: Site, call: Call
) -> None:
    token = site.token("auditor")
    headers = {"Authorization": f"Bearer {token}"}
    jti = json.loads(jws.extract_compact(token.encode()).payload)["jti"]
    assert call("POST", "/tokens/revoke", by="acme-admin", json={"jti": jti}).status_code == 204
    assert site.http.get("/v1/admin/audit", headers=headers).status_code == 200
    assert call("POST", "/tokens/revoke", json={"jti": jti}).status_code == 204
    problem(site.http.get("/v1/admin/audit", headers=headers), 401, "unauthenticated")
    for bad in ({"jti": ""}, {"jti": "a b"}, {"jti": "x" * 65}, {}, {"jti": jti, "for": 1}):
        problem(call("POST", "/tokens/revoke", json=bad), 422, "invalid_arguments")


def test_an_admin_sees_their_own_tenant_and_no_other(call: Call) -> None:
    assert [each["id"] for each in call("GET", "/tenants").json()["data"]] == ["default"]
    theirs = call("GET", "/tenants", by="acme-admin").json()["data"]
    assert theirs == [{"id": "acme", "users": 0, "groups": 0, "clients": 1, "grants": 0}]


def test_the_audit_log_is_filtered_paged_and_exported_whole(site: Site, call: Call) -> None:
    for _ in range(3):
        call("POST", "/tokens/revoke", json={"jti": "nothing"})
    wanted = "action=iam.revoke_token&kind=change&resource=token:nothing"
    page = call("GET", f"/audit?{wanted}&limit=2").json()
    assert len(page["data"]) == 2
    assert page["data"][0]["seq"] > page["data"][1]["seq"]
    rest = call("GET", f"/audit?{wanted}&cursor={page['next_cursor']}").json()
    assert rest["next_cursor"] is None
    assert [each["resources"] for each in rest["data"]] == [["token:nothing"]]
    export = call("GET", "/audit/export", by="auditor")
    assert export.headers["Content-Type"].startswith("application/x-ndjson")
    entries = [json.loads(line) for line in export.text.splitlines()]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert "iam.revoke_token" in {entry["action"] for entry in entries}
    some = call("GET", f"/audit/export?{wanted}").text.splitlines()
    assert {json.loads(line)["action"] for line in some} == {"iam.revoke_token"}
    problem(call("GET", "/audit?cursor=YQ"), 422, "invalid_arguments")
    problem(call("GET", "/audit?since=yesterday"), 422, "invalid_arguments")
