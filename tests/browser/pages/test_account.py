"""What people do on the page of their account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.visitors import LoopbackClient, sign_in
from tests.people_site import PASSWORD, add_user, ask
from tests.site import Site

WORDS = "seven-lanterns-drift-north"


@pytest.fixture
def authenticator(page: Page) -> Iterator[CDPSession]:
    """A device that holds passkeys, and whose owner always agrees."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield session
    session.detach()


def test_a_passkey_is_added_and_signs_in_and_is_removed(
    page: Page, house: Site, authenticator: CDPSession
) -> None:
    page.goto(house.url + "/account")
    sign_in(page, "ann")
    page.get_by_label("Name of the new passkey").fill("My laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status").first).to_contain_text("The passkey is added.")
    expect(page.get_by_role("heading", name="My laptop")).to_be_visible()
    page.goto(house.url + "/sign-out")
    page.get_by_role("button", name="Sign out").click()
    page.goto(house.url + "/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    session, _ = next(
        house.identity.people.sessions.find(cookie["value"])
        for cookie in page.context.cookies()
        if cookie["name"].startswith("saaf_session")
    ) or (None, None)
    assert session
    assert "pop" in session.amr
    page.get_by_role("button", name="Remove My laptop").click()
    expect(page.get_by_role("heading", name="My laptop")).to_have_count(0)


def test_who_signed_in_a_while_ago_signs_in_again_before_a_passkey_is_added(
    page: Page, house: Site
) -> None:
    page.goto(house.url + "/account")
    sign_in(page, "ann")
    house.clock.advance(16 * 60)
    # The page from before still has the button; the host does not give in to it.
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("Load it again")).to_be_visible()
    page.reload()
    page.get_by_role("link", name="Sign in again to add a passkey").click()
    sign_in(page, "ann")
    expect(page.get_by_role("button", name="Add a passkey")).to_be_visible()


def test_an_application_is_disconnected_and_its_tokens_end(
    page: Page, house: Site, client: LoopbackClient
) -> None:
    asked = ask("desktop", client.redirect_uri, "openid warehouse:query offline_access")
    page.goto(house.url + asked.path)
    sign_in(page, "ann")
    page.get_by_role("button", name="Allow", exact=True).click()
    form = {
        "grant_type": "authorization_code",
        "client_id": "desktop",
        "code": client.answer()["code"],
        "redirect_uri": client.redirect_uri,
        "code_verifier": asked.verifier,
    }
    refresh = house.http.post("/oauth/token", data=form).json()["refresh_token"]
    page.goto(house.url + "/account")
    page.get_by_text("What it may do as you").click()
    expect(page.locator("#part-applications + ul")).to_contain_text("Query the warehouses")
    page.get_by_role("button", name="Disconnect Desktop Explorer").click()
    expect(page.get_by_role("status").first).to_contain_text("disconnected")
    again = {"grant_type": "refresh_token", "client_id": "desktop", "refresh_token": refresh}
    assert house.http.post("/oauth/token", data=again).json()["error"] == "invalid_grant"


def test_another_browser_is_signed_out_from_here(page: Page, house: Site) -> None:
    user = add_user(house, "bob", name="Bob Two-Browsers")
    cookie, _ = house.identity.people.sessions.start(
        user, amr=("pwd",), address="203.0.113.9", user_agent="Mozilla/5.0 (X11; Linux) Firefox/140"
    )
    page.goto(house.url + "/account")
    sign_in(page, "bob")
    page.get_by_role("button", name="End the session of Firefox on Linux").click()
    expect(page.get_by_role("status").first).to_contain_text("has ended")
    assert house.identity.people.sessions.find(cookie) is None
    expect(page.get_by_role("heading", name="this one")).to_be_visible()


def test_a_password_is_changed_and_the_old_one_ends(page: Page, house: Site) -> None:
    add_user(house, "cleo", name="Cleo")
    page.goto(house.url + "/account")
    sign_in(page, "cleo")
    page.get_by_label("Password now").fill("not the password")
    page.get_by_label("New password", exact=True).fill("four-quiet-rivers-meet")
    page.get_by_label("New password, once more").fill("four-quiet-rivers-meet")
    page.get_by_role("button", name="Change it").click()
    expect(page.locator("#current-wrong")).to_contain_text("This is not the password.")
    page.get_by_label("Password now").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("four-quiet-rivers-meet")
    page.get_by_label("New password, once more").fill("four-quiet-rivers-meet")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("status").first).to_contain_text("The password is changed.")


def test_an_invited_user_sets_a_password_and_can_sign_in_with_it(page: Page, house: Site) -> None:
    people = house.identity.people
    user = people.users.add("ivy", name="Ivy Invited", groups=["analysts"])
    page.goto(f"{house.url}/invitation?token={people.invitations.invite(user.id).token}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, Ivy Invited")
    page.get_by_label("Password", exact=True).fill(WORDS)
    page.get_by_label("Password, once more").fill(WORDS)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signed out")
    page.goto(house.url + "/account")
    sign_in(page, "ivy", WORDS)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
