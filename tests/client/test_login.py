"""Signing in from Python: a person answers in a browser, tokens renew themselves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import httpx
import pytest

from saaf_autogen import Client
from saaf_autogen.client.remote import RemoteHost
from saaf_autogen.client.tokens import HostTokens
from saaf_autogen.errors import ConfigurationError, Forbidden, Unauthenticated, Unavailable
from saaf_autogen.testing import ManualClock
from tests.site import Site, serving_site

SCOPES = ("semantic:read", "agents:run")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving_site(tmp_path_factory.mktemp("login") / "site", {}) as running:
        yield running


class Person:
    """Answers, as the page would, once the address was shown."""

    def __init__(self, site: Site, *, agrees: bool) -> None:
        self.site = site
        self.agrees = agrees
        self.shown: list[str] = []

    def __call__(self, message: str) -> None:
        self.shown.append(message)
        found = re.search(r"user_code=(\S{9})", message)
        assert found
        devices = self.site.identity.devices
        if not self.agrees:
            assert devices.deny(found[1])
            return
        user = self.site.identity.users.add(f"ann{len(self.shown)}{id(self)}", scopes=SCOPES)
        waiting = devices.pending(found[1])
        assert waiting
        assert devices.approve(found[1], user, waiting.order)


async def signed_in(site: Site, clock: ManualClock | None = None) -> RemoteHost:
    """What ``Client.login`` does, by a clock that tests can move and without waiting."""
    http = httpx.AsyncClient(base_url=site.url)
    host = RemoteHost(site.url, http=http)
    host.tokens = HostTokens(http, clock=clock, sleep=lambda _seconds: asyncio.sleep(0))
    await host.tokens.sign_in([], Person(site, agrees=True))
    return host


async def test_login_shows_an_address_and_waits_for_a_person(site: Site) -> None:
    person = Person(site, agrees=True)
    async with await Client(site.url).login(tell=person) as saaf:
        assert isinstance(await saaf.actions(), list)
    (message,) = person.shown
    assert f"{site.url}/device?user_code=" in message


async def test_tokens_renew_themselves_before_they_expire(site: Site) -> None:
    clock = ManualClock()
    host = await signed_in(site, clock)
    held = {await host.tokens.current()}
    for _ in range(3):
        site.clock.advance(280)
        clock.advance(280)
        held |= set(await asyncio.gather(*(host.tokens.current() for _ in range(3))))
        await host.list_actions()
    assert len(held) == 4
    await host.close()


async def test_a_sign_in_that_was_taken_back_asks_for_another(site: Site) -> None:
    clock = ManualClock()
    host = await signed_in(site, clock)
    site.identity.families.revoke_all("user took it back", client_id="saaf-cli")
    with pytest.raises(Unauthenticated):
        await host.list_actions()
    clock.advance(300)
    with pytest.raises(Unauthenticated, match="invalid_grant") as caught:
        await host.list_actions()
    assert caught.value.remedy == "Call login() again."
    await host.close()


async def test_a_person_who_says_no_is_heard(site: Site) -> None:
    saaf = Client(site.url)
    with pytest.raises(Forbidden, match="said no"):
        await saaf.login(tell=Person(site, agrees=False))
    with pytest.raises(Unauthenticated, match="asks for a token"):
        await saaf.actions()
    await saaf.close()


async def test_a_host_that_is_away_or_has_no_such_client_says_so(site: Site) -> None:
    saaf = Client(site.url)
    with pytest.raises(Unauthenticated, match="invalid_client"):
        await saaf.login(client_id="nobody")
    await saaf.close()
    away = Client("http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="cannot be reached"):
        await away.login()
    await away.close()


async def test_nobody_signs_in_in_process(site: Site) -> None:
    saaf = Client(site.folder)
    with pytest.raises(ConfigurationError, match="In process"):
        await saaf.login()
