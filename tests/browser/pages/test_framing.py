"""Other sites cannot put the pages into a frame, nor send their forms."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visitors import LoopbackClient, sign_in
from tests.people_site import ask
from tests.site import Site


@pytest.mark.parametrize("path", ["/sign-in", "/account", "consent"])
def test_a_framed_page_stays_empty_and_a_click_into_it_does_nothing(
    browser: Browser, house: Site, client: LoopbackClient, path: str
) -> None:
    asked = ask("desktop", client.redirect_uri, "openid warehouse:query")
    target = house.url + (asked.path if path == "consent" else path)
    client.pages["/trap"] = (
        "<title>Win a prize</title><style>iframe {opacity: .01; width: 900px; height: 900px}"
        f"</style><button>Click here</button><iframe src='{target}'></iframe>"
    )
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(house.url + "/sign-in")
        sign_in(page, "ann")
        expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
        refusals: list[str] = []
        page.on("console", lambda line: refusals.append(line.text))
        page.goto(client.url + "/trap")
        frame = page.frames[1]
        expect(frame.get_by_role("button")).to_have_count(0)
        page.mouse.click(450, 500)
        assert any("frame-ancestors 'none'" in text for text in refusals)
    assert client.answers.empty()


def test_a_foreign_page_cannot_sign_the_browser_in_as_somebody_else(
    browser: Browser, house: Site, client: LoopbackClient
) -> None:
    client.pages["/forge"] = (
        f"<title>Forged</title><form method=post action='{house.url}/sign-in'>"
        "<input name=username value=uma><input name=password value=violet-harbour-onion-61>"
        "<button>Go</button></form>"
    )
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(client.url + "/forge")
        page.get_by_role("button").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("This is not allowed")
        page.goto(house.url + "/account")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_foreign_page_cannot_sign_the_browser_out_or_decide(
    browser: Browser, house: Site, client: LoopbackClient
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(house.url + "/sign-in")
        sign_in(page, "ann")
        for path in ("/sign-out", "/oauth/authorize/decision", "/account/password"):
            client.pages["/forge"] = (
                f"<title>Forged</title><form method=post action='{house.url}{path}'>"
                "<input name=decision value=allow><button>Go</button></form>"
            )
            page.goto(client.url + "/forge")
            page.get_by_role("button").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("This is not allowed")
        page.goto(house.url + "/account")
        expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
