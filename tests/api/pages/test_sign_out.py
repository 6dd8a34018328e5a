"""A client asks for its user to be signed out (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from urllib.parse import urlencode

import httpx
import pytest

from tests.api.pages.test_authorization import CALLBACK, answer, consent, notebook
from tests.api.pages.visitor import Visitor
from tests.site import Site

BYE = "https://notebook.example.com/bye"


def id_token(house: Site, visitor: Visitor) -> str:
    """What the client has of a sign-in in this browser."""
    asked = notebook(prompt="consent")
    page = consent(visitor, asked)
    allowed = visitor.send(page, "/oauth/authorize/decision", decision="allow")
    form = {
        "grant_type": "authorization_code",
        "code": answer(allowed)["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": asked.verifier,
    }
    auth = ("notebook", house.secret("notebook"))
    token = house.http.post("/oauth/token", data=form, auth=auth).json()
    return str(token["id_token"])


def ask_to_leave(visitor: Visitor, **fields: str) -> httpx.Response:
    """Where the browser is after the client's link."""
    asked = visitor.get(f"/oauth/end_session?{urlencode(fields)}")
    assert asked.status_code == 303, asked.text
    return visitor.get(asked.headers["location"])


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status_code == 200


def test_the_application_of_this_very_sign_in_is_obeyed_at_once(
    house: Site, visitor: Visitor
) -> None:
    hint = id_token(house, visitor)
    left = ask_to_leave(visitor, id_token_hint=hint, post_logout_redirect_uri=BYE, state="s1")
    assert left.headers["location"] == f"{BYE}?state=s1"
    assert not is_signed_in(visitor)


def test_without_a_hint_the_user_is_asked_and_then_goes_on_to_the_client(visitor: Visitor) -> None:
    visitor.sign_in("ann")
    page = ask_to_leave(visitor, client_id="notebook", post_logout_redirect_uri=BYE)
    assert "Sign out?" in page.text
    assert is_signed_in(visitor)
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://notebook.example.com;" in policy
    left = visitor.send(page, "/sign-out")
    assert left.headers["location"] == BYE
    assert not is_signed_in(visitor)


def test_the_hint_of_another_browser_signs_nobody_out_unasked(
    house: Site, visitor: Visitor
) -> None:
    with Visitor(house) as other:
        hint = id_token(house, other)
    visitor.sign_in("uma")
    assert "Sign out?" in ask_to_leave(visitor, id_token_hint=hint).text
    assert is_signed_in(visitor)


def test_who_is_signed_out_already_goes_on(visitor: Visitor) -> None:
    left = ask_to_leave(visitor, client_id="notebook", post_logout_redirect_uri=BYE)
    assert left.headers["location"] == BYE


def test_a_client_that_registered_itself_makes_no_open_redirect_of_the_sign_out(
    house: Site, visitor: Visitor
) -> None:
    evil = "https://evil.example/phish"
    metadata = {
        "redirect_uris": ["https://evil.example/cb"],
        "post_logout_redirect_uris": [evil],
        "token_endpoint_auth_method": "none",
    }
    client_id = house.http.post("/oauth/register", json=metadata).json()["client_id"]
    fields = {"client_id": client_id, "post_logout_redirect_uri": evil}
    stays = ask_to_leave(visitor, **fields)
    assert stays.status_code == 200
    assert "location" not in stays.headers
    visitor.sign_in("ann")
    left = visitor.send(ask_to_leave(visitor, **fields), "/sign-out")
    assert left.headers["location"] == evil, "whoever signs out there by hand goes on"


@pytest.mark.parametrize("name", ["", "x", "A" * 43, "../../etc"])
def test_a_request_that_nobody_made_is_a_plain_sign_out(visitor: Visitor, name: str) -> None:
    visitor.sign_in("ann")
    page = visitor.get(f"/sign-out?{urlencode({'request': name})}")
    assert "Sign out?" in page.text
    assert "Signed out" in visitor.send(page, "/sign-out").text
