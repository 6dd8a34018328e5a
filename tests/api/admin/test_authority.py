from __future__ import annotations

import json

from tests.api.admin.conftest import Call, problem
from tests.site import Site


def test_without_the_scope_nothing_is_read_or_changed(call: Call) -> None:
    for by in ("nobody", "auditor"):
        for method, path in (("GET", "/users"), ("POST", "/users"), ("DELETE", "/clients/admin")):
            refused = call(
                method, path, by=by, json={"username": "x"} if method == "POST" else None
            )
            told = problem(refused, 403, "insufficient_scope")
            assert told["missing_scopes"] == ["iam:admin"]
            assert 'scope="iam:admin"' in refused.headers["WWW-Authenticate"]
    entries = call("GET", "/audit?decision=denied&subject=client:nobody").json()["data"]
    assert {"iam.list_users", "iam.create_user", "iam.remove_client"} <= {
        entry["action"] for entry in entries
    }


def test_without_a_token_nothing_is_said(site: Site) -> None:
    for path in ("/users", "/clients/admin", "/keys", "/audit/export"):
        response = site.http.get(f"/v1/admin{path}")
        problem(response, 401, "unauthenticated")


def test_a_token_that_is_narrowed_to_data_does_not_administrate(site: Site) -> None:
    details = json.dumps([{"type": "saaf_data", "resource": "wh://*/*", "verbs": ["select"]}])
    response = site.post_token("admin", authorization_details=details)
    assert response.status_code == 200, response.text
    headers = {"Authorization": f"Bearer {response.json()['access_token']}"}
    told = problem(site.http.get("/v1/admin/users", headers=headers), 403, "forbidden")
    assert "authorization_details" in told["detail"]


def test_the_audit_log_is_open_to_auditors_and_the_rest_is_not(call: Call) -> None:
    assert call("GET", "/audit", by="auditor").status_code == 200
    assert call("GET", "/audit/export", by="auditor").status_code == 200
    problem(call("GET", "/audit", by="nobody"), 403, "insufficient_scope")
