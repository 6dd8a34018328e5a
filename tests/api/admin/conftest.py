"""A host with admins of two tenants, for all tests of the administration over REST."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.site import Site, serving_site

SETTINGS: dict[str, Any] = {
    "tenants": ["default", "acme"],
    "clients": [
        {"id": "admin", "scopes": ["iam:admin", "audit:read"]},
        {"id": "auditor", "scopes": ["audit:read"]},
        {"id": "nobody", "scopes": ["runs:read"]},
        {"id": "acme-admin", "tenant": "acme", "scopes": ["iam:admin"]},
    ],
    "groups": [{"id": "declared", "title": "Declared", "scopes": ["runs:read"]}],
    "grants": [
        {"id": "handbook", "to": {"groups": ["declared"]}, "resource": "doc://handbook/*"},
    ],
    "deny": [{"id": "no-plans", "to": "*", "resource": "doc://plans/*"}],
    # The tests of one host ask it more than any one client would.
    "limits": {"calls_per_minute": 100_000},
}
PASSWORD = "seventeen green umbrellas"

Call = Callable[..., httpx.Response]
_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving_site(tmp_path_factory.mktemp("admin") / "site", SETTINGS) as running:
        yield running


def caller(site: Site) -> Call:
    """``call("GET", "/clients")``: a request of the admin, or of the client named in ``by``."""
    tokens: dict[tuple[str, datetime], str] = {}

    def send(
        method: str, path: str, *, by: str = "admin", match: str | None = None, **rest: Any
    ) -> httpx.Response:
        # Tests move the clock, and tokens live for minutes.
        name = (by, site.clock.now())
        if name not in tokens:
            tokens[name] = site.token(by)
        headers = {"Authorization": f"Bearer {tokens[name]}", **rest.pop("headers", {})}
        if match is not None:
            headers["If-Match"] = match
        return site.http.request(method, f"/v1/admin{path}", headers=headers, **rest)

    return send


@pytest.fixture(scope="package")
def call(site: Site) -> Call:
    return caller(site)


def fresh(prefix: str) -> str:
    """An id that no other test uses."""
    return f"{prefix}-{next(_numbers)}"


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, which is of that status and code."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["code"] == code
    return document
