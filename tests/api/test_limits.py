"""Who calls too often is told so, whatever becomes of their calls, and nobody else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from saaf_autogen.audit import AuditFilter, AuditReader
from tests.site import Site, serving_site

SETTINGS: dict[str, Any] = {
    "clients": [
        {"id": "ann", "scopes": ["runs:read"]},
        {"id": "bob", "scopes": ["runs:read"]},
    ],
    "server": {"trusted_proxies": ["127.0.0.1"]},
    "limits": {
        "calls_per_minute": 10,
        "unauthenticated_per_minute": 5,
        "oauth_per_minute": 20,
        "tokens_per_minute": 8,
    },
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving_site(tmp_path_factory.mktemp("limits") / "site", SETTINGS) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Site:
    """The host after three idle minutes: every window is empty."""
    running.clock.advance(180)
    return running


def bearer(token: str, address: str = "192.0.2.1") -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}


def statuses(site: Site, count: int, path: str, **options: Any) -> list[int]:
    return [site.http.get(path, **options).status_code for _ in range(count)]


def test_calls_of_a_subject_and_client_are_counted_refused_ones_too(site: Site) -> None:
    token = site.token("ann")
    headers = bearer(token)
    assert statuses(site, 4, "/v1/runs", headers=headers) == [200] * 4
    # Unknown, not valid, not theirs: each is a call.
    assert site.http.post("/v1/actions/x.y", headers=headers, json={}).status_code == 404
    assert statuses(site, 3, "/v1/runs?limit=0", headers=headers) == [422] * 3
    assert statuses(site, 2, "/v1/runs/run_x", headers=headers) == [404] * 2
    answer = site.http.get("/v1/runs", headers=headers)
    assert answer.status_code == 429
    problem = answer.json()
    assert (problem["code"], problem["status"]) == ("rate_limited", 429)
    wait = int(answer.headers["retry-after"])
    assert problem["retry_after"] == wait >= 1
    assert answer.headers["ratelimit-policy"] == '"calls";q=10;w=60'
    assert answer.headers["ratelimit"] == f'"calls";r=0;t={wait}'
    assert "ratelimit" not in problem
    # Another client of the same address is not touched.
    assert statuses(site, 3, "/v1/runs", headers=bearer(site.token("bob"))) == [200] * 3
    site.clock.advance(wait)
    assert site.http.get("/v1/runs", headers=headers).status_code == 200


def test_every_answer_tells_what_is_left(site: Site) -> None:
    headers = bearer(site.token("ann"))
    told = [site.http.get("/v1/runs", headers=headers).headers["ratelimit"] for _ in range(3)]
    left = [re.fullmatch(r'"calls";r=(\d+);t=\d+', each) for each in told]
    assert [each[1] for each in left if each] == ["9", "8", "7"]


def test_a_new_token_of_the_same_client_begins_no_new_count(site: Site) -> None:
    for _ in range(2):
        statuses(site, 5, "/v1/runs", headers=bearer(site.token("ann")))
    assert site.http.get("/v1/runs", headers=bearer(site.token("ann"))).status_code == 429


def test_the_audit_tells_of_it_once_a_minute(site: Site) -> None:
    reader, wanted = AuditReader(site.project.database), AuditFilter(action="host.limit_calls")
    site.on_loop(site.project.audit.flush())
    before = len(reader.page("default", wanted, limit=200).entries)
    headers = bearer(site.token("bob"), "198.51.100.7")
    statuses(site, 30, "/v1/runs", headers=headers)
    site.on_loop(site.project.audit.flush())
    found = reader.page("default", wanted, limit=200).entries
    assert len(found) == before + 1
    entry = found[0].document()
    assert (entry["subject"], entry["decision"]) == ("client:bob", "denied")
    assert entry["address"] == "198.51.100.7"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}],
    ids=["no token", "a bad token", "another scheme"],
)
def test_calls_without_a_good_token_are_counted_by_address(
    site: Site, headers: dict[str, str]
) -> None:
    mine = {**headers, "X-Forwarded-For": "203.0.113.1"}
    assert statuses(site, 7, "/v1/runs", headers=mine) == [401] * 5 + [429] * 2
    answer = site.http.get("/v1/runs", headers=mine)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit-policy"] == '"unauthenticated";q=5;w=60'
    others = {**headers, "X-Forwarded-For": "203.0.113.2"}
    assert site.http.get("/v1/runs", headers=others).status_code == 401
    # Somebody with a good token at the same address is not touched.
    token = site.token("ann")
    assert site.http.get("/v1/runs", headers=bearer(token, "203.0.113.1")).status_code == 200


def test_what_is_refused_before_anyone_looked_at_a_token_is_counted_too(site: Site) -> None:
    mine = {"X-Forwarded-For": "203.0.113.3", "Content-Type": "application/json"}
    seen = [
        site.http.post("/v1/runs", headers=mine, content=b"{nonsense").status_code for _ in range(7)
    ]
    assert seen == [400] * 5 + [429] * 2


def test_an_ipv6_caller_cannot_change_its_address_within_its_network(site: Site) -> None:
    seen = [
        site.http.get(
            "/v1/runs", headers={"X-Forwarded-For": f"2a00:1:2:3::{number:x}"}
        ).status_code
        for number in range(1, 8)
    ]
    assert seen == [401] * 5 + [429] * 2


def test_the_authorization_server_is_limited_by_address_in_its_own_format(site: Site) -> None:
    mine = {"X-Forwarded-For": "203.0.113.4"}
    assert statuses(site, 20, "/oauth/jwks", headers=mine) == [200] * 20
    answer = site.http.post("/oauth/token", headers=mine, data={"grant_type": "x"})
    assert answer.status_code == 429
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"
    page = site.http.get("/sign-in", headers={**mine, "Accept": "text/html"})
    assert page.status_code == 429
    assert page.headers["content-type"].startswith("text/plain")
    assert "Wait" in page.text
    assert site.http.get("/livez", headers=mine).status_code == 200
    assert site.http.get("/oauth/jwks", headers={"X-Forwarded-For": "203.0.113.5"}).is_success


def test_tokens_are_limited_by_client_at_whatever_address(site: Site) -> None:
    def ask(number: int, secret: str) -> httpx.Response:
        return site.http.post(
            "/oauth/token",
            auth=("ann", secret),
            data={"grant_type": "client_credentials"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )

    good = site.secret("ann")
    # Who does not know the secret cannot use up what the client may ask for.
    assert [ask(number, "wrong").status_code for number in range(10)] == [401] * 10
    assert [ask(number, good).status_code for number in range(10)] == [200] * 8 + [429] * 2
    answer = ask(50, good)
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) >= 1
