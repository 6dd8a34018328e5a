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
