from __future__ import annotations

import re

import httpx


def test_the_documentation_page_takes_nothing_from_foreign_hosts(http: httpx.Client) -> None:
    page = http.get("/docs")
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert sources
    for source in sources:
        assert source.startswith("/"), source
        assert http.get(source).status_code == 200


def test_the_documentation_page_may_load_from_its_own_host_alone(http: httpx.Client) -> None:
    policy = http.get("/docs").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
