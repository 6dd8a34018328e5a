"""What every page has in common: its headers, and nothing that comes from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from saaf_autogen.api.pages.rendering import content_policy
from tests.api.pages.visitor import Visitor

ATTRIBUTES = """
action alt aria-describedby aria-hidden aria-invalid aria-label aria-labelledby autocapitalize
autocomplete autofocus charset checked class content for height hidden href id lang maxlength
method name readonly rel required role spellcheck src type value width
"""
PAGES = ["/sign-in", "/sign-out", "/setup", "/invitation?token=x", "/oauth/authorize", "/account"]


@pytest.mark.parametrize("path", [*PAGES, "/device"])
def test_a_page_is_kept_by_nobody_framed_by_nobody_and_tells_nobody(
    visitor: Visitor, path: str
) -> None:
    visitor.sign_in("ann")
    page = visitor.get(path)
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    if page.is_redirect:
        return
    policy = dict(
        rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["form-action"].startswith("'self'")
    assert "script-src" not in policy
    assert "unsafe" not in str(policy)


@pytest.mark.parametrize("path", [*PAGES, "/device"])
def test_a_page_takes_nothing_from_elsewhere_and_has_no_script_or_style_of_its_own(
    visitor: Visitor, path: str
) -> None:
    visitor.sign_in("ann")
    text = visitor.get(path).text
    assert not re.findall(r"""(?:src|href|action)=["'](?:https?:)?//""", text)
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", text)


@pytest.mark.parametrize("path", [*PAGES, "/device"])
def test_a_page_has_a_language_a_title_and_one_main_heading(visitor: Visitor, path: str) -> None:
    visitor.sign_in("ann")
    page = visitor.get(path)
    if not page.is_redirect:
        assert '<html lang="en">' in page.text
        assert re.search(r"<title>[^<]+ · harbour-data</title>", page.text)
        assert page.text.count("<h1") == 1


class Marks(HTMLParser):
    """The attributes and ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.referred: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            elif name in ("for", "aria-describedby", "aria-labelledby"):
                self.referred |= set((value or "").split())


@pytest.mark.parametrize("path", [*PAGES, "/device"])
def test_a_page_is_well_formed_and_its_labels_point_at_something(
    visitor: Visitor, path: str
) -> None:
    visitor.sign_in("ann")
    page = visitor.get(path)
    if path == "/device":
        page = visitor.send(page, "/device", user_code="nothing")
    marks = Marks(page.text)
    assert marks.attributes <= set(ATTRIBUTES.split())
    assert len(marks.ids) == len(set(marks.ids))
    assert marks.referred <= set(marks.ids)


def test_what_pages_link_to_is_there_and_can_be_kept(visitor: Visitor) -> None:
    page = visitor.get("/sign-in")
    links = re.findall(r'(?:src|href)="(/pages/[^"]+)"', page.text)
    assert len(links) >= 2
    for link in links:
        asset = visitor.get(link)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
    assert visitor.get("/pages/x/../../app.py").status_code == 404
    assert visitor.get("/pages/x/app.py").status_code == 404


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("https://client.example.com/cb?x=1", "https://client.example.com"),
        ("https://client.example.com:8443/cb", "https://client.example.com:8443"),
        ("https://client.example.com:443/cb", "https://client.example.com"),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000"),
        # The grammar of CSP has no IPv6 addresses.
        ("http://[::1]:5000/cb", "http:"),
        ("com.acme.app:/cb", "com.acme.app:"),
    ],
)
def test_where_forms_lead_is_written_as_browsers_understand_it(target: str, source: str) -> None:
    assert f"form-action 'self' {source}; " in content_policy(targets=[target])


def test_an_error_of_a_page_is_a_page(visitor: Visitor) -> None:
    refused = visitor.get("/sign-in/with/nobody")
    assert refused.status_code == 404
    assert "text/html" in refused.headers["content-type"]
