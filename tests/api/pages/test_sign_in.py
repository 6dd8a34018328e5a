"""Signing in and out: the cookie, the way back, and waiting after failures."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from starlette.responses import Response

from saaf_autogen.api.pages.addresses import local_address
from saaf_autogen.api.pages.cookies import CookieJar
from tests.api.pages.visitor import Visitor
from tests.site import Site


def session_cookie(visitor: Visitor) -> str | None:
    port = visitor.site.url.rpartition(":")[2]
    return visitor.http.cookies.get(f"saaf_session_{port}")


def test_the_cookie_of_a_session_is_for_the_server_alone(visitor: Visitor) -> None:
    response = visitor.sign_in("ann")
    assert response.status_code == 303
    assert response.headers["location"] == "/account"
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_whoever_opens_the_hosts_address_is_led_to_their_account(visitor: Visitor) -> None:
    response = visitor.get("/")
    assert (response.status_code, response.headers["location"]) == (303, "/account")


def test_over_https_cookies_are_bound_to_the_host() -> None:
    jar = CookieJar.of("https://saaf.acme.com")
    response = Response()
    jar.put(response, jar.session, "value")
    (cookie,) = SimpleCookie(response.headers["set-cookie"]).values()
    assert cookie.key == "__Host-saaf_session"
    assert (cookie["secure"], cookie["httponly"]) == (True, True)
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "lax")


def test_two_hosts_on_loopback_do_not_share_a_cookie() -> None:
    one, two = CookieJar.of("http://localhost:8000"), CookieJar.of("http://localhost:8001")
    assert {one.session, one.browser}.isdisjoint({two.session, two.browser})


def test_a_session_cookie_that_was_planted_is_nobodys_after_the_sign_in(visitor: Visitor) -> None:
    visitor.sign_in("uma")
    planted = session_cookie(visitor)
    visitor.sign_in("ann")
    assert planted
    assert session_cookie(visitor) != planted
    assert visitor.site.identity.people.sessions.find(planted) is None


def test_a_wrong_password_and_an_unknown_name_are_told_alike(visitor: Visitor) -> None:
    wrong, unknown = visitor.sign_in("ann", "wrong"), visitor.sign_in("nobody-at-all", "wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert "The user name or the password is not right." in wrong.text
    assert wrong.text.count("alert") == unknown.text.count("alert") == 1
    assert session_cookie(visitor) is None


def test_who_fails_often_is_told_how_long_to_wait(visitor: Visitor) -> None:
    for _ in range(5):
        visitor.sign_in("guessed-at", "wrong")
    refused = visitor.sign_in("guessed-at", "wrong")
    assert refused.status_code == 429
    wait = int(refused.headers["retry-after"])
    assert f"Wait {wait} second" in refused.text
    visitor.site.clock.advance(1_000)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/account",
        "/\\evil.example/account",
        "\\\\evil.example",
        "/account@evil.example",
        "/account/../oauth/token",
        "/%2f/evil.example",
        "javascript:alert(1)",
        "/account#x",
        "/account\r\nSet-Cookie: a=b",
        "/account\t",
        " /account",
        "///evil.example/account",
        "http:/account",
        "/v1/runs",
        "/oauth/token",
        "account",
        "/account?" + "x" * 20_000,
        "/accoünt",
        "",
    ],
)
def test_the_way_back_leads_to_a_page_of_this_host_alone(visitor: Visitor, address: str) -> None:
    assert local_address(address) is None


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example/account", "/v1/runs"])
def test_a_sign_in_with_a_foreign_way_back_ends_at_the_account(
    visitor: Visitor, address: str
) -> None:
    assert visitor.sign_in("ann", back=address).headers["location"] == "/account"


def test_the_way_back_is_kept_through_the_sign_in(visitor: Visitor) -> None:
    asked = visitor.get("/device?user_code=BCDF-GHJK")
    assert asked.status_code == 303
    page = visitor.get(asked.headers["location"])
    back = visitor.send(page, "/sign-in", username="ann", password="wrong")
    assert 'value="/device?user_code=BCDF-GHJK"' in back.text
    signed_in = visitor.sign_in("ann", back="/device?user_code=BCDF-GHJK")
    assert signed_in.headers["location"] == "/device?user_code=BCDF-GHJK"


def test_a_disabled_user_is_signed_out_at_the_next_request(house: Site, visitor: Visitor) -> None:
    people = house.identity.people
    hashed = people.passwords.hash_blocking("violet-harbour-onion-61")
    user = people.users.add("gone", password_hash=hashed)
    visitor.sign_in("gone")
    assert visitor.get("/account").status_code == 200
    people.users.disable(user.id)
    assert visitor.get("/account").headers["location"].startswith("/sign-in")


def test_a_link_signs_nobody_out(visitor: Visitor) -> None:
    visitor.sign_in("ann")
    page = visitor.get("/sign-out")
    assert "Sign out?" in page.text
    assert visitor.get("/account").status_code == 200
    done = visitor.send(page, "/sign-out")
    assert done.status_code == 200
    assert visitor.get("/account").status_code == 303


def test_an_unknown_provider_is_not_found(visitor: Visitor) -> None:
    assert visitor.get("/sign-in/with/nobody").status_code == 404
    assert visitor.get("/sign-in/with/nobody/callback?code=x&state=y").status_code in (401, 404)


def test_passkeys_are_not_found_where_they_are_off(visitor: Visitor) -> None:
    page = visitor.get("/sign-in")
    assert "passkey" not in page.text
    assert visitor.send(page, "/sign-in/passkey/options").status_code == 404
