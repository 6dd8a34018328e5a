"""Twelve requests at once with one code or refresh token, over sockets, on both stores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.auth.server.flows import CALLBACK, CODE, REFRESH, SCOPES, Flows
from tests.site import serving_site

MANY = 12
WEB = {
    "id": "web",
    "grant_types": [CODE, REFRESH],
    "redirect_uris": [CALLBACK],
    "scopes": [*SCOPES],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def flows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flows]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "postgresql":
            patch.setenv("SAAF_DATABASE_URL", request.getfixturevalue("postgres_url"))
        with serving_site(tmp_path / "site", {"clients": [WEB]}) as site:
            yield Flows(site)


def at_once(send: Callable[[], httpx.Response]) -> list[httpx.Response]:
    barrier = threading.Barrier(MANY)

    def one(_: int) -> httpx.Response:
        barrier.wait(timeout=30)
        return send()

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, range(MANY)))


def check(flows: Flows, answers: list[httpx.Response]) -> None:
    """At most one got tokens, and the replays ended them."""
    given = [answer.json() for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(given) <= 1
    assert {(each.status_code, each.json()["error"]) for each in refused} == {
        (400, "invalid_grant")
    }
    for tokens in given:
        assert not flows.active(tokens["access_token"])
        again = flows.refresh(tokens["refresh_token"])
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_of_parallel_code_redemptions_at_most_one_succeeds(flows: Flows) -> None:
    code = flows.code(flows.user())
    check(flows, at_once(lambda: flows.redeem(code)))


def test_of_parallel_refreshes_at_most_one_succeeds(flows: Flows) -> None:
    tokens = flows.tokens()
    check(flows, at_once(lambda: flows.refresh(tokens["refresh_token"])))
    assert not flows.active(tokens["access_token"])
