"""A certified OpenID provider (npm oidc-provider) as an issuer that a host trusts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from saaf_autogen.auth.principal import Principal
from tests.peers.provider import OpenIdProvider, RealClock, openid_provider
from tests.site import Site, serving_site

API = "https://saaf.example/api"
SIGNED_BY_RSA = "https://saaf.example/rsa"
OPAQUE = "https://saaf.example/opaque"
REDIRECT = "http://127.0.0.1:9/callback"
SECRET = "a-secret-of-32-characters-or-more"
FOREIGN = "https://someone-else.example/api"
SCOPE = "warehouse:query semantic:read not:known"

CLIENTS = [
    {
        "client_id": "robot",
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
    },
    {"client_id": "portal", "client_secret": SECRET, "redirect_uris": [REDIRECT]},
    {
        "client_id": "saaf",
        "client_secret": SECRET,
        "grant_types": [],
        "redirect_uris": [],
        "response_types": [],
    },
]
ACCOUNTS = {"ann": {"groups": ["analysts"], "org": {"region": "EU"}, "name": "Ann"}}
RESOURCES = {
    API: {"scope": SCOPE},
    SIGNED_BY_RSA: {"scope": SCOPE, "alg": "RS256"},
    OPAQUE: {"scope": SCOPE, "format": "opaque"},
    FOREIGN: {"scope": SCOPE},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider(clients=CLIENTS, accounts=ACCOUNTS, resources=RESOURCES) as running:
        yield running


@pytest.fixture(scope="module")
def site(provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    issuer = {
        "issuer": provider.issuer,
        "audience": [API, SIGNED_BY_RSA, OPAQUE],
        "claims": {"attributes": {"region": "org.region"}},
        "introspection": {"client_id": "saaf", "client_secret_env": "TEST_SAAF_SECRET"},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_SAAF_SECRET", SECRET)
        folder = tmp_path_factory.mktemp("trusting")
        with serving_site(folder, {"issuers": [issuer]}, clock=RealClock()) as running:
            yield running


def call(site: Site, token: str) -> httpx.Response:
    return site.http.get("/v1/actions", headers={"authorization": f"Bearer {token}"})


def principal(site: Site, token: str) -> Principal:
    found: Principal = site.on_loop(site.identity.verifier.verify(token)).principal
    return found


def user_tokens(provider: OpenIdProvider, resource: str = API) -> dict[str, Any]:
    scope = "openid warehouse:query not:known"
    return provider.user_tokens("ann", "portal", SECRET, REDIRECT, scope=scope, resource=resource)


@pytest.mark.parametrize("resource", [API, SIGNED_BY_RSA, OPAQUE])
def test_a_clients_token_is_taken_over_http(
    site: Site, provider: OpenIdProvider, resource: str
) -> None:
    token = provider.client_token("robot", SECRET, resource, "warehouse:query not:known")
    response = call(site, token)
    assert response.status_code == 200, response.text
    found = principal(site, token)
    assert (found.kind, found.subject, found.client_id) == ("client", "client:robot", "robot")
    assert found.issuer == provider.issuer
    assert found.scopes == {"warehouse:query"}


@pytest.mark.parametrize("resource", [API, OPAQUE])
def test_a_users_token_is_taken_over_http(
    site: Site, provider: OpenIdProvider, resource: str
) -> None:
    token = user_tokens(provider, resource)["access_token"]
    assert call(site, token).status_code == 200
    found = principal(site, token)
    assert (found.kind, found.subject, found.client_id) == ("user", "ann", "portal")
    assert found.groups == {"analysts"}
    assert found.attributes == {"region": "EU"}
    assert found.scopes == {"warehouse:query"}


def test_its_id_token_is_no_access_token(site: Site, provider: OpenIdProvider) -> None:
    response = call(site, user_tokens(provider)["id_token"])
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


def test_a_token_for_another_api_is_refused(site: Site, provider: OpenIdProvider) -> None:
    token = provider.client_token("robot", SECRET, FOREIGN)
    assert call(site, token).status_code == 401


def test_a_client_there_is_no_client_here_of_the_same_name(
    site: Site, provider: OpenIdProvider
) -> None:
    found = principal(site, provider.client_token("robot", SECRET, API))
    assert found.key != f"default|{site.url}|client:robot"
    assert found.key == f"default|{provider.issuer}|client:robot"


def test_a_revoked_opaque_token_ends_within_the_time_that_an_answer_holds(
    site: Site, provider: OpenIdProvider
) -> None:
    token = provider.client_token("robot", SECRET, OPAQUE)
    assert call(site, token).status_code == 200
    answer = httpx.post(
        f"{provider.issuer}/token/revocation", auth=("robot", SECRET), data={"token": token}
    )
    assert answer.status_code == 200
    site.clock.advance(31)
    assert call(site, token).status_code == 401


def test_rotated_keys_are_followed_and_old_ones_let_go(
    site: Site, provider: OpenIdProvider
) -> None:
    before, token = provider.keys, provider.client_token("robot", SECRET, API)
    assert call(site, token).status_code == 200
    fresh: list[ECKey | RSAKey] = [
        ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True),
        RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True),
    ]
    try:
        provider.rotate([*fresh, *before])
        site.clock.advance(11)
        assert call(site, provider.client_token("robot", SECRET, API)).status_code == 200
        assert call(site, token).status_code == 200
        provider.rotate(fresh)
        site.on_loop(site.identity.trusted.refresh())
        assert call(site, token).status_code == 401
    finally:
        provider.rotate(before)


@pytest.mark.parametrize("attack", ["issuer of the host", "another key", "another issuer"])
def test_a_forgery_is_refused(site: Site, provider: OpenIdProvider, attack: str) -> None:
    now = int(time.time())
    claims = {
        "iss": provider.issuer,
        "aud": API,
        "sub": "robot",
        "client_id": "robot",
        "iat": now,
        "exp": now + 60,
        "jti": "forged",
        "scope": "iam:admin",
    }
    key = provider.signing_key()
    head = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
    if attack == "issuer of the host":
        claims |= {"iss": site.url, "aud": site.url, "sub": "client:robot", "tenant": "default"}
    elif attack == "another key":
        key = ECKey.generate_key("P-256")
    else:
        claims["iss"] = "https://evil.example"
    forged = jwt.encode(head, claims, key, default_type=None)
    assert call(site, forged).status_code == 401
