"""Clients that register themselves: what they may become, and what they may not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.site import Site

HOME = "https://client.example.com/callback"


def register(site: Site, **changes: Any) -> httpx.Response:
    body = {"redirect_uris": [HOME], "client_name": "Guest", **changes}
    metadata = {name: value for name, value in body.items() if value is not None}
    return site.http.post("/oauth/register", json=metadata)


def registered(site: Site, **changes: Any) -> dict[str, Any]:
    response = register(site, **changes)
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    return body


def refused(response: httpx.Response, error: str = "invalid_client_metadata") -> None:
    assert response.status_code == 400, response.text
    assert response.json()["error"] == error


@pytest.fixture(autouse=True)
def later(site: Site) -> None:
    """Only so many clients register in an hour."""
    site.clock.advance(7300)


def test_a_client_gets_what_was_asked_and_is_told_what_it_got(site: Site) -> None:
    body = registered(site, scope="openid semantic:read iam:admin")
    assert body["redirect_uris"] == [HOME]
    assert body["scope"] == "semantic:read"
    assert body["grant_types"] == ["authorization_code"]
    assert body["response_types"] == ["code"]
    assert body["client_secret_expires_at"] == 0
    assert body["token_endpoint_auth_method"] == "client_secret_basic"
    record = site.identity.clients.get(body["client_id"])
    assert record.origin == "registered"
    assert (record.first_party, record.introspects, record.groups) == (False, False, ())


def test_a_public_client_gets_no_secret(site: Site) -> None:
    body = registered(site, token_endpoint_auth_method="none")
    assert "client_secret" not in body
    assert site.identity.clients.get(body["client_id"]).authentication == "none"


def test_a_client_with_keys_gets_no_secret(site: Site) -> None:
    jwks = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}
    body = registered(site, token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    assert "client_secret" not in body
    assert body["jwks"] == jwks
    wrongs: list[dict[str, Any]] = [
        {"jwks": {"keys": [ECKey.generate_key("P-256").as_dict(private=True)]}},
        {"jwks": {"keys": []}},
        {"jwks_uri": "http://client.example.com/keys"},
        {"jwks": jwks, "jwks_uri": "https://client.example.com/keys"},
        {},
    ]
    for wrong in wrongs:
        refused(register(site, token_endpoint_auth_method="private_key_jwt", **wrong))


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "http://client.example.com/callback",
        "http://127.0.0.1.evil.example/",
        HOME + "#fragment",
        HOME + "#",
        "https://user:secret@client.example.com/",
        "https://client.example.com/a/../b",
        "https://client.example.com/?code=x",
        "https:///nohost",
        "https:client.example.com",
        "//client.example.com/",
        "/callback",
        "",
        "myapp:/callback",
        "https://client.example.com/ x",
        "https://client.example.com\\@evil.example/",
        "https://client.example.com/\u00e9",
        "https://client.example.com:99999/",
        "https://x/" + "y" * 3000,
        "blob:https://client.example.com/x",
        "ws://127.0.0.1/",
    ],
)
def test_a_dangerous_redirect_uri_is_refused(site: Site, uri: str) -> None:
    for method in ("none", "client_secret_basic"):
        response = register(site, redirect_uris=[HOME, uri], token_endpoint_auth_method=method)
        refused(response, "invalid_redirect_uri")


def test_redirect_uris_of_native_applications_are_for_public_clients(site: Site) -> None:
    uris = ["http://127.0.0.1/cb", "http://localhost:8000/cb", "com.example.app:/cb"]
    assert registered(site, redirect_uris=uris, token_endpoint_auth_method="none")
    refused(register(site, redirect_uris=["com.example.app:/cb"]), "invalid_redirect_uri")


@pytest.mark.parametrize(
    "change",
    [
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["authorization_code", "client_credentials"]},
        {"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]},
        {"grant_types": ["password"]},
        {"grant_types": ["implicit"]},
        {"grant_types": "authorization_code"},
        {"response_types": ["token"]},
        {"response_types": ["code", "id_token"]},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": ["none"]},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"scope": ["semantic:read"]},
        {"client_name": "two\nlines"},
        {"client_name": "x" * 200},
        {"client_name": 5},
        {"post_logout_redirect_uris": ["javascript:alert(1)"]},
        {"post_logout_redirect_uris": "x"},
    ],
)
def test_what_no_stranger_may_have_is_refused(site: Site, change: dict[str, Any]) -> None:
    refused(register(site, **change))


def test_a_code_client_needs_redirect_uris_and_a_device_does_not(site: Site) -> None:
    refused(register(site, redirect_uris=None), "invalid_redirect_uri")
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    body = registered(site, redirect_uris=None, grant_types=[grant])
    assert body["response_types"] == []


def test_what_is_not_said_of_clients_is_ignored(site: Site) -> None:
    body = registered(site, first_party=True, groups=["admins"], tenant="acme", origin="declared")
    record = site.identity.clients.get(body["client_id"])
    assert (record.first_party, record.groups, record.tenant) == (False, (), "default")


def test_a_body_that_is_no_json_object_is_refused(site: Site) -> None:
    refused(site.http.post("/oauth/register", json=[]))
    refused(site.http.post("/oauth/register", data={"redirect_uris": HOME}))
    large = {"redirect_uris": [HOME], "x": "y" * 40_000}
    assert site.http.post("/oauth/register", json=large).status_code == 413


def test_so_many_clients_register_from_one_address_in_an_hour(site: Site) -> None:
    for _ in range(20):
        registered(site)
    response = register(site)
    assert response.status_code == 429
    assert response.json()["error"] == "temporarily_unavailable"
    site.clock.advance(7300)
    registered(site)


class TestManagement:
    """RFC 7592."""

    def test_a_client_reads_changes_and_removes_its_registration(self, site: Site) -> None:
        body = registered(site)
        path = body["registration_client_uri"].removeprefix(site.url)
        token = {"Authorization": f"Bearer {body['registration_access_token']}"}
        shown = site.http.get(path, headers=token)
        assert shown.status_code == 200
        assert shown.json()["client_name"] == "Guest"
        assert "client_secret" not in shown.json()
        change = {"client_id": body["client_id"], "client_name": "New", "redirect_uris": [HOME]}
        changed = site.http.put(path, headers=token, json=change)
        assert changed.json()["client_name"] == "New"
        assert site.http.get(path, headers=token).json()["client_name"] == "New"
        assert site.http.delete(path, headers=token).status_code == 204
        assert site.http.get(path, headers=token).status_code == 401

    def test_a_change_gets_no_more_than_a_registration(self, site: Site) -> None:
        body = registered(site)
        path = body["registration_client_uri"].removeprefix(site.url)
        token = {"Authorization": f"Bearer {body['registration_access_token']}"}
        good = {"client_id": body["client_id"], "redirect_uris": [HOME]}
        for wrong in (
            {"client_id": "machine"},
            {"redirect_uris": ["javascript:alert(1)"]},
            {"grant_types": ["client_credentials"]},
            {"token_endpoint_auth_method": "none"},
        ):
            assert site.http.put(path, headers=token, json={**good, **wrong}).status_code == 400
        widened = site.http.put(path, headers=token, json={**good, "scope": "iam:admin"})
        assert widened.json()["scope"] == ""

    def test_nobody_else_reads_it(self, site: Site) -> None:
        one, two = registered(site), registered(site)
        path = one["registration_client_uri"].removeprefix(site.url)
        for header in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer x"},
            {"Authorization": f"Bearer {two['registration_access_token']}"},
            {"Authorization": f"Basic {one['registration_access_token']}"},
            {"Authorization": f"Bearer {one['client_secret']}"},
        ):
            for method in ("GET", "DELETE"):
                assert site.http.request(method, path, headers=header).status_code == 401

    def test_a_declared_client_has_no_registration(self, site: Site) -> None:
        for token in (site.secret("machine"), "x"):
            headers = {"Authorization": f"Bearer {token}"}
            response = site.http.get("/oauth/register/machine", headers=headers)
            assert response.status_code == 401

    def test_the_token_is_stored_as_a_hash(self, site: Site) -> None:
        token = registered(site)["registration_access_token"]
        with site.project.database.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM clients").all()
        assert token not in str(rows)


def test_what_happens_is_in_the_audit_without_secrets(site: Site) -> None:
    body = registered(site)
    path = body["registration_client_uri"].removeprefix(site.url)
    headers = {"Authorization": f"Bearer {body['registration_access_token']}"}
    assert site.http.delete(path, headers=headers).status_code == 204
    site.on_loop(site.project.audit.flush())
    with site.project.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM audit_entries").all()
    about = [str(row) for row in rows if body["client_id"] in str(row)]
    assert any("oauth.register" in row for row in about)
    assert any("oauth.remove_registration" in row for row in about)
    for secret in (body["client_secret"], body["registration_access_token"]):
        assert not [row for row in about if secret in row]
