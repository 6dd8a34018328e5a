"""A web server on loopback where clients describe themselves, and where hostile ones do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["DocumentServer", "document_server"]


@dataclass
class DocumentServer:
    """What is served by path: status, headers and body; and how often each was asked for."""

    url: str
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def describe(
        self, path: str, *, cache: str = "", kind: str = "application/json", **members: Any
    ) -> str:
        """Serve a document; returns the client's id. None leaves a member out."""
        client_id = self.url + path
        document = {
            "client_id": client_id,
            "client_name": "Described",
            "redirect_uris": ["https://client.example.com/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            **members,
        }
        body = {name: value for name, value in document.items() if value is not None}
        headers = {"Content-Type": kind, **({"Cache-Control": cache} if cache else {})}
        self.answers[path] = (200, headers, json.dumps(body).encode())
        return client_id


@contextmanager
def document_server() -> Iterator[DocumentServer]:
    served = DocumentServer("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            status, headers, body = served.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
