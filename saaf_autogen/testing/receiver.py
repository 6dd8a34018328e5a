"""A callback receiver on loopback, as small as a real one can be."""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

__all__ = ["CallbackReceiver", "ReceivedCallback"]

_MAX_BODY = 1_000_000


@dataclass(frozen=True)
class ReceivedCallback:
    """A callback as it came, and whether its signature is the client's."""

    id: str
    verified: bool
    body: dict[str, Any]


class CallbackReceiver:
    """Listens, verifies signatures (Standard Webhooks) and keeps what came.

    Args:
        secret: the client's ``whsec_…``.
    """

    def __init__(self, secret: str) -> None:
        self.received: queue.Queue[ReceivedCallback] = queue.Queue()
        self._webhook = Webhook(secret)
        received, webhook = self.received, self._webhook

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length", 0)), _MAX_BODY)
                body = self.rfile.read(length)
                try:
                    webhook.verify(body, dict(self.headers.items()))
                    verified = True
                except WebhookVerificationError:
                    verified = False
                received.put(
                    ReceivedCallback(self.headers["webhook-id"], verified, json.loads(body))
                )
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/callbacks"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> CallbackReceiver:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
