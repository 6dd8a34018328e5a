"""What the endpoints for forms have in common."""

from __future__ import annotations

import pytest

from saaf_autogen.auth.server.messages import MAX_FORM_BYTES
from tests.site import Site

FORMS = ["token", "revoke", "introspect", "par", "device_authorization"]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_only_post_is_taken(site: Site, name: str, method: str) -> None:
    response = site.http.request(method, f"/oauth/{name}", params={"client_secret": "x"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", FORMS)
def test_parameters_in_the_address_are_refused(site: Site, name: str) -> None:
    auth = ("web", site.secret("web"))
    response = site.http.post(f"/oauth/{name}?scope=openid", auth=auth, data={"token": "x"})
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", ""])
def test_another_media_type_is_refused(site: Site, name: str, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    content = b"{}" if kind == "application/json" else b"token=x"
    response = site.http.post(f"/oauth/{name}", content=content, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


@pytest.mark.parametrize("name", FORMS)
def test_a_body_that_is_too_large_is_refused(site: Site, name: str) -> None:
    body = b"token=" + b"x" * MAX_FORM_BYTES
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = site.http.post(f"/oauth/{name}", content=body, headers=headers)
    assert response.status_code == 413
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["introspect", "par", "device_authorization", "revoke"])
def test_nobody_is_answered_401(site: Site, name: str) -> None:
    response = site.http.post(f"/oauth/{name}", data={"token": "x", "scope": "openid"})
    assert response.status_code == 401
    assert response.json()["error"] == "invalid_client"


def test_unknown_parameters_are_ignored(site: Site) -> None:
    assert site.post_token("machine", surprise="x").status_code == 200


def test_every_endpoint_is_documented_with_its_body_and_its_errors(site: Site) -> None:
    paths = site.http.get("/openapi.json").json()["paths"]
    for name in [*FORMS, "register"]:
        operation = paths[f"/oauth/{name}"]["post"]
        assert operation["summary"]
        assert operation["description"]
        assert operation["requestBody"]["content"]
        assert "400" in operation["responses"]
        assert "get" not in paths[f"/oauth/{name}"]
    assert paths["/oauth/userinfo"]["get"]["summary"]
    flows = site.http.get("/openapi.json").json()["components"]["securitySchemes"]["oauth2"][
        "flows"
    ]
    assert flows["authorizationCode"]["authorizationUrl"] == f"{site.url}/oauth/authorize"


class TestBrowsers:
    """Pages of other origins (CORS)."""

    APP = "https://app.example.com"

    def test_a_page_of_the_clients_own_may_read_its_answers(self, site: Site) -> None:
        form = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": "x"}
        for origin, allowed in (
            (self.APP, self.APP),
            ("https://evil.example", None),
            ("null", None),
        ):
            response = site.http.post("/oauth/token", data=form, headers={"Origin": origin})
            assert response.headers.get("access-control-allow-origin") == allowed
            assert response.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in response.headers

    def test_another_clients_page_may_not_read_them(self, site: Site) -> None:
        form = {"grant_type": "client_credentials"}
        auth = ("machine", site.secret("machine"))
        headers = {"Origin": self.APP}
        response = site.http.post("/oauth/token", data=form, auth=auth, headers=headers)
        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers
        unknown = {**form, "client_id": "nobody"}
        response = site.http.post("/oauth/token", data=unknown, headers=headers)
        assert "access-control-allow-origin" not in response.headers

    @pytest.mark.parametrize("name", [*FORMS, "userinfo"])
    def test_a_preflight_lets_a_proof_be_sent(self, site: Site, name: str) -> None:
        headers = {
            "Origin": self.APP,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "dpop",
        }
        response = site.http.options(f"/oauth/{name}", headers=headers)
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == self.APP
        assert "dpop" in response.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in response.headers
