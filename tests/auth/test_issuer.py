"""What the token endpoint gives to a client, and what the issuer says of itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from saaf_autogen.auth.server.messages import OAuthForm
from saaf_autogen.auth.server.order import audience_for
from tests.auth.host import Host


def claims_of(host: Host, token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(host.http.get("/oauth/jwks").json())
    return jwt.decode(token, keys, algorithms=["ES256"]).claims


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".")[0]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def test_a_client_gets_a_token_with_all_of_its_scopes_that_the_host_takes(host: Host) -> None:
    response = host.post_token()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 300
    assert body["scope"] == "warehouse:query semantic:read"
    principal = host.whoami(body["access_token"]).json()
    assert principal["subject"] == "client:analyst"
    assert principal["kind"] == "client"
    assert principal["issuer"] == host.url
    assert principal["tenant"] == "default"
    assert principal["groups"] == ["analysts"]
    assert principal["attributes"] == {"carrier": "UA", "regions": ["EU", "US"]}
    assert sorted(principal["scopes"]) == ["semantic:read", "warehouse:query"]
    assert principal["token_grants"] is None


def test_the_token_follows_the_jwt_profile_of_rfc_9068(host: Host) -> None:
    token = host.token()
    header = header_of(token)
    assert header["typ"] == "at+jwt"
    assert header["alg"] == "ES256"
    assert header["kid"] in {key["kid"] for key in host.issuer.jwks()["keys"]}
    claims = claims_of(host, token)
    assert claims["iss"] == claims["aud"] == host.url
    assert claims["sub"] == "client:analyst"
    assert claims["client_id"] == "analyst"
    assert claims["exp"] - claims["iat"] == 300
    assert claims["jti"]
    assert claims["jti"] != claims_of(host, host.token())["jti"]


def test_secrets_in_the_body_work_as_well_as_in_the_header(host: Host) -> None:
    secret = host.secret("reader")
    form = {"grant_type": "client_credentials", "client_id": "reader", "client_secret": secret}
    response = host.http.post("/oauth/token", data=form)
    assert response.status_code == 200
    assert response.json()["scope"] == "semantic:read"


def test_a_client_may_ask_for_less_than_it_has(host: Host) -> None:
    token = host.token(scope="semantic:read")
    assert host.whoami(token).json()["scopes"] == ["semantic:read"]


def test_unknown_parameters_are_ignored_and_empty_ones_count_as_absent(host: Host) -> None:
    response = host.post_token(scope="", resource="", flavour="vanilla")
    assert response.json()["scope"] == "warehouse:query semantic:read"


def test_a_resource_indicator_becomes_the_audience(host: Host) -> None:
    assert claims_of(host, host.token(resource=f"{host.url}/"))["aud"] == host.url
    assert host.whoami(host.token(resource=host.url)).status_code == 200


def test_several_known_resources_become_several_audiences() -> None:
    def audience(*resources: str) -> tuple[str, ...]:
        form = OAuthForm(None, [("resource", resource) for resource in resources])
        return audience_for(form, ["https://a.example", "https://a.example/mcp"])

    assert audience() == ("https://a.example",)
    assert audience("https://a.example/mcp") == ("https://a.example/mcp",)
    assert audience("https://a.example/mcp", "https://a.example/") == (
        "https://a.example/mcp",
        "https://a.example",
    )


def test_authorization_details_narrow_the_token_and_come_back_in_the_answer(host: Host) -> None:
    details = [
        {
            "type": "saaf_data",
            "resource": "wh://nyc/main.flights",
            "rows": {"carrier": {"eq": "UA"}},
            "columns": {"allow": ["carrier"]},
        }
    ]
    response = host.post_token(authorization_details=json.dumps(details))
    assert response.json()["authorization_details"] == details
    assert host.whoami(response.json()["access_token"]).json()["token_grants"] == details


@pytest.mark.parametrize(
    "details",
    [
        "nonsense",
        "[",
        "{}",
        "[]",
        "[1]",
        '[{"type": "other", "resource": "wh://nyc/main.flights"}]',
        '[{"type": "saaf_data"}]',
        '[{"type": "saaf_data", "resource": "wh://a/b.c", "surprise": 1}]',
        '[{"type": "saaf_data", "resource": "wh://a/b.c", "to": "*"}]',
        '[{"type": "saaf_data", "resource": "wh://a/b.c", "rows": {"x": {"eq": [1]}}}]',
        '[{"type": "saaf_data", "resource": "wh://a/b.c", "rows": {"x": {"eq": NaN}}}]',
        '[{"type": "saaf_data", "resource": "wh://a/b.c", "rows": {"x": {"eq": "\\ud800"}}}]',
        '[{"type": "saaf_data", "resource": "wh://a/b.c", "rows": {"x": {"eq": "\\u0000"}}}]',
        '[{"type": "saaf_data", "resource": "wh://a/b.c", "rows": {"\\ud800": {"eq": 1}}}]',
        '[{"type": "saaf_data", "resource": "wh://a/b.c", "rows": {"x": {"eq": 1e999}}}]',
        '[{"type": "saaf_data", "resource": "wh://a/%s"}]' % ("b" * 3000),
        "[" * 1500,
    ],
)
def test_authorization_details_that_cannot_be_honoured_are_refused(
    host: Host, details: str
) -> None:
    response = host.post_token(authorization_details=details)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_authorization_details"


def test_the_key_set_holds_public_keys_only(host: Host) -> None:
    keys = host.http.get("/oauth/jwks").json()["keys"]
    members = {"ES256": {"kty", "crv", "x", "y"}, "RS256": {"kty", "n", "e"}}
    assert [key["alg"] for key in keys] == ["ES256", "ES256", "RS256", "RS256"]
    for key in keys:
        assert set(key) == members[key["alg"]] | {"kid", "alg", "use"}
        assert key["use"] == "sig"


def test_tokens_signed_before_a_rotation_stay_valid_and_new_ones_use_the_next_key(
    host: Host,
) -> None:
    old = host.token()
    published = {key["kid"] for key in host.issuer.jwks()["keys"]}
    host.keys.rotate()
    host.verifier.flush()
    new = host.token()
    assert header_of(new)["kid"] != header_of(old)["kid"]
    assert header_of(new)["kid"] in published
    assert host.whoami(old).status_code == host.whoami(new).status_code == 200


def test_a_revoked_token_is_refused_at_once(host: Host) -> None:
    token = host.token()
    assert host.whoami(token).status_code == 200
    secret = host.secret("analyst")
    form = {"token": token, "token_type_hint": "access_token"}
    response = host.http.post("/oauth/revoke", auth=("analyst", secret), data=form)
    assert response.status_code == 200
    refused = host.whoami(token)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_revoking_what_is_no_token_succeeds_as_rfc_7009_says(host: Host) -> None:
    auth = ("analyst", host.secret("analyst"))
    for token in ("nonsense", "a.b.c", host.token()[:-6] + "AAAAAA"):
        form = {"token": token, "token_type_hint": "surprise"}
        assert host.http.post("/oauth/revoke", auth=auth, data=form).status_code == 200
    missing = host.http.post("/oauth/revoke", auth=auth, data={"x": "y"})
    assert missing.status_code == 400
    assert missing.json()["error"] == "invalid_request"


def test_a_disabled_client_gets_no_token_until_it_is_enabled(host: Host) -> None:
    host.clients.disable("reader")
    response = host.post_token("reader")
    assert response.status_code == 401
    assert response.json()["error"] == "invalid_client"
    host.clients.enable("reader")
    assert host.post_token("reader").status_code == 200
