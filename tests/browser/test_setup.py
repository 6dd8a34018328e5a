"""The first admin and invited people make their way in."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.visitors import sign_in
from tests.people_site import people_site, settings_for
from tests.site import Site

WORDS = "seven-lanterns-drift-north"


def test_the_first_admin_makes_an_account_with_the_printed_token(
    page: Page, tmp_path: Path, nyc_file: Path
) -> None:
    with people_site(tmp_path / "site", settings_for(nyc_file)) as site:
        invited = site.identity.people.invitations.first_admin()
        assert invited
        page.goto(f"{site.url}/setup?token={invited.token}")
        page.get_by_label("User name").fill("Root")
        page.get_by_label("Password", exact=True).fill("short")
        page.get_by_label("Password, once more").fill("short")
        page.get_by_role("button", name="Make the account").click()
        expect(page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("Password", exact=True)).to_be_focused()
        expect(page).to_have_title("Error: Set up the first admin · harbour-data")
        page.get_by_label("Password", exact=True).fill(WORDS)
        page.get_by_label("Password, once more").fill(WORDS)
        page.get_by_role("button", name="Make the account").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
        expect(page.locator("main")).to_contain_text("iam:admin")
        page.goto(f"{site.url}/setup?token={invited.token}")
        page.get_by_label("User name").fill("other")
        page.get_by_label("Password", exact=True).fill(WORDS)
        page.get_by_label("Password, once more").fill(WORDS)
        page.get_by_role("button", name="Make the account").click()
        expect(page.locator("#token-wrong")).to_contain_text("used already")


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
