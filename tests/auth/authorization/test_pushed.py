"""Pushed authorization requests (RFC 9126), over a real socket."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from joserfc.jwk import ECKey

from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.server.authorization import PageRefusal
from tests.auth.authorization.flows import Flow, prove, sign_in
from tests.site import Site


def push(site: Site, client: str = "app", **changes: Any) -> httpx.Response:
    fields = Flow(site, client).fields(**changes)
    if client != "app":
        fields["client_secret"] = site.secret(client)
    return site.http.post("/oauth/par", data=fields)


def pushed(site: Site, client: str = "app", **changes: Any) -> str:
    response = push(site, client, **changes)
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["expires_in"] == 60
    return urlencode({"client_id": client, "request_uri": response.json()["request_uri"]})


def refused(response: httpx.Response, status: int, error: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"] == error
    assert response.headers["cache-control"] == "no-store"
    assert "location" not in response.headers


def test_a_pushed_request_is_opened_by_its_name(site: Site) -> None:
    request = site.identity.authorizations.read(pushed(site, "pushing", state="s-9"))
    assert (request.client.id, request.state) == ("pushing", "s-9")
    assert request.pushed is not None


def test_what_stands_beside_the_name_in_the_address_is_ignored(site: Site) -> None:
    query = pushed(site) + "&scope=iam:admin&redirect_uri=https://evil.example&state=other"
    request = site.identity.authorizations.read(query)
    assert (request.state, request.redirect_uri) == ("s-1", "https://app.example.com/callback")


def test_the_page_can_be_reloaded_and_the_request_is_answered_once(
    site: Site, ann: UserRecord
) -> None:
    authorizations, session = site.identity.authorizations, sign_in(site, ann)
    query = pushed(site)
    first, second = authorizations.read(query), authorizations.read(query)
    parked = [authorizations.read(authorizations.park(each)) for each in (first, second)]
    authorizations.approve(parked[0], ann, session, parked[0].scopes)
    for request in (parked[1], first, second):
        with pytest.raises(PageRefusal, match="answered before"):
            authorizations.approve(request, ann, session, request.scopes)
    with pytest.raises(PageRefusal):
        authorizations.read(query)


def test_a_pushed_request_ends_after_a_minute_unless_its_user_is_at_it(
    site: Site, ann: UserRecord
) -> None:
    authorizations, query = site.identity.authorizations, pushed(site)
    site.clock.advance(59)
    parked = authorizations.park(authorizations.read(query))
    site.clock.advance(2)
    with pytest.raises(PageRefusal, match="expired"):
        authorizations.read(query)
    site.clock.advance(600)
    request = authorizations.read(parked)
    session = sign_in(site, ann)
    assert "code=" in authorizations.approve(request, ann, session, request.scopes)


def test_a_request_that_another_client_pushed_cannot_be_opened(site: Site) -> None:
    query = pushed(site)
    with pytest.raises(PageRefusal):
        site.identity.authorizations.read(query.replace("client_id=app", "client_id=own"))
    with pytest.raises(PageRefusal):
        site.identity.authorizations.read(query.replace("client_id=app&", ""))


def test_a_guessed_name_opens_nothing(site: Site) -> None:
    for name in ("", "x", "x" * 43, "../x"):
        query = f"client_id=app&request_uri=urn:ietf:params:oauth:request_uri:{name}"
        with pytest.raises(PageRefusal):
            site.identity.authorizations.read(query)


def test_the_client_must_prove_who_it_is(site: Site) -> None:
    fields = Flow(site, "web").fields()
    refused(site.http.post("/oauth/par", data=fields), 401, "invalid_client")
    wrong = site.http.post("/oauth/par", data=fields, auth=("web", "wrong"))
    refused(wrong, 401, "invalid_client")
    stolen = site.http.post("/oauth/par", data=fields, auth=("machine", site.secret("machine")))
    refused(stolen, 400, "invalid_request")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"redirect_uri": "https://evil.example"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "nothing:known"}, "invalid_scope"),
        ({"resource": "https://evil.example"}, "invalid_target"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"state": "x" * 3000}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
    ],
)
def test_a_request_that_would_be_refused_is_refused_when_it_is_pushed(
    site: Site, change: dict[str, Any], error: str
) -> None:
    refused(push(site, **change), 400, error)


def test_a_pushed_request_in_an_address_is_refused(site: Site) -> None:
    response = site.http.post(f"/oauth/par?{Flow(site).query()}")
    refused(response, 400, "invalid_request")
    assert site.http.get(f"/oauth/par?{Flow(site).query()}").status_code == 405


def test_another_media_type_and_a_repeated_parameter_are_refused(site: Site) -> None:
    refused(site.http.post("/oauth/par", json=Flow(site).fields()), 400, "invalid_request")
    body = Flow(site).query() + "&state=again"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    refused(site.http.post("/oauth/par", content=body, headers=headers), 400, "invalid_request")


def test_the_secret_is_not_kept_with_the_request(site: Site) -> None:
    secret = site.secret("web")
    fields = Flow(site, "web").fields(client_secret=secret)
    assert site.http.post("/oauth/par", data=fields).status_code == 201
    with site.project.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT data FROM one_time_values").scalars().all()
    assert rows
    assert not any(secret in str(row) for row in rows)


def test_a_proof_binds_the_code_to_its_key(site: Site) -> None:
    key = ECKey.generate_key("P-256")
    headers = {"DPoP": prove(site, key, "/oauth/par")}
    fields = Flow(site).fields()
    response = site.http.post("/oauth/par", data=fields, headers=headers)
    assert response.status_code == 201, response.text
    query = urlencode({"client_id": "app", "request_uri": response.json()["request_uri"]})
    request = site.identity.authorizations.read(query)
    assert request.dpop_jkt == key.thumbprint()
    parked = site.identity.authorizations.read(site.identity.authorizations.park(request))
    assert parked.dpop_jkt == key.thumbprint()


def test_a_proof_of_another_key_than_is_named_is_refused(site: Site) -> None:
    key = ECKey.generate_key("P-256")
    headers = {"DPoP": prove(site, key, "/oauth/par")}
    fields = Flow(site).fields(dpop_jkt=ECKey.generate_key("P-256").thumbprint())
    response = site.http.post("/oauth/par", data=fields, headers=headers)
    refused(response, 400, "invalid_dpop_proof")


def test_a_proof_for_another_endpoint_is_refused(site: Site) -> None:
    headers = {"DPoP": prove(site, ECKey.generate_key("P-256"), "/oauth/token")}
    response = site.http.post("/oauth/par", data=Flow(site).fields(), headers=headers)
    refused(response, 400, "invalid_dpop_proof")
