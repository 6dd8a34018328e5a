"""Which redirect URIs a client may have, whoever made it."""

from __future__ import annotations

from pathlib import Path

import pytest

from saaf_autogen.auth.findings import validate_grants
from saaf_autogen.auth.redirect_uris import redirect_fault, redirect_faults, redirect_matches
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.settings import Settings, parse_document


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/callback",
        "https://app.example.com",
        "https://app.example.com:8443/a%20b?x=1",
        "https://[2001:db8::1]/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:8000/",
        "http://[::1]/callback",
        "http://localhost:4000/callback",
        "com.example.app:/callback",
        "com.example.app://callback",
    ],
)
def test_good_ones_are_taken(uri: str) -> None:
    assert redirect_fault(uri) is None
    assert redirect_matches(uri, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://app.example.com/callback",
        "http://127.0.0.2/callback",
        "http://localhost.evil.example/",
        "https://app.example.com/#x",
        "https://app.example.com/\nx",
        "https://app.example.com/?state=x",
        "https://app.example.com/?error=",
        "https://user@app.example.com/",
        "https://app.example.com/./x",
        "https://[::1/",
        "https://evil.example%2f.example.com/",
        "https://app.example.com;evil.example/",
        "https://app.example.com,evil.example/",
        "https://[::1%25eth0]/",
        "https://app.example.com:0/",
        "https:",
        "app:/callback",
        "",
    ],
)
def test_bad_ones_are_not(uri: str) -> None:
    assert redirect_fault(uri) is not None
    assert redirect_faults(["https://app.example.com/", uri]) is not None


def test_a_declared_clients_bad_address_is_found_at_its_line() -> None:
    text = """\
clients:
  - id: app
    grant_types: [authorization_code]
    redirect_uris:
      - https://app.example.com/callback
      - http://app.example.com/callback
"""
    document = parse_document(text, Path("saaf.yaml"))
    settings = document.validate(Settings)
    assert settings
    found = validate_grants(settings, document, scopes=ScopeRegistry())
    lines = text.splitlines()
    assert [lines[item.line - 1].strip() for item in found] == ["- http://app.example.com/callback"]
