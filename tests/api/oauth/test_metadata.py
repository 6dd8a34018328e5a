"""What the host says of itself is what it does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.site import Site

SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
RESOURCE = "/.well-known/oauth-protected-resource"


def server(site: Site) -> dict[str, Any]:
    document: dict[str, Any] = site.http.get(SERVER).json()
    return document


def test_both_well_known_addresses_say_the_same(site: Site) -> None:
    assert site.http.get(OPENID).json() == server(site)
    assert server(site)["issuer"] == site.url


def test_every_endpoint_that_is_named_is_there(site: Site) -> None:
    named = {name: url for name, url in server(site).items() if name.endswith("_endpoint")}
    assert len(named) == 9
    for name, url in named.items():
        assert url.startswith(site.url + "/oauth/")
        assert site.http.post(url.removeprefix(site.url)).status_code not in (404, 405, 500), name
    assert site.http.get(server(site)["jwks_uri"]).json()["keys"]


def test_every_path_below_oauth_is_named_somewhere(site: Site) -> None:
    known = {url.removeprefix(site.url) for url in server(site).values() if isinstance(url, str)}
    paths = site.http.get("/openapi.json").json()["paths"]
    documented = {path for path in paths if path.startswith("/oauth/") and "{" not in path}
    assert documented <= known


def test_every_grant_that_is_named_is_one_that_the_token_endpoint_knows(site: Site) -> None:
    grants = server(site)["grant_types_supported"]
    assert {"authorization_code", "refresh_token", "client_credentials"} <= set(grants)
    auth = ("machine", site.secret("machine"))
    for grant in grants:
        response = site.http.post("/oauth/token", auth=auth, data={"grant_type": grant})
        assert response.json().get("error") != "unsupported_grant_type", grant
    for grant in ("password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer"):
        assert grant not in grants
        response = site.http.post("/oauth/token", auth=auth, data={"grant_type": grant})
        assert response.json()["error"] == "unsupported_grant_type"


def test_nothing_weak_is_named(site: Site) -> None:
    document = server(site)
    assert document["response_types_supported"] == ["code"]
    assert document["response_modes_supported"] == ["query"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["request_parameter_supported"] is False
    assert document["request_uri_parameter_supported"] is False
    algorithms = [value for name, value in document.items() if "_alg_values" in name]
    assert algorithms
    for listed in algorithms:
        assert not {name for name in listed if name == "none" or name.startswith("HS")}


def test_methods_of_authentication_are_named_with_their_algorithms(site: Site) -> None:
    document = server(site)
    for name in ("token", "revocation"):
        assert "none" in document[f"{name}_endpoint_auth_methods_supported"]
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    for name in ("token", "revocation", "introspection"):
        assert "private_key_jwt" in document[f"{name}_endpoint_auth_methods_supported"]
        assert document[f"{name}_endpoint_auth_signing_alg_values_supported"]


def test_a_path_behind_the_well_known_name_is_that_of_the_issuer_or_nothing(site: Site) -> None:
    assert site.http.get(f"{SERVER}/mcp").status_code == 404
    assert site.http.get(f"{OPENID}/other").status_code == 404


def test_the_resource_names_its_issuers(site: Site) -> None:
    document = site.http.get(RESOURCE).json()
    assert document["resource"] == site.url
    assert document["authorization_servers"] == [site.url, "https://id.example.com"]
    assert document["bearer_methods_supported"] == ["header"]
    assert "ES256" in document["dpop_signing_alg_values_supported"]
    assert "openid" not in document["scopes_supported"]
    assert site.http.get(f"{RESOURCE}/nothing").status_code == 404


@pytest.mark.parametrize("path", [SERVER, OPENID, RESOURCE, "/oauth/jwks"])
def test_public_documents_may_be_read_by_every_page_and_cached(site: Site, path: str) -> None:
    response = site.http.get(path, headers={"Origin": "https://anywhere.example"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "max-age" in response.headers["cache-control"]
    assert "access-control-allow-credentials" not in response.headers
