"""Every page passes axe, in both schemes, and fits a screen of 320 pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.pages.test_device import begin
from tests.browser.visitors import sign_in
from tests.people_site import ask
from tests.site import Site

AXE = Path(__file__).parents[2] / "peers" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CALLBACK = "https://notebook.example.com/callback"


@pytest.fixture(params=["light", "dark"])
def small_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    scheme: Any = request.param
    with browser.new_context(
        viewport={"width": 320, "height": 640}, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        yield context.new_page()


@pytest.fixture(scope="module", autouse=True)
def _axe() -> None:
    if not AXE.exists() and os.environ.get("CI"):
        pytest.fail("tests/peers is not installed, and on CI it has to be.")
    if not AXE.exists():
        pytest.skip("tests/peers is not installed.")


def check(page: Page, name: str) -> None:
    assert page.locator("h1").count() == 1, name
    wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wider <= 0, f"{name} is {wider} pixels too wide"
    page.evaluate(AXE.read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    told = [
        f"{fault['id']}: {node['html'][:120]}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]
    assert not told, f"{name}: {told}"
    assert len(found["passes"]) > 10, name


def test_no_page_has_a_fault_that_axe_finds(small_page: Page, house: Site) -> None:
    page = small_page
    page.goto(house.url + "/sign-in")
    check(page, "sign-in")
    sign_in(page, "ann", "wrong")
    check(page, "sign-in, refused")
    scopes = "openid profile email offline_access warehouse:query semantic:read runs:read"
    page.goto(house.url + ask("notebook", CALLBACK, scopes, prompt="login consent").path)
    check(page, "sign-in for a client")
    sign_in(page, "ann")
    check(page, "consent")
    page.goto(house.url + "/account")
    check(page, "account")
    page.goto(house.url + "/device?user_code=BCDF-GHJK")
    check(page, "device")
    page.get_by_role("button", name="Go on").click()
    check(page, "device, wrong code")
    page.get_by_label("Code").fill(begin(house)["user_code"])
    page.get_by_role("button", name="Go on").click()
    check(page, "device, consent")
    page.get_by_role("button", name="Cancel").click()
    check(page, "device, denied")
    page.goto(house.url + "/oauth/authorize?client_id=nobody")
    check(page, "refused request")
    page.goto(house.url + "/setup")
    page.get_by_label("One-time token").fill("setup_none")
    page.get_by_label("User name").fill("x")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("Password, once more").fill("other")
    page.get_by_role("button", name="Make the account").click()
    check(page, "setup, refused")
    page.goto(house.url + "/sign-out")
    check(page, "sign-out")
    page.get_by_role("button", name="Sign out").click()
    check(page, "signed out")


def test_the_page_of_an_invitation_has_no_fault_that_axe_finds(
    small_page: Page, house: Site
) -> None:
    people = house.identity.people
    user = people.users.find_by_name("ann")
    assert user
    small_page.goto(f"{house.url}/invitation?token={people.invitations.invite(user.id).token}")
    check(small_page, "invitation")
    small_page.goto(f"{house.url}/invitation?token=gone")
    check(small_page, "invitation, gone")
