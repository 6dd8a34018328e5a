"""openid-client, a certified relying party, through every flow; people's pages in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from saaf_autogen.clock import SystemClock
from tests.peers.relying_party import Landing, converse, landing
from tests.site import Site, serving_site

PASSWORD = "a long enough phrase"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CODE = ["authorization_code", "refresh_token"]
SCOPE = "openid profile email offline_access semantic:read"


@pytest.fixture(scope="module")
def back() -> Iterator[Landing]:
    with landing() as at:
        yield at


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, back: Landing) -> Iterator[Site]:
    web = {"redirect_uris": [back.url], "post_logout_redirect_uris": [back.root]}
    scopes = ["semantic:read", "agents:run"]
    settings = {
        "clients": [
            {"id": "service", "scopes": scopes, "grant_types": ["client_credentials", EXCHANGE]},
            {"id": "web", "title": "A web app", "scopes": scopes, "grant_types": CODE, **web},
            {"id": "spa", "scopes": scopes, "grant_types": [*CODE, DEVICE],
             "authentication": "none", **web},
            {"id": "bound", "scopes": scopes, "grant_types": CODE, "requires_dpop": True,
             "requires_par": True, **web},
        ],
        "oauth": {"registration": "open", "registration_scopes": scopes},
    }  # fmt: skip
    # The machine's clock: openid-client compares times with its own.
    folder = tmp_path_factory.mktemp("site")
    with serving_site(folder, settings, clock=SystemClock()) as running:
        people = running.identity.people
        running.identity.users.add(
            "ann",
            name="Ann",
            email="ann@example.org",
            scopes=scopes,
            password_hash=people.passwords.hash_blocking(PASSWORD),
        )
        yield running


@pytest.fixture
def visit(page: Page, site: Site, back: Landing) -> Any:
    def go(said: dict[str, Any]) -> str:
        page.goto(said["open"])
        while not page.url.startswith(back.root):
            _do_what_the_page_asks(page)
            if page.get_by_role("heading", name="connected").count():
                break
        return page.url

    return go


def _do_what_the_page_asks(page: Page) -> None:
    if page.get_by_label("Password").count():
        page.get_by_label("User name").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
    elif page.get_by_role("button", name="Allow").count():
        page.get_by_role("button", name="Allow").click()
    elif page.get_by_role("button", name="Go on").count():
        page.get_by_role("button", name="Go on").click()
    elif page.get_by_role("button", name="Sign out").count():
        page.get_by_role("button", name="Sign out").click()
    else:
        raise AssertionError(page.content())
    page.wait_for_load_state()


def given(site: Site, client: str, back: Landing, **more: Any) -> dict[str, Any]:
    asked = {
        "issuer": site.url,
        "client_id": client,
        "redirect_uri": back.url,
        "scope": SCOPE,
        "resource_url": f"{site.url}/v1/actions",
        **more,
    }
    if client not in ("spa",):
        asked["client_secret"] = site.secret(client)
    return asked


@pytest.mark.parametrize("method", ["basic", "post"])
def test_a_service_gets_uses_inspects_and_ends_a_token(
    site: Site, back: Landing, method: str
) -> None:
    asked = given(site, "service", back, scope="semantic:read", method=method)
    result = converse("client_credentials", asked)
    assert result["called"]["status"] == 200
    assert result["seen"]["active"] is True
    assert result["seen"]["client_id"] == "service"
    assert result["after"] == {"active": False}


def test_a_service_gets_a_sender_constrained_token(site: Site, back: Landing) -> None:
    asked = given(site, "service", back, scope="semantic:read", dpop=True)
    result = converse("client_credentials", asked)
    assert result["tokens"]["token_type"].lower() == "dpop"
    assert result["called"]["status"] == 200
    assert result["seen"]["cnf"]["jkt"]


@pytest.mark.parametrize(
    ("client", "more"),
    [
        ("web", {}),
        ("web", {"par": True}),
        ("spa", {}),
        ("spa", {"dpop": True}),
        ("bound", {"par": True, "dpop": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value) or "plain",
)
def test_a_person_signs_in_and_consents(
    site: Site, back: Landing, visit: Any, client: str, more: dict[str, Any]
) -> None:
    asked = given(site, client, back, post_logout_redirect_uri=back.root, **more)
    result = converse("code", asked, visit)
    ann = site.identity.users.find_by_name("ann")
    assert ann
    assert result["claims"]["sub"] == ann.id == result["person"]["sub"]
    assert result["person"]["email"] == "ann@example.org"
    assert result["called"]["status"] == 200
    assert result["refreshed"]["scope"].split() == result["tokens"]["scope"].split()
    # A refresh token that comes back ends the whole family.
    assert result["reuse"] == result["after_reuse"] == "invalid_grant"
    assert result["left_at"] == f"{back.root}?state=bye"


def test_a_device_is_connected_by_a_person(site: Site, back: Landing, visit: Any) -> None:
    result = converse("device", given(site, "spa", back), visit)
    assert result["claims"]["sub"].startswith("usr_")


def test_a_request_is_narrowed_by_its_details(site: Site, back: Landing, visit: Any) -> None:
    details = '[{"type":"saaf_data","resource":"wh://nyc/main.flights"}]'
    asked = given(site, "web", back, parameters={"authorization_details": details})
    tokens = converse("code", asked, visit)["tokens"]
    assert tokens["authorization_details"][0]["resource"] == "wh://nyc/main.flights"


def test_a_token_is_exchanged_for_one_that_names_the_actor(
    site: Site, back: Landing, visit: Any
) -> None:
    asked = given(site, "web", back, scope="openid semantic:read")
    token = converse("code", asked, visit)["tokens"]["access_token"]
    asked = given(site, "service", back, scope="semantic:read", subject_token=token)
    exchanged = converse("exchange", asked)["tokens"]
    seen = site.http.post(
        "/oauth/introspect",
        data={"token": exchanged["access_token"]},
        auth=("service", site.secret("service")),
    ).json()
    assert seen["act"]["sub"] == "client:service"
    assert seen["sub"].startswith("usr_")


def test_a_client_registers_itself_and_signs_a_person_in(
    site: Site, back: Landing, visit: Any
) -> None:
    metadata = {
        "client_name": "Registered",
        "redirect_uris": [back.url],
        "grant_types": CODE,
        "token_endpoint_auth_method": "none",
    }
    asked = given(site, "spa", back, metadata=metadata)
    result = converse("register", asked, visit)
    assert result["registered"]["client_id"]
    assert result["claims"]["aud"] == result["registered"]["client_id"]


def test_a_foreign_redirect_address_shows_a_page_and_goes_nowhere(
    site: Site, back: Landing, page: Page
) -> None:
    foreign = "http://127.0.0.1.attacker.example/callback"
    page.goto(f"{site.url}/oauth/authorize?response_type=code&client_id=web&redirect_uri={foreign}")
    assert page.url.startswith(site.url)
    assert page.get_by_role("heading", level=1).count() == 1
