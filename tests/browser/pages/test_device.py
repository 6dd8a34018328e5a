"""A device without a browser is connected by a person who has one."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.visitors import sign_in
from tests.site import Site


def begin(house: Site, scope: str = "openid warehouse:query") -> dict[str, Any]:
    form = {"client_id": "desktop", "scope": scope}
    response = house.http.post("/oauth/device_authorization", data=form)
    assert response.status_code == 200, response.text
    return dict(response.json())


def poll(house: Site, device: dict[str, Any]) -> dict[str, Any]:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "desktop",
        "device_code": device["device_code"],
    }
    return dict(house.http.post("/oauth/token", data=form).json())


def test_a_device_gets_tokens_once_its_code_was_typed_and_allowed(page: Page, house: Site) -> None:
    device = begin(house)
    page.goto(device["verification_uri"])
    sign_in(page, "ann")
    page.get_by_label("Code").fill(device["user_code"].replace("-", " ").lower())
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Connect Desktop Explorer")
    expect(page.locator("main")).to_contain_text(device["user_code"])
    page.get_by_role("button", name="Allow", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connected")
    assert set(poll(house, device)["scope"].split()) == {"openid", "warehouse:query"}


def test_a_link_with_the_code_fills_it_in_and_decides_nothing(page: Page, house: Site) -> None:
    device = begin(house)
    page.goto(device["verification_uri_complete"])
    sign_in(page, "ann")
    expect(page.get_by_label("Code")).to_have_value(device["user_code"])
    assert poll(house, device)["error"] == "authorization_pending"
    page.get_by_role("button", name="Go on").click()
    house.clock.advance(6)
    assert poll(house, device)["error"] == "authorization_pending"
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not connected")
    house.clock.advance(6)
    assert poll(house, device)["error"] == "access_denied"
