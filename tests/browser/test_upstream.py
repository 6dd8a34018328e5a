"""oidc-provider, a certified OpenID provider, to sign in with, and as an issuer that is trusted.

Both sides show their pages in Chromium: a client sends a person to the host, which sends them on
to the provider, and back the whole way.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.visitors import LoopbackClient
from tests.peers.provider import OpenIdProvider, RealClock, openid_provider
from tests.people_site import Asked, ask, people_site, settings_for
from tests.site import Site

SECRET = "a-secret-of-32-characters-or-more"
API = "https://saaf.example/api"
SCOPES = "openid profile semantic:read warehouse:query"
ACCOUNTS: dict[str, dict[str, Any]] = {
    "ann": {"name": "Ann Archer", "groups": ["g-analysts"], "org": {"carrier": "UA"}},
    "uma": {"name": "Uma Air", "groups": ["g-united", "g-strangers"], "org": {"carrier": "UA"}},
    "bob": {"name": "Bob Barred", "groups": ["g-analysts"]},
    "eve": {"name": "Eve Elsewhere", "groups": ["analysts"]},
}
NAMES = {"g-analysts": "analysts", "g-united": "united"}


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider(
        accounts=ACCOUNTS,
        claims={"profile": ["name", "groups", "org"], "email": []},
        resources={API: {"scope": "semantic:read warehouse:query"}},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def site(
    provider: OpenIdProvider, client: LoopbackClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    claims = {"groups": ["groups"], "group_names": NAMES, "attributes": {"carrier": "org.carrier"}}
    acme = {
        "id": "acme",
        "title": "Acme",
        "issuer": provider.issuer,
        "client_id": "saaf",
        "client_secret_env": "TEST_ACME_SECRET",
        "claims": claims,
    }
    settings = settings_for(
        sign_in={"password": False, "providers": [acme]},
        issuers=[{"issuer": provider.issuer, "audience": API, "claims": claims}],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_ACME_SECRET", SECRET)
        folder = tmp_path_factory.mktemp("upstream") / "site"
        with people_site(folder, settings, name="127.0.0.1", clock=RealClock()) as running:
            callback = f"{running.url}/sign-in/with/acme/callback"
            known = {"client_secret": SECRET}
            provider.change(
                clients=[
                    {"client_id": "saaf", "redirect_uris": [callback], **known},
                    {"client_id": "app", "redirect_uris": [client.redirect_uri], **known},
                ]
            )
            yield running


@pytest.fixture
def page(page: Page) -> Page:
    """Chromium; what the provider's pages would have of other hosts, such as fonts, is empty."""
    _keep_to_loopback(page)
    return page


def _keep_to_loopback(page: Page) -> None:
    page.context.route(
        lambda url: not url.startswith("http://127.0.0.1:"),
        lambda route: route.fulfill(status=200, body=""),
    )


def sign_in_upstream(page: Page, login: str) -> None:
    """On the host's page choose the provider; there sign in, and agree if it asks."""
    page.get_by_role("link", name="Continue with Acme").click()
    page.get_by_placeholder("Enter any login").fill(login)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    if page.get_by_role("button", name="Continue").count():
        page.get_by_role("button", name="Continue").click()


def connect(page: Page, site: Site, client: LoopbackClient, login: str) -> dict[str, Any]:
    """The tokens of a client for whom a person signed in upstream and consented here."""
    asked = ask("desktop", client.redirect_uri, SCOPES)
    page.goto(site.url + asked.path)
    sign_in_upstream(page, login)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Desktop Explorer")
    page.get_by_role("button", name="Allow", exact=True).click()
    return redeem(site, client, asked)


def redeem(site: Site, client: LoopbackClient, asked: Asked) -> dict[str, Any]:
    answer = client.answer()
    assert (answer["state"], answer["iss"]) == (asked.state, site.url)
    form = {
        "grant_type": "authorization_code",
        "client_id": "desktop",
        "code": answer["code"],
        "redirect_uri": client.redirect_uri,
        "code_verifier": asked.verifier,
    }
    response = site.http.post("/oauth/token", data=form)
    assert response.status_code == 200, response.text
    return dict(response.json())


def get(site: Site, path: str, token: str) -> httpx.Response:
    return site.http.get(path, headers={"Authorization": f"Bearer {token}"})


def tables(site: Site, token: str) -> set[str]:
    """The tables that a token lets its holder see."""
    response = get(site, "/v1/semantic/tables", token)
    assert response.status_code == 200, response.text
    return {table["resource"].rpartition(".")[2] for table in response.json()["data"]}


def columns(site: Site, token: str) -> set[str]:
    response = get(site, "/v1/semantic/tables/flights", token)
    assert response.status_code == 200, response.text
    return {column["name"] for column in response.json()["data"]["columns"]}


class TestSignIn:
    def test_groups_of_the_provider_reach_the_data_of_who_signed_in(
        self, page: Page, browser: Browser, site: Site, client: LoopbackClient
    ) -> None:
        ann = connect(page, site, client, "ann")["access_token"]
        with browser.new_context() as context:
            other = context.new_page()
            _keep_to_loopback(other)
            uma = connect(other, site, client, "uma")["access_token"]
        assert tables(site, uma) == {"flights", "airlines"}
        assert tables(site, ann) > {"flights", "airlines", "planes"}
        user = site.identity.users.list(tenant="default")
        assert {each.subject for each in user} >= {"ann", "uma"}
        found = next(each for each in user if each.subject == "uma")
        assert (found.issuer, found.groups) == (site_provider(site), ("united",))
        assert found.attributes == {"carrier": "UA"}

    def test_a_group_that_was_not_mapped_gives_nothing_whatever_its_name(
        self, page: Page, site: Site, client: LoopbackClient
    ) -> None:
        asked = ask("desktop", client.redirect_uri, SCOPES)
        page.goto(site.url + asked.path)
        sign_in_upstream(page, "eve")
        page.get_by_role("button", name="Allow", exact=True).click()
        token = redeem(site, client, asked)
        assert set(token["scope"].split()) == {"openid", "profile"}
        assert get(site, "/v1/semantic/tables", token["access_token"]).status_code == 403

    def test_a_group_that_the_provider_takes_away_is_gone_with_the_next_sign_in(
        self, page: Page, browser: Browser, site: Site, client: LoopbackClient,
        provider: OpenIdProvider,
    ) -> None:  # fmt: skip
        before = connect(page, site, client, "ann")
        assert "planes" in tables(site, before["access_token"])
        moved = {**ACCOUNTS, "ann": {**ACCOUNTS["ann"], "groups": ["g-united"]}}
        provider.change(accounts=moved)
        try:
            with browser.new_context() as context:
                other = context.new_page()
                _keep_to_loopback(other)
                after = connect(other, site, client, "ann")
            # Changes are looked for every second; here at once.
            site.on_loop(site.identity.watch.poll())
            assert tables(site, after["access_token"]) == {"flights", "airlines"}
            # The token from before counts for no more than its user has now.
            assert tables(site, before["access_token"]) == {"flights", "airlines"}
        finally:
            provider.change(accounts=ACCOUNTS)

    @pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}], ids=str)
    def test_a_fresh_sign_in_is_asked_of_the_provider_too(
        self, page: Page, site: Site, client: LoopbackClient, asked: dict[str, str]
    ) -> None:
        connect(page, site, client, "ann")
        again = ask("desktop", client.redirect_uri, SCOPES, **asked)
        page.goto(site.url + again.path)
        expect(page.locator("main")).to_contain_text("Desktop Explorer")
        # The provider has a session of this browser, and shows its sign-in page all the same.
        sign_in_upstream(page, "ann")
        page.get_by_role("button", name="Allow", exact=True).click()
        assert redeem(site, client, again)["access_token"]

    def test_a_disabled_user_stays_out_and_is_told_so(
        self, page: Page, browser: Browser, site: Site, client: LoopbackClient
    ) -> None:
        token = connect(page, site, client, "bob")
        users = site.identity.users
        bob = next(each for each in users.list(tenant="default") if each.subject == "bob")
        users.disable(bob.id)
        with browser.new_context() as context:
            other = context.new_page()
            _keep_to_loopback(other)
            other.goto(site.url + ask("desktop", client.redirect_uri, SCOPES).path)
            sign_in_upstream(other, "bob")
            expect(other.locator("main")).to_contain_text("disabled")
            assert other.url.startswith(site.url)
        page.goto(site.url + "/account")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        refresh = {"grant_type": "refresh_token", "client_id": "desktop"}
        answer = site.http.post(
            "/oauth/token", data={**refresh, "refresh_token": token["refresh_token"]}
        )
        assert answer.json()["error"] == "invalid_grant"
        assert client.answers.empty()

    def test_who_turns_back_at_the_provider_is_told_and_nobody_is_signed_in(
        self, page: Page, site: Site, client: LoopbackClient
    ) -> None:
        page.goto(site.url + ask("desktop", client.redirect_uri, SCOPES).path)
        page.get_by_role("link", name="Continue with Acme").click()
        page.get_by_role("link", name="Cancel").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.url.startswith(site.url)
        page.goto(site.url + "/account")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert client.answers.empty()


class TestTrustedIssuer:
    def token(self, page: Page, provider: OpenIdProvider, client: LoopbackClient) -> str:
        """An access token of the provider for us, for a person who agreed in the browser."""
        asked = ask("app", client.redirect_uri, "openid semantic:read warehouse:query")
        query = asked.path.partition("?")[2] + "&" + urlencode({"resource": API, "nonce": "n"})
        page.goto(f"{provider.issuer}/auth?{query}")
        page.get_by_placeholder("Enter any login").fill("uma")
        page.get_by_placeholder("and password").fill("any")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        form = {
            "grant_type": "authorization_code",
            "code": client.answer()["code"],
            "redirect_uri": client.redirect_uri,
            "code_verifier": asked.verifier,
            "resource": API,
        }
        answer = httpx.post(f"{provider.issuer}/token", auth=("app", SECRET), data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def test_its_access_token_calls_the_host_with_the_rights_of_its_groups(
        self, page: Page, site: Site, provider: OpenIdProvider, client: LoopbackClient
    ) -> None:
        token = self.token(page, provider, client)
        answer = get(site, "/v1/actions", token)
        assert answer.status_code == 200, answer.text
        named = {action["name"] for action in answer.json()["data"]}
        assert "semantic.list_tables" in named
        assert tables(site, token) == {"flights", "airlines"}
        # Its grant leaves out what is confidential.
        assert "carrier" in columns(site, token)
        assert "tailnum" not in columns(site, token)

    def test_it_is_none_of_the_hosts_own_users(
        self, page: Page, site: Site, provider: OpenIdProvider, client: LoopbackClient
    ) -> None:
        token = self.token(page, provider, client)
        assert get(site, "/oauth/userinfo", token).status_code == 403
        form = {"client_id": "desktop", "token": token}
        site.http.post("/oauth/revoke", data=form)
        assert get(site, "/v1/actions", token).status_code == 200
        assert get(site, "/v1/actions", token + secrets.token_hex(1)).status_code == 401


def site_provider(site: Site) -> str:
    return site.project.deployment.settings.sign_in.providers[0].issuer
