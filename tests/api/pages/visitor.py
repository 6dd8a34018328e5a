"""Something that visits pages as a browser does, and can be told not to."""

from __future__ import annotations

import re
from html import unescape
from types import TracebackType
from typing import Self

import httpx

from tests.people_site import PASSWORD
from tests.site import Site

__all__ = ["Visitor", "form_token"]

_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')
_INPUT = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def form_token(response: httpx.Response) -> str:
    """The token in the forms of a page."""
    found = _TOKEN.search(response.text)
    assert found, response.text
    return found[1]


class Visitor:
    """A browser without a screen: cookies, ``Origin`` and the hidden fields of forms."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.http = httpx.Client(base_url=site.url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()

    def get(self, path: str) -> httpx.Response:
        """A page, redirects not followed."""
        return self.http.get(path)

    def send(self, page: httpx.Response, path: str, /, **fields: str) -> httpx.Response:
        """The form of a page, with what is hidden in it and what is typed."""
        headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
        return self.send_from(headers, page, path, **fields)

    def send_from(
        self, headers: dict[str, str], page: httpx.Response, path: str, /, **fields: str
    ) -> httpx.Response:
        """The same, as if it came from elsewhere."""
        hidden = {name: unescape(value) for name, value in _INPUT.findall(page.text)}
        return self.http.post(path, data={**hidden, **fields}, headers=headers)

    def sign_in(self, username: str, password: str = PASSWORD, *, back: str = "") -> httpx.Response:
        """Sign in by the page."""
        page = self.http.get("/sign-in", params={"next": back, "again": "1"})
        return self.send(page, "/sign-in", username=username, password=password)
