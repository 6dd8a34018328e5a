"""Devices: codes are guessed at in vain, and what was asked for is the most that is given."""

from __future__ import annotations

from typing import Any

import pytest

from saaf_autogen.api.pages.guesses import Guesses
from saaf_autogen.errors import RateLimited
from saaf_autogen.testing import ManualClock
from tests.api.pages.visitor import Visitor
from tests.site import Site

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def begin(house: Site, scope: str) -> dict[str, Any]:
    form = {"client_id": "desktop", "scope": scope}
    response = house.http.post("/oauth/device_authorization", data=form)
    assert response.status_code == 200, response.text
    return dict(response.json())


def poll(house: Site, device: dict[str, Any]) -> dict[str, Any]:
    form = {"grant_type": GRANT, "client_id": "desktop", "device_code": device["device_code"]}
    return dict(house.http.post("/oauth/token", data=form).json())


def test_a_link_with_a_code_approves_nothing(house: Site, visitor: Visitor) -> None:
    device = begin(house, "openid warehouse:query")
    visitor.sign_in("ann")
    page = visitor.get(f"/device?user_code={device['user_code']}")
    assert f'value="{device["user_code"]}"' in page.text
    assert poll(house, device)["error"] == "authorization_pending"


def test_a_device_gets_what_was_asked_and_ticked_and_no_more(house: Site, visitor: Visitor) -> None:
    device = begin(house, "openid warehouse:query semantic:read")
    visitor.sign_in("ann")
    page = visitor.send(visitor.get("/device"), "/device", user_code=device["user_code"])
    ticked = {"scope.warehouse:query": "on", "scope.agents:run": "on", "scope.iam:admin": "on"}
    done = visitor.send(page, "/device/decision", decision="allow", **ticked)
    assert "is connected" in done.text
    assert set(poll(house, device)["scope"].split()) == {"openid", "warehouse:query"}
    again = visitor.send(page, "/device/decision", decision="allow", **ticked)
    assert again.status_code == 422


def test_a_device_that_is_refused_is_told(house: Site, visitor: Visitor) -> None:
    device = begin(house, "openid warehouse:query")
    visitor.sign_in("ann")
    page = visitor.send(visitor.get("/device"), "/device", user_code=device["user_code"])
    assert "Not connected" in visitor.send(page, "/device/decision", decision="deny").text
    assert poll(house, device)["error"] == "access_denied"


def test_codes_are_guessed_at_ten_times_and_then_not_even_a_right_one_counts(
    house: Site, visitor: Visitor
) -> None:
    house.clock.advance(601)
    device = begin(house, "openid warehouse:query")
    visitor.sign_in("uma")
    page = visitor.get("/device")
    for number in range(10):
        refused = visitor.send(page, "/device", user_code=f"BCDF-GHJ{'BCDFGHJKLM'[number]}")
        assert refused.status_code == 422
        assert 'aria-invalid="true"' in refused.text
    late = visitor.send(page, "/device", user_code=device["user_code"])
    assert late.status_code == 429
    assert "Wait" in late.text
    house.clock.advance(601)


def test_wrong_guesses_are_forgotten_after_ten_minutes() -> None:
    clock = ManualClock()
    guesses = Guesses(clock)
    for _ in range(10):
        guesses.check("ann", "here")
        guesses.note("ann")
    with pytest.raises(RateLimited) as refused:
        guesses.check("here", "ann")
    assert refused.value.extra["retry_after"] == 601
    guesses.check("here")
    clock.advance(601)
    guesses.check("ann")
