"""Who the user of a token is."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from saaf_autogen.auth.identity.records import UserRecord
from tests.auth.authorization.flows import Flow, prove, sign_in
from tests.site import Site


@pytest.fixture(scope="module")
def user(site: Site) -> UserRecord:
    return site.identity.users.add(
        "ann", name="Ann Lee", email="ann@acme.com", scopes=["semantic:read"]
    )


def tokens(site: Site, user: UserRecord, scope: str, *, key: ECKey | None = None) -> dict[str, Any]:
    flow, session = Flow(site), sign_in(site, user)
    request = flow.read(scope=scope)
    location = site.identity.authorizations.approve(request, user, session, request.scopes)
    if key is None:
        response = flow.redeem(location)
    else:
        site.http.headers["DPoP"] = prove(site, key, "/oauth/token")
        response = flow.redeem(location)
        del site.http.headers["DPoP"]
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def ask(site: Site, token: str, method: str = "GET", **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {token}", **headers}
    return site.http.request(method, "/oauth/userinfo", headers=sent)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_scopes_say_which_claims_are_told(site: Site, user: UserRecord, method: str) -> None:
    for scope, names in (
        ("openid", {"sub"}),
        ("openid profile", {"sub", "name", "preferred_username", "updated_at"}),
        ("openid email", {"sub", "email", "email_verified"}),
        ("openid semantic:read", {"sub"}),
    ):
        response = ask(site, tokens(site, user, scope)["access_token"], method)
        assert response.status_code == 200
        assert set(response.json()) == names
        assert response.json()["sub"] == user.id
        assert response.headers["cache-control"] == "no-store"


def test_a_token_without_openid_is_answered_403(site: Site, user: UserRecord) -> None:
    response = ask(site, tokens(site, user, "semantic:read")["access_token"])
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
    assert 'scope="openid"' in response.headers["www-authenticate"]


def test_a_clients_own_token_tells_of_nobody(site: Site) -> None:
    response = ask(site, site.token("machine"))
    assert response.status_code == 403


def test_an_id_token_is_no_access_token(site: Site, user: UserRecord) -> None:
    response = ask(site, tokens(site, user, "openid")["id_token"])
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")


def test_a_token_in_the_address_or_the_body_is_ignored(site: Site, user: UserRecord) -> None:
    token = tokens(site, user, "openid")["access_token"]
    assert site.http.get("/oauth/userinfo", params={"access_token": token}).status_code == 401
    posted = site.http.post("/oauth/userinfo", data={"access_token": token})
    assert posted.status_code == 401
    assert posted.headers["www-authenticate"].startswith("Bearer ")


def test_a_bound_token_needs_its_proof(site: Site, user: UserRecord) -> None:
    key = ECKey.generate_key("P-256")
    token = tokens(site, user, "openid", key=key)["access_token"]
    assert ask(site, token).status_code == 401
    proof = prove(site, key, "/oauth/userinfo", method="GET", token=token)
    response = ask(site, token, Authorization=f"DPoP {token}", DPoP=proof)
    assert response.status_code == 200


def test_a_page_of_the_clients_own_may_read_it(site: Site, user: UserRecord) -> None:
    token = tokens(site, user, "openid")["access_token"]
    own = ask(site, token, Origin="https://app.example.com")
    assert own.headers["access-control-allow-origin"] == "https://app.example.com"
    foreign = ask(site, token, Origin="https://evil.example")
    assert "access-control-allow-origin" not in foreign.headers


def test_a_disabled_user_is_told_of_no_more(site: Site) -> None:
    ben = site.identity.users.add("ben", scopes=["semantic:read"])
    token = tokens(site, ben, "openid")["access_token"]
    site.identity.users.disable(ben.id)
    assert ask(site, token).status_code == 401
