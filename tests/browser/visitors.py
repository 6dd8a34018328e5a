"""What browser tests do again and again: a client on loopback, and signing in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page

from tests.people_site import PASSWORD

__all__ = ["LoopbackClient", "loopback_client", "sign_in"]


@dataclass
class LoopbackClient:
    """A program on the user's machine: waits for the answer at its redirect URI.

    Attributes:
        pages: HTML that it shows at other paths, by path.
    """

    url: str
    answers: Queue[dict[str, str]] = field(default_factory=Queue)
    referrers: list[str | None] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)

    @property
    def redirect_uri(self) -> str:
        return f"{self.url}/callback"

    def answer(self) -> dict[str, str]:
        """The query that came to the redirect URI."""
        return self.answers.get(timeout=10)


@contextmanager
def loopback_client() -> Iterator[LoopbackClient]:
    """A client that listens on 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/callback":
                client.referrers.append(self.headers.get("referer"))
                client.answers.put({name: each[0] for name, each in parse_qs(parts.query).items()})
            body = client.pages.get(parts.path, "<title>Client</title><h1>Back at the client</h1>")
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    client = LoopbackClient(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sign_in(page: Page, username: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in page that is open."""
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
