"""Signing out for a client: whose word counts, and where the browser may go afterwards."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.server.logout import LogoutRequest
from tests.api.oauth.test_userinfo import tokens
from tests.api.pages.visitor import Visitor
from tests.people_site import add_user
from tests.site import Site

BYE = "https://app.example.com/bye"


@pytest.fixture(scope="module")
def hint(site: Site) -> str:
    user: UserRecord = site.identity.users.add("eve", scopes=["semantic:read"])
    return str(tokens(site, user, "openid")["id_token"])


def leave(site: Site, method: str = "GET", **fields: str) -> httpx.Response:
    if method == "GET":
        return site.http.get("/oauth/end_session", params=fields)
    return site.http.post("/oauth/end_session", data=fields)


def kept(site: Site, response: httpx.Response) -> LogoutRequest:
    assert response.status_code == 303, response.text
    location = urlsplit(response.headers["location"])
    assert f"{location.scheme}://{location.netloc}" == site.url
    assert location.path == "/sign-out"
    name = parse_qs(location.query)["request"][0]
    asked = site.identity.logout.take(name)
    assert asked is not None
    assert site.identity.logout.take(name) is None
    return asked


def refused(response: httpx.Response) -> None:
    assert response.status_code == 400, response.text
    assert "location" not in response.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_with_a_hint_is_taken_to_the_page_that_asks(
    site: Site, hint: str, method: str
) -> None:
    fields = {"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": "a&b"}
    asked = kept(site, leave(site, method, **fields))
    assert asked.client_id == "app"
    assert asked.title == "App"
    assert asked.location == f"{BYE}?state=a%26b"
    assert asked.user_id is not None
    assert asked.session_id is not None


def test_an_expired_hint_still_says_whose_it_was(site: Site, hint: str) -> None:
    site.clock.advance(3600)
    assert kept(site, leave(site, id_token_hint=hint)).client_id == "app"


def test_a_request_may_say_no_more_than_that(site: Site) -> None:
    asked = kept(site, leave(site))
    assert (asked.client_id, asked.location) == (None, None)


def test_a_client_may_be_named_without_a_hint(site: Site) -> None:
    asked = kept(site, leave(site, client_id="app", post_logout_redirect_uri=BYE))
    assert (asked.location, asked.user_id) == (BYE, None)


@pytest.mark.parametrize(
    "uri",
    [
        BYE + "/",
        BYE + "?x=1",
        BYE + "#x",
        "https://app.example.com/callback",
        "https://evil.example/bye",
        "https://app.example.com@evil.example/bye",
        "javascript:alert(1)",
    ],
)
def test_another_address_is_refused_and_nobody_is_sent_there(
    site: Site, hint: str, uri: str
) -> None:
    refused(leave(site, id_token_hint=hint, post_logout_redirect_uri=uri))


def test_an_address_without_a_client_is_refused(site: Site) -> None:
    refused(leave(site, post_logout_redirect_uri=BYE))


def test_a_hint_of_another_client_or_another_signer_is_refused(site: Site, hint: str) -> None:
    refused(leave(site, id_token_hint=hint, client_id="web"))
    head, body, signature = hint.split(".")
    refused(leave(site, id_token_hint=f"{head}.{body}.{signature[:-4]}AAAA"))
    refused(leave(site, id_token_hint=f"eyJhbGciOiJub25lIn0.{body}."))
    refused(leave(site, id_token_hint=site.token("machine")))
    refused(leave(site, id_token_hint="x"))


def test_an_unknown_client_is_refused(site: Site) -> None:
    refused(leave(site, client_id="nobody"))


def test_repeated_parameters_and_control_characters_are_refused(site: Site) -> None:
    refused(site.http.get("/oauth/end_session?state=a&state=b"))
    refused(site.http.get("/oauth/end_session?state=a%0d%0ab"))
    refused(site.http.post("/oauth/end_session?state=a", data={"state": "b"}))


def test_a_request_that_waits_too_long_is_gone(site: Site) -> None:
    response = leave(site, client_id="app")
    name = parse_qs(urlsplit(response.headers["location"]).query)["request"][0]
    assert site.identity.logout.find(name) is not None
    site.clock.advance(901)
    assert site.identity.logout.find(name) is None
    assert site.identity.logout.find("../x") is None


def test_the_page_asks_signs_out_and_goes_back_to_the_client(site: Site) -> None:
    add_user(site, "olive")
    with Visitor(site) as browser:
        browser.sign_in("olive")
        asked = browser.get(
            f"/oauth/end_session?client_id=app&post_logout_redirect_uri={BYE}&state=x"
        )
        assert asked.status_code == 303
        page = browser.get(asked.headers["location"].removeprefix(site.url))
        assert "App" in page.text
        assert browser.get("/account").status_code == 200
        left = browser.send(page, "/sign-out")
        assert (left.status_code, left.headers["location"]) == (303, f"{BYE}?state=x")
        assert browser.get("/account").status_code == 303
