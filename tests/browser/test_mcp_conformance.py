"""The conformance suite of the Model Context Protocol, as far as it speaks of our server.

What it says is written down in docs/conformance.md; ``test_the_page_says_what_is_run`` compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.auth.authorization.documents import DocumentServer, document_server
from tests.browser.person import Person
from tests.peers.conformance import Check, free_port, run_suite, spec_versions
from tests.peers.relying_party import PEERS
from tests.people_site import PASSWORD, add_user, people_site, settings_for
from tests.site import Site

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
VERSIONS = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
SCENARIOS = ["authorization-server-metadata-endpoint", "authorization-code-grant"]
CHECKS = ["authorization-server-metadata", "authorization-server-metadata-cimd", SCENARIOS[1]]
SINCE = {"authorization-server-metadata-cimd": "2025-11-25"}
OAUTH = {
    "client_documents": ["127.0.0.1"],
    "registration": "open",
    "registration_scopes": ["semantic:read"],
}


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("conformance") / "site"
    settings = settings_for(oauth=getattr(request, "param", OAUTH))
    with people_site(folder, settings, name="127.0.0.1") as running:
        add_user(running, "ann", "analysts", name="Ann")
        yield running


@pytest.fixture(scope="module")
def described() -> Iterator[DocumentServer]:
    with document_server() as server:
        yield server


@pytest.fixture
def run(site: Site, browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Runs the suite; a person in Chromium signs in and allows what it asks for."""
    # Not the fixture ``page``: the suite answers one request, and Chromium misses its icon.
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(10_000)

        def go(client_id: str, *, port: int | None = None, **options: Any) -> list[Check]:
            port = port or free_port()
            ann = Person(page, "ann", PASSWORD, f"http://127.0.0.1:{port}/")
            return run_suite(
                site.url,
                tmp_path / "checks",
                lambda address: ann.visit({"open": address}),
                client_id=client_id,
                port=port,
                **options,
            )

        yield go


def statuses(checks: list[Check]) -> dict[str, str]:
    return {check.id: check.status for check in checks}


def test_the_suite_offers_what_is_run_here() -> None:
    assert spec_versions() == dict.fromkeys(VERSIONS, SCENARIOS)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_check_of_every_version_passes_for_a_public_client(
    run: Any, site: Site, version: str
) -> None:
    checks = run("desktop", version=version, resource=site.url)
    expected = [name for name in CHECKS if version >= SINCE.get(name, version)]
    assert statuses(checks) == dict.fromkeys(expected, "SUCCESS"), checks


def test_every_check_passes_for_a_client_that_describes_itself(
    run: Any, described: DocumentServer
) -> None:
    port = free_port()
    client_id = described.describe("/mcp", redirect_uris=[f"http://127.0.0.1:{port}/callback"])
    assert statuses(run(client_id, port=port)) == dict.fromkeys(CHECKS, "SUCCESS")


def test_every_check_passes_for_a_client_that_registered_itself(run: Any, site: Site) -> None:
    port = free_port()
    metadata = {
        "client_name": "Registered",
        "redirect_uris": [f"http://127.0.0.1:{port}/callback"],
        "token_endpoint_auth_method": "none",
    }
    made = site.http.post("/oauth/register", json=metadata)
    assert made.status_code == 201, made.text
    checks = run(made.json()["client_id"], port=port)
    assert statuses(checks) == dict.fromkeys(CHECKS, "SUCCESS")


def test_a_client_with_a_secret_fails_because_the_suite_does_not_send_it(
    run: Any, site: Site
) -> None:
    port = free_port()
    made = site.http.post(
        "/oauth/register",
        json={
            "redirect_uris": [f"http://127.0.0.1:{port}/callback"],
            "token_endpoint_auth_method": "client_secret_post",
        },
    ).json()
    checks = run(made["client_id"], port=port, client_secret=made["client_secret"])
    failed = next(check for check in checks if check.status == "FAILURE")
    assert (failed.id, failed.message) == ("authorization-code-grant", "Invalid status code: 401")


def test_a_foreign_resource_is_told_to_the_suite_as_invalid_target(run: Any) -> None:
    checks = run("desktop", resource="https://elsewhere.example/mcp")
    failed = next(check for check in checks if check.status == "FAILURE")
    assert failed.message.startswith("Authorization error: invalid_target")


def test_the_page_says_what_is_run() -> None:
    text = PAGE.read_text()
    packages = json.loads((PEERS / "package.json").read_text())["devDependencies"]
    for name in ("@modelcontextprotocol/conformance", "openid-client", "oidc-provider"):
        assert f"`{name}` {packages[name]}" in text
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \| (\w+) \|", text, re.MULTILINE)
    assert [name for name, _, _ in rows] == CHECKS
    for name, versions, result in rows:
        ran = [version for version in VERSIONS if version >= SINCE.get(name, version)]
        assert versions.split(", ") == ran
        assert result == "passes"


@pytest.mark.parametrize("site", [{}], indirect=True, ids=["as by default"])
def test_a_host_that_takes_no_client_documents_gets_a_warning_about_them(run: Any) -> None:
    checks = run("desktop")
    assert statuses(checks) == {**dict.fromkeys(CHECKS, "SUCCESS"), CHECKS[1]: "WARNING"}
