"""What is switched off is not there, and the metadata do not name it."""

from __future__ import annotations

from pathlib import Path

from tests.api.oauth.test_metadata import OPENID, RESOURCE, SERVER, server
from tests.site import serving_site


def test_what_is_switched_off_is_not_named_and_not_there(tmp_path: Path) -> None:
    with serving_site(tmp_path / "plain", {}) as plain:
        document = server(plain)
        assert "registration_endpoint" not in document
        assert document["client_id_metadata_document_supported"] is False
        body = {"redirect_uris": ["https://a.example/cb"]}
        assert plain.http.post("/oauth/register", json=body).status_code == 404
        assert "/oauth/register" not in plain.http.get("/openapi.json").json()["paths"]


def test_a_host_without_an_issuer_of_its_own_names_the_others(tmp_path: Path) -> None:
    settings = {
        "oauth": {"enabled": False, "registration": "open", "client_documents": ["*"]},
        "issuers": [{"issuer": "https://id.example.com", "audience": "saaf"}],
        "clients": [{"id": "machine", "scopes": ["agents:run"]}],
    }
    with serving_site(tmp_path / "foreign", settings) as foreign:
        for path in (SERVER, OPENID, "/oauth/jwks", "/oauth/userinfo", "/oauth/end_session"):
            assert foreign.http.get(path).status_code == 404, path
        for name in ("token", "revoke", "introspect", "par", "device_authorization", "register"):
            assert foreign.http.post(f"/oauth/{name}").status_code == 404, name
        documented = foreign.http.get("/openapi.json").json()
        assert not [path for path in documented["paths"] if path.startswith("/oauth/")]
        assert documented["components"]["securitySchemes"]["oauth2"]["type"] == "http"
        document = foreign.http.get(RESOURCE).json()
        assert document["authorization_servers"] == ["https://id.example.com"]
