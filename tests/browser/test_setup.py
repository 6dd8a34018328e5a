"""The first admin makes an account on a host that has nobody yet."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.people_site import people_site, settings_for

WORDS = "seven-lanterns-drift-north"


def test_the_first_admin_makes_an_account_with_the_printed_token(
    page: Page, tmp_path: Path
) -> None:
    with people_site(tmp_path / "site", settings_for()) as site:
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
        expect(page.get_by_role("heading", level=1)).to_have_text("There is an admin already")
        expect(page.get_by_role("button")).to_have_count(0)
