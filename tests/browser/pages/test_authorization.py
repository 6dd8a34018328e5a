"""A client sends somebody to the host, who signs in, decides, and comes back to it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.visitors import LoopbackClient, sign_in
from tests.people_site import ask
from tests.site import Site

SCOPES = "openid profile warehouse:query semantic:read"


def redeem(house: Site, client: LoopbackClient, code: str, verifier: str) -> dict[str, str]:
    response = house.http.post(
        "/oauth/token",
        data={
            "grant_type": "authorization_code",
            "client_id": "desktop",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": verifier,
        },
    )
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_a_code_arrives_after_sign_in_and_consent_and_gives_the_scopes_that_were_ticked(
    page: Page, house: Site, client: LoopbackClient
) -> None:
    asked = ask("desktop", client.redirect_uri, SCOPES)
    page.goto(house.url + asked.path)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.locator("main")).to_contain_text("Desktop Explorer")
    sign_in(page, "uma")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Desktop Explorer")
    expect(page.locator("main")).to_contain_text("program on this computer")
    expect(page.locator("main")).to_contain_text("UA")
    page.get_by_label("Read what the semantic layer says").uncheck()
    page.get_by_role("button", name="Allow", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Back at the client")
    answer = client.answer()
    assert (answer["state"], answer["iss"]) == (asked.state, house.url)
    assert client.referrers[-1] is None
    token = redeem(house, client, answer["code"], asked.verifier)
    assert set(token["scope"].split()) == {"openid", "profile", "warehouse:query"}


def test_who_does_not_allow_it_goes_back_to_the_client_which_is_told(
    page: Page, house: Site, client: LoopbackClient
) -> None:
    asked = ask("desktop", client.redirect_uri, SCOPES)
    page.goto(house.url + asked.path)
    sign_in(page, "ann")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Back at the client")
    answer = client.answer()
    assert answer["error"] == "access_denied"
    assert answer["state"] == asked.state
    assert "code" not in answer


def test_a_first_party_client_gets_its_code_straight_from_the_sign_in_form(
    page: Page, house: Site, client: LoopbackClient
) -> None:
    page.goto(house.url + ask("portal", client.redirect_uri, "openid semantic:read").path)
    sign_in(page, "ann")
    # The redirect to the client follows a posted form: `form-action` has to name it.
    expect(page.get_by_role("heading", level=1)).to_have_text("Back at the client")
    assert client.answer()["code"]


def test_everything_is_done_by_keyboard_alone(
    page: Page, house: Site, client: LoopbackClient
) -> None:
    page.goto(house.url + ask("desktop", client.redirect_uri, SCOPES).path)
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("ann")
    page.keyboard.press("Tab")
    page.keyboard.type("violet-harbour-onion-61")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Desktop Explorer")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            "(() => { const it = document.activeElement, style = getComputedStyle(it);"
            " return [it.innerText || it.labels?.[0]?.innerText || '', style.outlineStyle]; })()"
        )
        reached.append(focus[0])
        assert focus[1] != "none", f"no focus ring on {focus[0]!r}"
        if focus[0] == "Allow":
            break
    assert reached[-2:] == ["Cancel", "Allow"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Back at the client")
    assert client.answer()["code"]


def test_return_in_a_choice_does_not_allow_anything(
    page: Page, house: Site, client: LoopbackClient
) -> None:
    page.goto(house.url + ask("desktop", client.redirect_uri, SCOPES).path)
    sign_in(page, "ann")
    page.get_by_label(re.compile("^Query the warehouses")).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Back at the client")
    assert client.answer()["error"] == "access_denied"


def test_without_script_everything_works(page: Page, house: Site, client: LoopbackClient) -> None:
    browser = page.context.browser
    assert browser
    with browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(house.url + ask("desktop", client.redirect_uri, SCOPES).path)
        sign_in(plain, "ann")
        plain.get_by_role("button", name="Allow", exact=True).click()
        expect(plain.get_by_role("heading", level=1)).to_have_text("Back at the client")
    assert client.answer()["code"]


def test_a_client_asks_for_a_fresh_sign_in_once_and_gets_it(
    page: Page, house: Site, client: LoopbackClient
) -> None:
    page.goto(house.url + "/sign-in")
    sign_in(page, "ann")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    house.clock.advance(5)
    asked = ask("portal", client.redirect_uri, "openid", prompt="login")
    page.goto(house.url + asked.path)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_label("User name")).to_have_value("ann")
    sign_in(page, "ann")
    expect(page.get_by_role("heading", level=1)).to_have_text("Back at the client")
    assert client.answer()["code"]
