"""Where callbacks arrive: a receiver that is sometimes away, so that some must come again."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

__all__ = ["Callbacks", "Delivery"]


@dataclass(frozen=True)
class Delivery:
    """A callback as it came."""

    id: str
    run: str
    kind: str
    verified: bool
    taken: bool


class Callbacks:
    """Listens on loopback, verifies signatures, and refuses every ``nth`` callback's first try."""

    def __init__(self, secret: str, *, nth: int = 10) -> None:
        self.deliveries: list[Delivery] = []
        self._lock = threading.Lock()
        self._webhook = Webhook(secret)
        self._nth = nth
        receiver = self

        class Handler(_Handler):
            held = receiver

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """What runs name as their webhook."""
        return f"http://127.0.0.1:{self._server.server_port}/callbacks"

    def start(self) -> Callbacks:
        """Listen."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def take(self, id_: str, verified: bool, body: dict[str, Any]) -> bool:
        """Note a callback; whether it is accepted."""
        run, kind = str(body["data"]["id"]), str(body["type"])
        with self._lock:
            known = any(each.id == id_ for each in self.deliveries)
            refused = not known and len(self.deliveries) % self._nth == 0
            self.deliveries.append(Delivery(id_, run, kind, verified, not refused))
        return not refused


class _Handler(BaseHTTPRequestHandler):
    held: Callbacks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            self.held._webhook.verify(body, dict(self.headers.items()))
            verified = True
        except WebhookVerificationError:
            verified = False
        taken = self.held.take(self.headers["webhook-id"], verified, json.loads(body))
        self.send_response(204 if taken else 503)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Quiet."""
