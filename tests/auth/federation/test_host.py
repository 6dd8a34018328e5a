"""A whole host, and a certified provider that people sign in with, over the pages of both."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.peers.provider import OpenIdProvider, RealClock, openid_provider
from tests.site import Site, serving_site

SECRET = "a-secret-of-32-characters-or-more"
ACCOUNTS = {"ann": {"name": "Ann Archer", "groups": ["analysts"]}}


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider(
        accounts=ACCOUNTS, claims={"profile": ["name", "groups"], "email": []}
    ) as running:
        yield running


@pytest.fixture(scope="module")
def site(provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    acme = {
        "id": "acme",
        "title": "Acme Example",
        "issuer": provider.issuer,
        "client_id": "saaf",
        "client_secret_env": "TEST_ACME_SECRET",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_ACME_SECRET", SECRET)
        folder = tmp_path_factory.mktemp("sso")
        settings = {"sign_in": {"password": False, "providers": [acme]}}
        with serving_site(folder, settings, clock=RealClock()) as running:
            callback = f"{running.url}/sign-in/with/acme/callback"
            client = {"client_id": "saaf", "client_secret": SECRET, "redirect_uris": [callback]}
            provider.change(clients=[client])
            yield running


@pytest.fixture
def browser(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, timeout=30) as client:
        yield client


def leave(browser: httpx.Client) -> str:
    """Where the host sends a browser that wants to sign in with the provider."""
    response = browser.get("/sign-in/with/acme", params={"next": "/account"})
    assert response.status_code in (302, 303), response.text
    return response.headers["location"]


def test_the_sign_in_page_offers_the_provider(browser: httpx.Client) -> None:
    page = browser.get("/sign-in")
    assert "Acme Example" in page.text
    assert "/sign-in/with/acme" in page.text


def test_a_person_signs_in_and_comes_back_to_where_they_were(
    browser: httpx.Client, site: Site, provider: OpenIdProvider
) -> None:
    target = provider.visit(leave(browser), "ann")
    assert target.startswith(f"{site.url}/sign-in/with/acme/callback?")
    done = browser.get(target)
    assert done.status_code in (302, 303), done.text
    assert urlsplit(done.headers["location"]).path == "/account"
    account = browser.get("/account")
    assert account.status_code == 200
    assert "Ann Archer" in account.text


def test_the_answer_to_someone_elses_sign_in_signs_nobody_in(
    browser: httpx.Client, site: Site, provider: OpenIdProvider
) -> None:
    target = provider.visit(leave(browser), "ann")
    with httpx.Client(base_url=site.url, timeout=30) as victim:
        victim.get("/sign-in")
        refused = victim.get(target)
        assert refused.status_code == 401
        assert victim.get("/account").status_code != 200
    # The state is burned, for its own browser too.
    assert browser.get(target).status_code == 401


def test_a_disabled_person_stays_out_and_is_told_so_on_a_page(
    browser: httpx.Client, site: Site, provider: OpenIdProvider
) -> None:
    first = browser.get(provider.visit(leave(browser), "bob"))
    assert first.status_code in (302, 303)
    users = site.identity.users
    bob = next(each for each in users.list(tenant="default") if each.subject == "bob")
    users.disable(bob.id)
    refused = browser.get(provider.visit(leave(browser), "bob"))
    assert refused.status_code == 403
    assert refused.headers["content-type"].startswith("text/html")
    assert "disabled" in refused.text
