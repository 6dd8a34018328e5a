"""The authorization endpoint as a page: what is refused where, and what is shown."""

from __future__ import annotations

import json
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.api.pages.visitor import Visitor
from tests.people_site import Asked, ask
from tests.site import Site

CALLBACK = "https://notebook.example.com/callback"
SCOPES = "openid profile warehouse:query semantic:read"


def notebook(**more: str) -> Asked:
    return ask("notebook", CALLBACK, SCOPES, **more)


def answer(response: httpx.Response, to: str = CALLBACK) -> dict[str, str]:
    """What the client is told."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.partition("?")[0] == to
    return {name: each[0] for name, each in parse_qs(urlsplit(location).query).items()}


def consent(visitor: Visitor, asked: Asked, username: str = "ann") -> httpx.Response:
    """The consent page of a request, after the sign-in."""
    to_sign_in = visitor.get(asked.path)
    page = visitor.get(to_sign_in.headers["location"])
    back = visitor.send(page, "/sign-in", username=username, password="violet-harbour-onion-61")
    return visitor.get(back.headers["location"])


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "nobody"},
        {"redirect_uri": "https://notebook.example.com.evil.example/callback"},
        {"redirect_uri": CALLBACK + "?extra=1"},
        {"redirect_uri": "https://user@notebook.example.com/callback"},
    ],
)
def test_a_request_that_cannot_be_trusted_shows_a_page_and_goes_nowhere(
    visitor: Visitor, change: dict[str, str]
) -> None:
    path = str(httpx.URL(notebook().path).copy_merge_params(change))
    refused = visitor.get(path)
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert "text/html" in refused.headers["content-type"]
    assert "Go back to the application" in refused.text


def test_a_repeated_parameter_shows_a_page(visitor: Visitor) -> None:
    refused = visitor.get(notebook().path + "&state=second")
    assert refused.status_code == 400
    assert "repeated" in refused.text


def test_a_request_that_can_be_trusted_is_refused_to_the_client(visitor: Visitor) -> None:
    asked = notebook()
    plain = asked.path.replace("code_challenge_method=S256", "code_challenge_method=plain")
    told = answer(visitor.get(plain))
    assert told["error"] == "invalid_request"
    assert (told["state"], told["iss"]) == (asked.state, visitor.site.url)


def test_who_may_not_be_asked_is_not(visitor: Visitor) -> None:
    assert answer(visitor.get(notebook(prompt="none").path))["error"] == "login_required"
    visitor.sign_in("uma")
    assert answer(visitor.get(notebook(prompt="none").path))["error"] == "consent_required"


def test_what_was_allowed_once_is_not_asked_again_unless_the_client_wants_it(
    visitor: Visitor,
) -> None:
    page = consent(visitor, notebook())
    ticked = {f"scope.{name}": "on" for name in SCOPES.split()}
    allowed = visitor.send(page, "/oauth/authorize/decision", decision="allow", **ticked)
    assert answer(allowed)["code"]
    assert answer(visitor.get(notebook().path))["code"]
    assert answer(visitor.get(notebook(prompt="none").path))["code"]
    assert "to act for you?" in visitor.get(notebook(prompt="consent").path).text
    wider = ask("notebook", CALLBACK, SCOPES + " agents:run")
    assert "to act for you?" in visitor.get(wider.path).text


def test_only_what_is_ticked_is_allowed_and_openid_cannot_be_left_out(
    house: Site, visitor: Visitor
) -> None:
    asked = notebook(prompt="consent")
    page = consent(visitor, asked)
    more = {"scope.semantic:read": "on", "scope.runs:read": "on", "scope.iam:admin": "on"}
    allowed = visitor.send(page, "/oauth/authorize/decision", decision="allow", **more)
    form = {
        "grant_type": "authorization_code",
        "code": answer(allowed)["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": asked.verifier,
    }
    token = house.http.post("/oauth/token", data=form, auth=("notebook", house.secret("notebook")))
    assert set(token.json()["scope"].split()) == {"openid", "semantic:read"}


def test_a_request_without_openid_needs_at_least_one_tick(visitor: Visitor) -> None:
    page = consent(visitor, ask("notebook", CALLBACK, "warehouse:query", prompt="consent"))
    empty = visitor.send(page, "/oauth/authorize/decision", decision="allow")
    assert empty.status_code == 422
    assert "Nothing is ticked." in empty.text
    allowed = visitor.send(
        empty, "/oauth/authorize/decision", decision="allow", **{"scope.warehouse:query": "on"}
    )
    assert answer(allowed)["code"]


def test_one_decision_is_one_answer(visitor: Visitor) -> None:
    page = consent(visitor, notebook(prompt="consent"))
    ticked = {"scope.semantic:read": "on"}
    assert answer(visitor.send(page, "/oauth/authorize/decision", decision="allow", **ticked))
    again = visitor.send(page, "/oauth/authorize/decision", decision="allow", **ticked)
    assert again.status_code == 400
    assert "location" not in again.headers


@pytest.mark.parametrize("decision", ["deny", "", "Allow", "yes"])
def test_whatever_is_not_allow_is_a_refusal(visitor: Visitor, decision: str) -> None:
    page = consent(visitor, notebook(prompt="consent"))
    refused = visitor.send(page, "/oauth/authorize/decision", decision=decision)
    assert answer(refused)["error"] == "access_denied"


def test_a_user_who_can_give_nothing_is_not_asked(visitor: Visitor) -> None:
    asked = ask("notebook", CALLBACK, "warehouse:query")
    assert answer(consent(visitor, asked, "nix"))["error"] == "access_denied"


def test_the_page_says_who_asks_where_the_answer_goes_and_what_cannot_be_given(
    visitor: Visitor,
) -> None:
    page = consent(visitor, ask("notebook", CALLBACK, SCOPES + " runs:read", prompt="consent"))
    assert "notebook.example.com" in page.text
    assert "Query the warehouses" in page.text
    assert "so cannot give: runs:read" in page.text
    assert "Known here as notebook" in page.text


def test_names_of_strangers_are_only_text(visitor: Visitor) -> None:
    page = consent(visitor, notebook(prompt="consent"))
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;gro.elpmaxe very long" in page.text
    assert "\u202e" not in unescape(page.text)
    assert "very long name very long name very long name very" not in page.text
    assert "Ann &lt;b&gt;Example&lt;/b&gt;" in page.text


def test_a_client_that_registered_itself_is_not_taken_for_a_known_one(
    house: Site, visitor: Visitor
) -> None:
    said = {
        "client_name": "Acme Notebook",
        "redirect_uris": ["https://other.example/cb"],
        "token_endpoint_auth_method": "none",
    }
    made = house.http.post("/oauth/register", json=said)
    assert made.status_code == 201, made.text
    client = made.json()["client_id"]
    page = consent(visitor, ask(client, "https://other.example/cb", "openid warehouse:query"))
    assert "This application registered itself." in page.text
    assert "Registered itself; nobody here has looked at it" in page.text
    assert "other.example" in page.text


def test_what_the_client_narrows_itself_to_is_what_the_page_says(visitor: Visitor) -> None:
    rows = {"carrier": {"eq": "AA"}}
    detail = {"type": "saaf_data", "resource": "wh://nyc/main.flights", "verbs": ["select"]}
    asked = notebook(prompt="consent", authorization_details=json.dumps([{**detail, "rows": rows}]))
    page = consent(visitor, asked)
    assert "this part of your data alone" in page.text
    assert "AA" in page.text
    assert "airports" not in page.text
    assert "airports" in visitor.get(notebook(prompt="consent").path).text


def test_a_hint_of_the_client_fills_in_the_name_and_is_only_text(visitor: Visitor) -> None:
    asked = notebook(login_hint='"><img src=x>')
    page = visitor.get(visitor.get(asked.path).headers["location"])
    assert 'value="&#34;&gt;&lt;img src=x&gt;"' in page.text


def test_an_old_sign_in_does_not_do_for_a_client_that_wants_a_fresh_one(
    house: Site, visitor: Visitor
) -> None:
    visitor.sign_in("ann")
    house.clock.advance(120)
    wanted = ({"max_age": "60", "prompt": "consent"}, {"prompt": "login consent"})
    for more in (*wanted, {"prompt": "select_account consent"}):
        to_sign_in = visitor.get(notebook(**more).path)
        assert to_sign_in.headers["location"].startswith("/sign-in?"), more
        # One sign-in does: the browser does not go round in circles.
        assert "to act for you?" in consent(visitor, notebook(**more)).text, more
        house.clock.advance(120)
    denied = answer(visitor.get(notebook(prompt="none", max_age="60").path))
    assert denied["error"] == "login_required"


def test_a_request_as_a_form_becomes_one_as_an_address(visitor: Visitor) -> None:
    query = urlsplit(notebook().path).query
    headers = {
        "Origin": "https://notebook.example.com",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    turned = visitor.http.post("/oauth/authorize", content=query, headers=headers)
    assert turned.status_code == 303
    assert turned.headers["location"] == f"?{query}"
    assert visitor.get(f"/oauth/authorize{turned.headers['location']}").status_code == 303


@pytest.mark.parametrize("body", [b"a=b\r\nSet-Cookie: a=b", b"a=\xff", b"a=b c", b"a=\x00"])
def test_a_form_request_cannot_break_out_of_the_address(visitor: Visitor, body: bytes) -> None:
    refused = visitor.http.post("/oauth/authorize", content=body)
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert "set-cookie" not in refused.headers


def test_only_the_client_is_added_to_where_forms_may_lead(visitor: Visitor) -> None:
    page = consent(visitor, notebook(prompt="consent"))
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://notebook.example.com;" in policy


def test_a_program_that_says_it_is_the_command_line_gets_no_code_unasked(
    house: Site, visitor: Visitor
) -> None:
    visitor.sign_in("ann")
    anyone = "http://127.0.0.1:9999/callback"
    asked = ask("saaf-cli", anyone, "openid semantic:read")
    for _ in range(2):
        page = visitor.get(asked.path)
        assert page.status_code == 200, "the user is asked, each time"
        assert "code" in answer(
            visitor.send(page, "/oauth/authorize/decision", decision="allow"), anyone
        )
    quiet = ask("saaf-cli", anyone, "openid semantic:read", prompt="none")
    assert answer(visitor.get(quiet.path), anyone)["error"] == "consent_required"
