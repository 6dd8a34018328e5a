"""A form has effects only if our own page sent it, in the browser that got the page."""

from __future__ import annotations

import pytest

from tests.api.pages.visitor import Visitor, form_token
from tests.people_site import PASSWORD
from tests.site import Site

FORMS = [
    "/sign-in",
    "/sign-in/passkey",
    "/sign-in/passkey/options",
    "/sign-out",
    "/oauth/authorize/decision",
    "/device",
    "/device/decision",
    "/setup",
    "/invitation",
    "/account/disconnect",
    "/account/sessions/end",
    "/account/password",
    "/account/passkeys",
    "/account/passkeys/options",
    "/account/passkeys/remove",
]


def test_every_form_of_the_host_is_in_the_list_above(house: Site) -> None:
    from saaf_autogen.api.pages.router import POSTED

    assert sorted(FORMS) == sorted(POSTED)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_the_pages_token_is_refused(visitor: Visitor, path: str) -> None:
    visitor.sign_in("ann")
    headers = {"Origin": visitor.site.url, "Sec-Fetch-Site": "same-origin"}
    refused = visitor.http.post(path, data={"x": "y"}, headers=headers)
    assert refused.status_code == 403
    assert "out of date" in refused.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/oauth/authorize/decision", "/account/password"])
def test_a_form_from_elsewhere_is_refused_even_with_the_token(
    visitor: Visitor, headers: dict[str, str], path: str
) -> None:
    page = visitor.get("/sign-in")
    refused = visitor.send_from(headers, page, path, username="ann", password=PASSWORD)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers


def test_a_form_that_says_whose_origin_it_is_passes_without_fetch_metadata(
    visitor: Visitor,
) -> None:
    page = visitor.get("/sign-in")
    headers = {"Origin": visitor.site.url}
    passed = visitor.send_from(headers, page, "/sign-in", username="ann", password=PASSWORD)
    assert passed.status_code == 303


def test_the_token_of_another_browser_is_refused(house: Site, visitor: Visitor) -> None:
    with Visitor(house) as other:
        token = form_token(other.get("/sign-in"))
    page = visitor.get("/sign-in")
    assert form_token(page) != token
    refused = visitor.send(page, "/sign-in", form_token=token, username="ann", password=PASSWORD)
    assert refused.status_code == 403


def test_a_page_from_before_the_sign_in_is_out_of_date_after_it(visitor: Visitor) -> None:
    before = visitor.get("/sign-in")
    visitor.sign_in("ann")
    refused = visitor.send(before, "/account/sessions/end", session="ses_x")
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"username=ann&username=uma", "application/x-www-form-urlencoded"),
        (b"username=a%00b", "application/x-www-form-urlencoded"),
        (b"username=%ff", "application/x-www-form-urlencoded"),
        (b"username=\xc3\xa4", "application/x-www-form-urlencoded"),
        (b'{"username": "ann"}', "application/json"),
        (b"username=ann", "text/plain"),
    ],
)
def test_a_form_that_is_none_is_refused_before_anything_else(
    visitor: Visitor, body: bytes, kind: str
) -> None:
    headers = {"Origin": visitor.site.url, "Content-Type": kind}
    assert visitor.http.post("/sign-in", content=body, headers=headers).status_code == 400


def test_a_field_that_is_repeated_in_an_address_is_refused(visitor: Visitor) -> None:
    refused = visitor.get("/sign-in?next=/account&next=/device")
    assert refused.status_code == 400
    assert "twice" in refused.text


def test_a_form_that_is_too_large_is_refused(visitor: Visitor) -> None:
    headers = {"Origin": visitor.site.url}
    data = {"username": "a" * 70_000}
    assert visitor.http.post("/sign-in", data=data, headers=headers).status_code == 413
